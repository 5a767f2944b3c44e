"""ARX's X5Controller: ``normal`` (arm_cmd, arm_status) and ``joint_control_v1`` for two arms (drivers.md 2.1).

There is no enable call: mode 5 follows joint positions, mode 2 damps, mode 0 lets go (the arm falls). Positions are
joint values; end_pos is relative to home and is left alone. The gripper is a motor angle. After a protection trip the
arm must be power cycled, and nothing on the topics says that it tripped: the session sees it by an arm that does not
follow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from mivla_ros.hardware.arx_gripper import ArmEnd, arx_gripper
from mivla_ros.hardware.dialect import Listen, Reading, Send, require_all
from mivla_ros.hardware.errors import HardwareError
from mivla_ros.hardware.naming import Naming, topic_of
from mivla_ros.robots.profile import ArmProfile

STATUS = "arx5_arm_msg/msg/RobotStatus"
COMMAND = "arx5_arm_msg/msg/RobotCmd"
JOINT_CONTROL = "arm_control/msg/JointControl"


class ArxMode(IntEnum):
    """RobotCmd.mode."""

    SOFT = 0
    HOME = 1
    PROTECT = 2
    GRAVITY = 3
    END_POSE = 4
    JOINTS = 5


@dataclass(frozen=True)
class ArxX5Options:
    """end: arm_end_type. double_arm: arm_control_type joint_control_v1, whose two arms are numbered topics (left
    first). naming: of two ``normal`` controllers, whose topic names are parameters. rate: commands a second (status
    comes at 100 Hz, or 1 kHz with double_arm)."""

    end: ArmEnd = ArmEnd.X5_2025
    double_arm: bool = False
    naming: Naming = Naming.PLAIN
    rate: float = 100.0

    def __post_init__(self) -> None:
        if not 1.0 <= self.rate <= 500.0:
            raise HardwareError("rate", f"is {self.rate:g}, must be 1 to 500", self.rate, 500.0)


class ArxX5:
    """The dialect of X5Controller for one arm of a profile. Raises HardwareError for an arm that is no X5's."""

    def __init__(self, arm: ArmProfile, options: ArxX5Options | None = None) -> None:
        self._options = options or ArxX5Options()
        if len(arm.joints) != 6:
            raise HardwareError(arm.name, f"has {len(arm.joints)} joints, an X5 has 6", len(arm.joints), 6)
        self.name, self.rate, self._arm = "arx_x5", self._options.rate, arm
        self.joints = (*arm.joints, *((arm.gripper.joint,) if arm.gripper else ()))
        self._gripper = arx_gripper(self._options.end) if arm.gripper else None
        topics = ("joint_information", "joint_control") if self._options.double_arm else ("arm_status", "arm_cmd")
        naming = Naming.NUMBER if self._options.double_arm else self._options.naming
        self._status, self._command = (topic_of(topic, arm.side, naming) for topic in topics)
        self._type = JOINT_CONTROL if self._options.double_arm else COMMAND
        self._measured: list[float] | None = None

    @property
    def listens(self) -> tuple[Listen, ...]:
        """The arm's status."""
        return (Listen(self._status, STATUS),)

    @property
    def speaks(self) -> tuple[tuple[str, str], ...]:
        """The command topic."""
        return ((self._command, self._type),)

    def enable(self, on: bool) -> tuple[Send, ...]:
        """On: hold where the arm is (empty before its first status). Off: damp, for mode 0 would drop the arm."""
        if self._measured is None:
            return ()
        return (self._send(self._measured[:6], self._measured[6], ArxMode.JOINTS if on else ArxMode.PROTECT),)

    def command(self, positions: Mapping[str, float]) -> tuple[Send, ...]:
        """Joint positions and the gripper's motor angle, in mode 5."""
        require_all(self.joints, positions)
        gripper = self._arm.gripper
        angle = self._gripper.angle(positions[gripper.joint]) if gripper and self._gripper else 0.0
        return (self._send([positions[name] for name in self._arm.joints], angle, ArxMode.JOINTS),)

    def _send(self, joints: list[float], angle: float, mode: ArxMode) -> Send:
        if self._options.double_arm:
            # eight places, seven used; that its mode counts as RobotCmd's is inferred, nobody publishes it
            fields: dict[str, object] = {
                "joint_pos": [*joints, angle, 0.0], "joint_vel": [0.0] * 8, "joint_cur": [0.0] * 8, "mode": int(mode),
            }  # fmt: skip
        else:
            fields = {"end_pos": [0.0] * 6, "joint_pos": list(joints), "gripper": angle, "mode": int(mode)}
        return Send(self._command, self._type, fields)

    def read(self, topic: str, message: Any) -> Reading:  # noqa: ANN401
        """A RobotStatus: seven positions, velocities and currents, the last the gripper motor's."""
        rows = {key: [float(v) for v in getattr(message, key)] for key in ("joint_pos", "joint_vel", "joint_cur")}
        for key, row in rows.items():
            if len(row) != 7:
                raise HardwareError(f"{topic}.{key}", f"has {len(row)} values, must have 7", len(row), 7)
            if not all(abs(v) < float("inf") for v in row):
                raise HardwareError(f"{topic}.{key}", "holds NaN or infinity")
        self._measured = rows["joint_pos"]
        positions = dict(zip(self._arm.joints, rows["joint_pos"], strict=False))
        velocities = dict(zip(self._arm.joints, rows["joint_vel"], strict=False))
        if self._arm.gripper and self._gripper:
            positions[self._arm.gripper.joint] = self._gripper.opening(rows["joint_pos"][6])
            velocities[self._arm.gripper.joint] = self._gripper.opening(rows["joint_vel"][6])
        return Reading(positions, velocities, {})  # currents are no efforts: A, not N m
