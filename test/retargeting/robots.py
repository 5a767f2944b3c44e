"""PiPER, chunks for it, and a robot that goes exactly where it is sent."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_chunk import NANOSECONDS, ActionChunk, ArmActions, GripperKind, Space
from mivla_ros.kinematics import forward_kinematics
from mivla_ros.retargeting import Command, Follower, Retargeter
from mivla_ros.retargeting.limits import JointLimits
from mivla_ros.retargeting.retargeter import IDENTITY
from mivla_ros.robots.profile import load_profile
from test.kinematics.chains import piper, piper_urdf

Array = NDArray[np.float64]

PROFILE = load_profile("piper")
ARM = PROFILE.arms[0]
READY = np.array(ARM.ready)
START_NS = 100 * NANOSECONDS
SESSION = b"0123456789abcdef"


@cache
def retargeter() -> Retargeter:
    """PiPER's, made once."""
    return Retargeter(PROFILE, piper_urdf())


def limits() -> JointLimits:
    """PiPER's limits."""
    return retargeter().arms[ARM.name].limits


def swing(seconds: Array, size: float = 0.2) -> Array:
    """A joint path (N, 6) around the ready pose, at rest at zero seconds."""
    waves = 1 - np.cos(np.outer(seconds, [1.1, 0.9, 1.3, 1.0, 1.2, 0.7]))
    return READY + size * waves * [1, 0.5, 0.5, 1, 0.5, 1]


def chunk_of(
    arm: ArmActions, horizon: int, first_ns: int = START_NS, step: float = 1 / 15, **changes: object
) -> ActionChunk:
    """A chunk of one arm's actions, valid to its end, observed 50 ms before its first step."""
    step_ns = round(step * NANOSECONDS)
    chunk = ActionChunk(
        frame_id=ARM.base_frame,
        first_step_ns=first_ns,
        step_ns=step_ns,
        horizon=horizon,
        arms=(arm,),
        observation_ns=first_ns - 50_000_000,
        valid_until_ns=first_ns + horizon * step_ns,
        session=SESSION,
        sequence=1,
        robot=PROFILE.name,
    )
    return chunk.stamped(**changes)


def eef_chunk(
    joints: Array, first_ns: int = START_NS, step: float = 1 / 15, openings: Array | None = None,
    kind: GripperKind = GripperKind.CONTINUOUS, **changes: object,
) -> ActionChunk:  # fmt: skip
    """A chunk of the end-effector poses that joint values (H, 6) lead to."""
    poses = forward_kinematics(piper(), joints)
    arm = ArmActions(ARM.name, Space.EEF, ARM.eef_frame, poses, openings, kind)
    return chunk_of(arm, len(joints), first_ns, step, **changes)


def joint_chunk(joints: Array, names: tuple[str, ...] = ARM.joints, **changes: object) -> ActionChunk:
    """A chunk of joint values (H, n)."""
    return chunk_of(ArmActions(ARM.name, Space.JOINT, joint_names=names, joints=joints), len(joints), **changes)


class PerfectRobot:
    """A robot whose joints are where they were sent, in a world whose clock stands still until ``run`` is
    called."""

    def __init__(self, follower: Follower) -> None:
        self.follower = follower
        self.now_ns = START_NS
        self.joints = dict(zip(PROFILE.joint_names, [*READY, 0.05], strict=True))
        self.delivers = True
        self.sent: list[Command] = []
        self.deliver()

    def deliver(self) -> None:
        """Send joint states of now."""
        names, positions = self.follower.commanded(self.now_ns)
        self.joints.update(zip(names, positions.tolist(), strict=True))
        self.follower.on_joint_states(self.now_ns, list(self.joints), list(self.joints.values()), [])

    def give(self, chunk: ActionChunk) -> list[Command]:
        """Hand the follower a chunk, whose frame is the arm's base."""
        commands = self.follower.on_chunk(chunk, self.now_ns, lambda arm, chunk: IDENTITY)
        self.sent += commands
        return commands

    def run(self, seconds: float) -> list[Command]:
        """Let time pass at the command rate; what was sent meanwhile."""
        before = len(self.sent)
        for _ in range(round(seconds * PROFILE.command_rate)):
            self.now_ns += retargeter().period_ns
            if self.delivers:
                self.deliver()
            self.sent += self.follower.tick(self.now_ns)
        return self.sent[before:]
