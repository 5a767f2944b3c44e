"""LocoMan's whole-body controller without the robot: its modes, its 20 values in and its 56 out. No code of theirs."""

import numpy as np
from scipy.spatial.transform import Rotation

from mivla_ros.kinematics import chain_from_urdf, solve_pose
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile

STAND = [0.0, 0.9, -1.8]
MODES = {"locoman": (0, 4, "fsm_command"), "human2locoman": (0, 7, "fsm_state")}  # stance, bimanual, topic
LOWEST_INTERVAL = 3.0  # s between switches
RISE = 1.0  # s from one posture to the other; the real one's is not published
FASTEST = 3.0  # rad/s


class LocoManRobot:
    """Stands, or sits up with both front legs free. Times are seconds of one clock.

    refuse_mode: stays in stance, as where the bimanual mode is locked. frozen: its state is repeated, whatever it does.
    """

    def __init__(self, variant: str = "human2locoman", refuse_mode: bool = False) -> None:
        profile = load_profile("locoman")
        self.stance_number, self.bimanual_number, self.mode_topic = MODES[variant]
        self.refuse_mode, self.frozen = refuse_mode, False
        arms = {arm.side: arm for arm in profile.arms}
        held = list(profile.body.held.values())
        self._low = [*STAND, 0.0, 0.0, 0.0, *STAND, 0.0, 0.0, 0.0, *STAND, *STAND]
        self._high = [*arms["right"].ready, *arms["left"].ready, *held]
        self._low_body, self._high_body = [0.0, 0.0, 0.29, 0.0, 0.0, 0.0], [0.05, 0.0, 0.35, 0.0, -0.9, 0.0]
        urdf = robot_description(profile)
        self._chains = [chain_from_urdf(urdf, "trunk", frame) for frame in ("1_FR_eef", "2_FL_eef")]
        self.mode, self._switched, self._risen = self.stance_number, -1e9, -1e9
        self.joints, self.body = np.array(self._low), np.array(self._low_body)
        self.grippers, self.speeds = np.array([0.1, 0.1]), np.zeros(18)
        self._wanted, self._wanted_grippers = self.joints.copy(), self.grippers.copy()
        self._shown: list[float] | None = None
        self.modes_taken: list[tuple[float, int]] = []
        self.modes_refused: list[int] = []

    def ask(self, number: int, now: float) -> None:
        """A mode number: only from or to stance, 3 s after the last one, and not where it is locked."""
        through = self.stance_number in (self.mode, number)
        locked = self.refuse_mode and number != self.stance_number
        known = number in (self.stance_number, self.bimanual_number)
        if not through or locked or not known or now - self._switched < LOWEST_INTERVAL:
            self.modes_refused.append(number)
            return
        if number != self.mode:
            self._risen = now + RISE
        self.mode, self._switched = number, now
        self.modes_taken.append((now, number))

    def command(self, values: list[float], now: float) -> None:
        """The 20 values: body (left alone), right then left end effector in the world, two grippers."""
        assert len(values) == 20
        if self.mode != self.bimanual_number or now < self._risen:
            return
        trunk = Rotation.from_euler("xyz", self.body[3:])
        for i, chain in enumerate(self._chains):
            x = np.array(values[6 + 6 * i : 12 + 6 * i])
            turn = trunk.inv() * Rotation.from_euler("xyz", x[3:])
            pose = np.concatenate([trunk.inv().apply(x[:3] - self.body[:3]), turn.as_quat(scalar_first=True)])
            solution = solve_pose(chain, pose, self._wanted[6 * i : 6 * i + 6])
            if solution.reached:
                self._wanted[6 * i : 6 * i + 6] = solution.q
        self._wanted_grippers = np.clip(values[18:20], 0.02, 0.7)

    def step(self, seconds: float, now: float) -> None:
        """Let time pass."""
        up = self.mode == self.bimanual_number
        if now < self._risen:
            share = min(seconds / max(self._risen - now, seconds), 1.0)
            self._wanted = self.joints + share * (np.array(self._high if up else self._low) - self.joints)
            self.body = self.body + share * (np.array(self._high_body if up else self._low_body) - self.body)
        before = self.joints
        self.joints = before + np.clip(self._wanted - before, -FASTEST * seconds, FASTEST * seconds)
        self.speeds = (self.joints - before) / seconds
        self.grippers = self.grippers + np.clip(self._wanted_grippers - self.grippers, -5 * seconds, 5 * seconds)

    def state(self) -> list[float]:
        """The 56 values."""
        if self._shown is None or not self.frozen:
            self._shown = [*self.body, *np.zeros(12), *self.grippers, *self.joints, *self.speeds]
        return [float(v) for v in self._shown]
