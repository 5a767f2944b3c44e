"""LocoMan's whole-body controller, one driver for the robot: 20 values in, 56 out, right side first (drivers.md 3.2).

It runs on ROS 1, so these topics come over a bridge. What it takes are end-effector poses in its world, not joints:
ours go through forward kinematics of the description, from the trunk as it was measured last. The vendor's
end-effector frame is ``1_FR_eef`` / ``2_FL_eef``, the same place as our TCPs, turned.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.hardware.dialect import Listen, Reading, Send, require_all
from mivla_ros.hardware.errors import HardwareError
from mivla_ros.hardware.locoman_modes import MODE_TOPICS, LocoManMode, Variant, mode_number, mode_of
from mivla_ros.hardware.mode_switch import ModeSwitch
from mivla_ros.kinematics import chain_from_urdf, forward_kinematics
from mivla_ros.robots.profile import ArmProfile, RobotProfile
from mivla_ros.stop_reasons import Reason, Stop

Array = NDArray[np.float64]

FLOATS = "std_msgs/msg/Float32MultiArray"
NUMBER = "std_msgs/msg/Int32"
COMMAND_SIZE, STATE_SIZE = 20, 56
STATE_JOINTS = (
    "1_FR_hip_joint", "1_FR_thigh_joint", "1_FR_calf_joint", "1_FR_joint_1", "1_FR_joint_2", "1_FR_joint_3",
    "2_FL_hip_joint", "2_FL_thigh_joint", "2_FL_calf_joint", "2_FL_joint_1", "2_FL_joint_2", "2_FL_joint_3",
    "3_RR_hip_joint", "3_RR_thigh_joint", "3_RR_calf_joint", "4_RL_hip_joint", "4_RL_thigh_joint", "4_RL_calf_joint",
)  # fmt: skip
EEF_FRAMES = {"right": "1_FR_eef", "left": "2_FL_eef"}
GRIPPER_RANGE = (0.02, 0.7)  # rad
GRIPPER_STEP = 0.03  # rad a command, the robot's own limit
BODY, RIGHT, LEFT, GRIPPERS = slice(0, 6), slice(6, 12), slice(12, 18), slice(18, 20)
POSITIONS, VELOCITIES = slice(20, 38), slice(38, 56)

SERVO_SCALE = np.array([-1, 1, -1, 1, 1, 1, -1, 1], dtype=float)
SERVO_OFFSET = np.array([-np.pi, 0, 0, 0, np.pi, 0, 0, 0])
SERVO_ORDER = (
    "RM_joint_1", "RM_joint_2", "RM_joint_3", "RM_eef", "LM_joint_1", "LM_joint_2", "LM_joint_3", "LM_eef",
)  # fmt: skip


def servo_angles(simulated: Array) -> Array:
    """The eight servos' own angles (rad, SERVO_ORDER) from those of the description ("simulation sign convention")."""
    return np.asarray(simulated) * SERVO_SCALE + SERVO_OFFSET


def described_angles(servos: Array) -> Array:
    """Inverse of ``servo_angles``."""
    return (np.asarray(servos) - SERVO_OFFSET) / SERVO_SCALE


@dataclass(frozen=True)
class LocoManOptions:
    """variant: whose mode numbers. mode: to be in while a policy acts. world_frame: end effectors in its world (its
    default), else in the trunk. rate: commands a second (its teleoperation sends 60)."""

    variant: Variant = Variant.HUMAN2LOCOMAN
    mode: LocoManMode = LocoManMode.BIMANUAL
    bimanual_unlocked: bool = False
    world_frame: bool = True
    rate: float = 60.0

    def __post_init__(self) -> None:
        if not 1.0 <= self.rate <= 400.0:
            raise HardwareError("rate", f"is {self.rate:g}, must be 1 to 400", self.rate, 400.0)
        if self.mode is LocoManMode.BIMANUAL and not self.bimanual_unlocked:
            raise HardwareError("bimanual_unlocked", "is false, and mode is bimanual: see docs/bringup/locoman.md")


class LocoMan:
    """The dialect of LocoMan's controller. Raises HardwareError for a robot that has not its two sides."""

    def __init__(self, profile: RobotProfile, urdf: str, options: LocoManOptions | None = None) -> None:
        self._options = options or LocoManOptions()
        arms = {arm.side: arm for arm in profile.arms}
        if set(arms) != {"left", "right"} or profile.body is None:
            raise HardwareError(profile.name, "is no LocoMan: it needs a left and a right arm and a body")
        self.name, self.rate = "locoman", self._options.rate
        self._arms: dict[str, ArmProfile] = {side: arms[side] for side in ("right", "left")}  # its order
        self.joints = tuple(
            name for arm in profile.arms for name in (*arm.joints, *((arm.gripper.joint,) if arm.gripper else ()))
        )
        self._chains = {
            side: chain_from_urdf(urdf, arm.base_frame, EEF_FRAMES[side]) for side, arm in self._arms.items()
        }
        self._body_joints, self._commanded = profile.body.joints, profile.body.commanded
        self.joints += self._commanded
        self._modes = ModeSwitch(self._options.bimanual_unlocked)
        self._asked: list[int] = []  # mode numbers sent, which come back on the topic
        self._wanted = LocoManMode.STANCE
        self._body: Array | None = None
        self._stance: Array | None = None
        self._grippers: dict[str, float] = {}
        self._measured_grippers: dict[str, float] = {}

    @property
    def listens(self) -> tuple[Listen, ...]:
        """The robot's state, and the mode, for whoever else commands one."""
        return (Listen("robot_state", FLOATS), Listen(MODE_TOPICS[self._options.variant], NUMBER))

    @property
    def speaks(self) -> tuple[tuple[str, str], ...]:
        """The command, and the mode."""
        return (("human_command", FLOATS), (MODE_TOPICS[self._options.variant], NUMBER))

    def enable(self, on: bool) -> tuple[Send, ...]:
        """On: on the way to the mode the policy acts in. Off: to stance, in which the robot stands by itself."""
        self._wanted = self._options.mode if on else LocoManMode.STANCE
        self._modes.ask(self._wanted)
        return ()

    def next_stage(self, now_ns: int) -> tuple[Send, ...]:
        """The message that asks for the next mode once that is due, in this variant's number."""
        mode = self._modes.due(now_ns)
        if mode is None:
            return ()
        self._asked.append(mode_number(mode, self._options.variant))
        return (Send(MODE_TOPICS[self._options.variant], NUMBER, {"data": self._asked[-1]}),)

    def stage(self, now_ns: int) -> str:
        """Where it is on the way to a mode."""
        return self._modes.words(now_ns)

    def begin_commands(self) -> None:
        """It stands in the mode: from there the body is measured, and the grippers go on from where they are."""
        self._stance, self._grippers = self._body, dict(self._measured_grippers)

    def give_up(self) -> None:
        """Ask for no further mode."""
        self._modes.give_up()

    def command(self, positions: Mapping[str, float]) -> tuple[Send, ...]:
        """The 20 values: body (at its stance but for what may be commanded of it), both end effectors, both grippers
        (at most 0.03 rad further).
        """
        require_all(self.joints, positions)
        if self._body is None:
            raise HardwareError("robot_state", "has not come yet, so the trunk's pose is unknown")
        values = np.zeros(COMMAND_SIZE)
        x, y, z, yaw, pitch, roll = (positions[n] if n in self._commanded else 0.0 for n in self._body_joints)
        values[BODY] = x, y, z, roll, pitch, yaw
        for place, (side, arm) in zip((RIGHT, LEFT), self._arms.items(), strict=True):
            pose = forward_kinematics(self._chains[side], [positions[name] for name in arm.joints])
            place_xyz, turn = pose[:3], Rotation.from_quat(pose[3:], scalar_first=True)
            if self._options.world_frame:
                trunk = Rotation.from_euler("xyz", self._body[3:])
                place_xyz, turn = trunk.apply(place_xyz) + self._body[:3], trunk * turn
            values[place] = (*place_xyz, *turn.as_euler("xyz"))
        for i, arm in enumerate(self._arms.values()):
            if arm.gripper is None:
                continue
            wanted = float(np.clip(positions[arm.gripper.joint], *GRIPPER_RANGE))
            before = self._grippers[arm.gripper.joint]
            values[GRIPPERS.start + i] = self._grippers[arm.gripper.joint] = float(
                np.clip(wanted, before - GRIPPER_STEP, before + GRIPPER_STEP)
            )
        return (Send("human_command", FLOATS, {"data": values.tolist()}),)

    def read(self, topic: str, message: Any) -> Reading:  # noqa: ANN401
        """The 56 values: body, end effectors, grippers, 18 joint positions, 18 velocities; right side first.

        The body's joints are measured from where the trunk stood when the mode was reached.
        """
        if topic != "robot_state":
            return self._read_mode(topic, int(message.data))
        values = np.asarray(message.data, dtype=float)
        if values.shape != (STATE_SIZE,):
            raise HardwareError(topic, f"has {values.size} values, must have {STATE_SIZE}", values.size, STATE_SIZE)
        if not np.isfinite(values).all():
            raise HardwareError(topic, f"value {int(np.argmin(np.isfinite(values)))} is not finite")
        self._body = values[BODY]
        self._modes.measured(values[POSITIONS], values[VELOCITIES])
        positions = dict(zip(STATE_JOINTS, values[POSITIONS].tolist(), strict=True))
        velocities = dict(zip(STATE_JOINTS, values[VELOCITIES].tolist(), strict=True))
        if self._stance is None:
            self._stance = self._body
        positions |= dict(zip(self._body_joints, _between(self._stance, self._body), strict=True))
        for arm, angle in zip(self._arms.values(), values[GRIPPERS].tolist(), strict=True):
            if arm.gripper is not None:
                positions[arm.gripper.joint] = self._measured_grippers[arm.gripper.joint] = angle
                self._grippers.setdefault(arm.gripper.joint, angle)
        return Reading(positions, velocities, {})

    def _read_mode(self, topic: str, number: int) -> Reading:
        """A mode that somebody else asked for is a fault; our own comes back here too."""
        if number in self._asked:
            del self._asked[: self._asked.index(number) + 1]
            return Reading({}, {}, {})
        mode = mode_of(number, self._options.variant)
        self._modes.heard(mode)
        if self._wanted is LocoManMode.STANCE:  # not enabled: whose turn it is is theirs to say
            return Reading({}, {}, {})
        words = f"another program asked for the mode {mode}, while a policy acts in {self._wanted}"
        return Reading({}, {}, {}, fault=Stop(Reason.DRIVER_FAULT, topic, float(number), message=words))


def _between(stance: Array, body: Array) -> list[float]:
    """x, y, z, yaw, pitch, roll of the trunk from its stance; both x y z roll pitch yaw in LocoMan's world."""
    back = Rotation.from_euler("xyz", stance[3:]).inv()
    place = back.apply(body[:3] - stance[:3])
    return [*place.tolist(), *(back * Rotation.from_euler("xyz", body[3:])).as_euler("ZYX").tolist()]
