"""ARX's grippers: opening in metres to the motor's angle and back (arx_x5.yaml gripper.driver_units).

Linear between the two ends, which is all the vendor publishes.
"""

from dataclasses import dataclass
from enum import IntEnum

from mivla_ros.hardware.errors import HardwareError


class ArmEnd(IntEnum):
    """``arm_end_type`` of the vendor's controller."""

    X5_2023 = 0
    HANDLE = 1
    X5_2025 = 2


@dataclass(frozen=True)
class ArxGripper:
    """open_angle: of the motor at full opening (rad, 0 closed); width: that opening, m."""

    open_angle: float
    width: float

    def angle(self, opening: float) -> float:
        """Motor angle for an opening (m), clipped to the travel."""
        return self.open_angle * min(max(opening / self.width, 0.0), 1.0)

    def opening(self, angle: float) -> float:
        """Opening (m) for a motor angle; a little beyond the ends is what a real one reads, and is kept."""
        return angle / self.open_angle * self.width


def arx_gripper(end: ArmEnd) -> ArxGripper:
    """The gripper of an arm's end. Raises HardwareError for the teaching handle, which has none."""
    if end is ArmEnd.X5_2023:
        return ArxGripper(5.0, 0.08)
    if end is ArmEnd.X5_2025:
        return ArxGripper(-3.14, 0.088)
    raise HardwareError("arm_end_type", "is 1, the teaching handle, which has no gripper to command")
