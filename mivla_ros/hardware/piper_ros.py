"""AgileX's piper_ros (node piper_single_ctrl), one arm: drivers.md 1.2 and 1.4.

Its traps, and what is done here: missing joints become zero (all seven always go, or none); messages with a value
above 3.5 rad are dropped without a word (refused here, aloud); pi is 3.14 both ways (undone here); the gripper entry is
divided by ``gripper_val_mutiple`` on the way in and clamped to 0.08 m; only an array of exactly seven velocities sets
the speed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mivla_ros.hardware.dialect import Listen, Reading, Send, named_values, require_all
from mivla_ros.hardware.errors import HardwareError
from mivla_ros.hardware.naming import Naming, topic_of
from mivla_ros.hardware.piper_status import STATUS_TYPE, status_reading
from mivla_ros.hardware.piper_units import command_radians, measured_radians
from mivla_ros.robots.profile import ArmProfile

JOINT_STATE = "sensor_msgs/msg/JointState"
BOOL = "std_msgs/msg/Bool"
JOINTS = tuple(f"joint{i}" for i in range(1, 7))
GRIPPER = "gripper"
LARGEST = 3.5  # rad; the driver drops messages with more
GRIPPER_CLAMP = 0.08  # m, the driver's own
GRIPPER_FILTER = 0.15  # m; the driver drops readings above
EFFORT = (0.5, 3.0)  # N, range of the gripper's effort in a command


@dataclass(frozen=True)
class PiperRosOptions:
    """How the driver was started. gripper_multiple: its gripper_val_mutiple; speed: percent, 1 to 100; exact_pi: a fork
    that uses pi; newer: its newer topic names; naming: of two arms; rate: commands a second (dense points shake the
    arm: issue 52 of the vendor); effort: of the gripper, N."""

    gripper_multiple: float = 1.0
    speed: int = 50
    exact_pi: bool = False
    newer: bool = False
    naming: Naming = Naming.PLAIN
    rate: float = 50.0
    effort: float = 1.0

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("gripper_multiple", self.gripper_multiple, 1e-3, 10.0),  # the driver clamps to 0..10, 0 would kill it
            ("speed", self.speed, 1, 100),
            ("rate", self.rate, 1.0, 200.0),
            ("effort", self.effort, *EFFORT),
        ):
            if not low <= value <= high:
                raise HardwareError(name, f"is {value:g}, must be {low:g} to {high:g}", value, high)


class PiperRos:
    """The dialect of piper_ros for one arm of a profile. Raises HardwareError for an arm that is no PiPer's."""

    def __init__(self, arm: ArmProfile, options: PiperRosOptions | None = None) -> None:
        self._options = options or PiperRosOptions()
        if len(arm.joints) != len(JOINTS):
            raise HardwareError(arm.name, f"has {len(arm.joints)} joints, a PiPer has 6", len(arm.joints), 6)
        self.name, self.rate, self._arm = "piper_ros", self._options.rate, arm
        self.joints = (*arm.joints, *((arm.gripper.joint,) if arm.gripper else ()))
        aloha = self._options.naming is Naming.ALOHA
        theirs = tuple(f"joint{i}" for i in range(7)) if aloha else (*JOINTS, GRIPPER)
        self._theirs = dict(zip(theirs, self.joints, strict=False))
        feedback, command, self._enable, status = (
            ("joint_states_feedback", "joint_ctrl_cmd", "enable_cmd", "arm_status")
            if self._options.newer
            else ("joint_states_single", "joint_ctrl_single", "enable_flag", "arm_status")
        )
        if aloha:
            self._feedback, self._command = f"puppet/joint_{arm.side}", f"master/joint_{arm.side}"
            self._enable, self._status = f"{self._enable}_{arm.side}", f"{status}_{arm.side}"
        else:
            self._feedback, self._command, self._enable, self._status = (
                topic_of(topic, arm.side, self._options.naming) for topic in (feedback, command, self._enable, status)
            )

    @property
    def listens(self) -> tuple[Listen, ...]:
        """Joint feedback, and the arm's status where piper_msgs is installed."""
        return (Listen(self._feedback, JOINT_STATE), Listen(self._status, STATUS_TYPE, optional=True))

    @property
    def speaks(self) -> tuple[tuple[str, str], ...]:
        """The command topic and the one that gives torque."""
        return ((self._command, JOINT_STATE), (self._enable, BOOL))

    def enable(self, on: bool) -> tuple[Send, ...]:
        """All motors on or off; the topic, for the service blocks for up to five seconds."""
        return (Send(self._enable, BOOL, {"data": on}),)

    def command(self, positions: Mapping[str, float]) -> tuple[Send, ...]:
        """All joints and the gripper in one message: rad as the driver counts them, m divided by its factor."""
        require_all(self.joints, positions)
        options, values = self._options, []
        for name in self._arm.joints:
            radians = positions[name] if options.exact_pi else command_radians(positions[name])
            if abs(radians) > LARGEST:
                raise HardwareError(name, f"is {radians:.4g} rad; piper_ros drops messages above 3.5", radians, LARGEST)
            values.append(radians)
        gripper = self._arm.gripper
        opening = min(max(positions[gripper.joint], 0.0), GRIPPER_CLAMP) if gripper else 0.0
        # always seven entries: one fewer, and the driver moves the gripper to zero and forgets the speed
        names = [*list(self._theirs)[:6], list(self._theirs)[6] if gripper else GRIPPER]
        fields = {
            "name": names,
            "position": [*values, opening / options.gripper_multiple],
            "velocity": [0.0] * 6 + [float(options.speed)],
            "effort": [0.0] * 6 + [options.effort],
        }
        return (Send(self._command, JOINT_STATE, fields),)

    def read(self, topic: str, message: Any) -> Reading:  # noqa: ANN401
        """Feedback with pi put right, or the status."""
        if topic == self._status:
            return status_reading(message)
        positions = named_values(topic, message.name, message.position, self._theirs)
        if not self._options.exact_pi:
            positions |= {name: measured_radians(positions[name]) for name in self._arm.joints}
        gripper = self._arm.gripper
        if gripper and abs(positions[gripper.joint]) > GRIPPER_FILTER:
            value = positions[gripper.joint]
            raise HardwareError(gripper.joint, f"reads {value:.3g} m, above 0.15 m", value, GRIPPER_FILTER)
        # six velocities come, the gripper's is always zero
        velocities = dict(zip(self._arm.joints, map(float, message.velocity), strict=False))
        efforts = dict(zip(self.joints, map(float, message.effort), strict=False))
        return Reading(positions, velocities, efforts)
