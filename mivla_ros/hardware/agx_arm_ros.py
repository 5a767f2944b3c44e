"""AgileX's agx_arm_ros (node agx_arm_ctrl_single), one arm: drivers.md 1.3 and 1.4.

Its units are right (rad, total opening in m). Streaming goes to control/joint_states, arm and gripper in one message;
the gripper's effort must lie in 0.5 to 3 N or the message is rejected. Enabling is a service.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mivla_ros.hardware.dialect import Listen, Reading, Send, named_values, require_all
from mivla_ros.hardware.errors import HardwareError
from mivla_ros.hardware.naming import Naming, topic_of
from mivla_ros.hardware.piper_ros import EFFORT, GRIPPER, JOINT_STATE, JOINTS
from mivla_ros.hardware.piper_status import AGX_STATUS_TYPE, status_reading
from mivla_ros.robots.profile import ArmProfile

SET_BOOL = "std_srvs/srv/SetBool"
WIDEST = 0.1  # m


@dataclass(frozen=True)
class AgxArmRosOptions:
    """naming: namespace where there are two arms. rate: commands a second, of the 200 Hz the arm answers at; effort: of
    the gripper, N."""

    naming: Naming = Naming.PLAIN
    rate: float = 100.0
    effort: float = 1.0

    def __post_init__(self) -> None:
        for name, value, low, high in (("rate", self.rate, 1.0, 200.0), ("effort", self.effort, *EFFORT)):
            if not low <= value <= high:
                raise HardwareError(name, f"is {value:g}, must be {low:g} to {high:g}", value, high)


class AgxArmRos:
    """The dialect of agx_arm_ros for one arm of a profile. Raises HardwareError for an arm that is no PiPer's."""

    def __init__(self, arm: ArmProfile, options: AgxArmRosOptions | None = None) -> None:
        self._options = options or AgxArmRosOptions()
        if len(arm.joints) != len(JOINTS):
            raise HardwareError(arm.name, f"has {len(arm.joints)} joints, a PiPer has 6", len(arm.joints), 6)
        self.name, self.rate, self._arm = "agx_arm_ros", self._options.rate, arm
        self.joints = (*arm.joints, *((arm.gripper.joint,) if arm.gripper else ()))
        self._theirs = dict(zip((*JOINTS, GRIPPER), self.joints, strict=False))
        self._feedback, self._status, self._command, self._enable = (
            topic_of(topic, arm.side, self._options.naming)
            for topic in ("feedback/joint_states", "feedback/arm_status", "control/joint_states", "enable_agx_arm")
        )

    @property
    def listens(self) -> tuple[Listen, ...]:
        """Joint feedback, and the arm's status where agx_arm_msgs is installed."""
        return (Listen(self._feedback, JOINT_STATE), Listen(self._status, AGX_STATUS_TYPE, optional=True))

    @property
    def speaks(self) -> tuple[tuple[str, str], ...]:
        """The command topic."""
        return ((self._command, JOINT_STATE),)

    def enable(self, on: bool) -> tuple[Send, ...]:
        """All motors on or off, by service."""
        return (Send(self._enable, SET_BOOL, {"data": on}, service=True),)

    def command(self, positions: Mapping[str, float]) -> tuple[Send, ...]:
        """Arm and gripper in one message."""
        require_all(self.joints, positions)
        values, efforts = [positions[name] for name in self._arm.joints], [0.0] * 6
        if self._arm.gripper:
            values.append(min(max(positions[self._arm.gripper.joint], 0.0), WIDEST))
            efforts.append(self._options.effort)
        fields = {"name": list(self._theirs), "position": values, "velocity": [], "effort": efforts}
        return (Send(self._command, JOINT_STATE, fields),)

    def read(self, topic: str, message: Any) -> Reading:  # noqa: ANN401
        """Feedback as it is, or the status."""
        if topic == self._status:
            return status_reading(message)
        positions = named_values(topic, message.name, message.position, self._theirs)
        both = ((message.velocity, self.joints), (message.effort, self.joints))
        velocities, efforts = (dict(zip(names, map(float, values), strict=False)) for values, names in both)
        return Reading(positions, velocities, efforts)
