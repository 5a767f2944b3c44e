"""What retargeting did to a chunk: which steps, which limits, by how much."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mivla_ros.kinematics import PathStatus
from mivla_ros.stop_reasons import RUNNING, Reason, Stop

Array = NDArray[np.float64]

_GRAVEST_FIRST = (
    Reason.UNREACHABLE,
    Reason.COLLISION,
    Reason.LIMIT_WORKSPACE,
    Reason.LIMIT_POSITION,
    Reason.LIMIT_VELOCITY,
    Reason.LIMIT_ACCELERATION,
    Reason.LIMIT_JERK,
    Reason.SINGULARITY,
)


@dataclass(frozen=True)
class Clip:
    """One step changed to keep a limit: the joint (or axis of the end effector), what was asked for and what
    is allowed.
    """

    step: int
    joint: str
    reason: Reason
    value: float
    limit: float
    unit: str


@dataclass(frozen=True)
class ArmReport:
    """One arm over the executed steps first_step ... first_step + K - 1 of its chunk.

    status: (K,) see kinematics.PathStatus. position_error (m), rotation_error (rad): (K,) between the smoothed
    pose asked for and the one at the step's joint values, before velocity, acceleration and jerk limits.
    clips: at most one a step, joint and limit. delay: seconds that the latest step comes late because the path is
    followed more slowly than it asks for, to keep those limits. elsewhere: the arm goes to another configuration first,
    see ``escape``.
    """

    name: str
    first_step: int
    status: NDArray[np.int64]
    position_error: Array
    rotation_error: Array
    clips: tuple[Clip, ...] = ()
    delay: float = 0.0
    elsewhere: bool = False

    @property
    def unreachable_steps(self) -> tuple[int, ...]:
        """Steps of the chunk that are out of reach."""
        return tuple(int(k) + self.first_step for k in np.flatnonzero(self.status == PathStatus.UNREACHABLE))

    @property
    def changed_steps(self) -> tuple[int, ...]:
        """Steps of the chunk that are not executed as asked for, because of a limit or of reach."""
        return tuple(sorted({clip.step for clip in self.clips} | set(self.unreachable_steps)))

    @property
    def remark(self) -> Stop:
        """The gravest thing to say about this arm; Reason.NONE where it does all that was asked for."""
        unreachable = self.unreachable_steps
        if unreachable:
            step = unreachable[0]
            error = float(self.position_error[step - self.first_step])
            rotation = float(self.rotation_error[step - self.first_step])
            words = f"{len(unreachable)} steps, {rotation:.3g} rad away too; followed as far as it reaches"
            return Stop(Reason.UNREACHABLE, f"arm {self.name!r} step {step} distance", error, 0.0, "m", words)
        if self.clips:
            clip = min(self.clips, key=lambda c: (_GRAVEST_FIRST.index(c.reason), c.step))
            count = len({c.step for c in self.clips})
            return Stop(
                clip.reason, f"arm {self.name!r} step {clip.step} {clip.joint}",
                clip.value, clip.limit, clip.unit,
                f"{count} steps changed to keep limits"
                + (f", up to {self.delay:.2g} s late" if self.delay else "")
                + (", after going to another configuration" if self.elsewhere else ""),
            )  # fmt: skip
        return RUNNING


@dataclass(frozen=True)
class RetargetingReport:
    """What was made of a chunk. first_step: first step that is executed; steps: how many are; late_steps were
    dropped in front, expired_steps at the end (due after valid_until).
    """

    first_step: int
    steps: int
    late_steps: int
    expired_steps: int
    arms: tuple[ArmReport, ...]

    @property
    def changed_steps(self) -> int:
        """Steps changed on any arm to keep a limit or because they are out of reach."""
        return len({step for arm in self.arms for step in arm.changed_steps})

    @property
    def remark(self) -> Stop:
        """The gravest thing to say about any arm."""
        remarks = [arm.remark for arm in self.arms if arm.remark.reason is not Reason.NONE]
        return min(remarks, key=lambda stop: _GRAVEST_FIRST.index(stop.reason), default=RUNNING)
