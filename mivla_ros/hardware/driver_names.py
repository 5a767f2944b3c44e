"""Names of the drivers, and whose robots they move. Light to import, for the launch file."""

from collections.abc import Mapping
from enum import StrEnum


class Driver(StrEnum):
    """Who moves the robot. NONE: somebody else publishes joint_states and takes trajectories; ROS2_CONTROL: so do its
    joint_trajectory_controller and joint_state_broadcaster, whose topics and meaning ours are."""

    NONE = "none"
    ROS2_CONTROL = "ros2_control"
    PIPER_ROS = "piper_ros"
    AGX_ARM_ROS = "agx_arm_ros"
    ARX_X5 = "arx_x5"
    ARX5_SDK = "arx5_sdk"
    LOCOMAN = "locoman"


ROBOTS: Mapping[Driver, tuple[str, ...]] = {
    Driver.PIPER_ROS: ("piper", "piper_bimanual"),
    Driver.AGX_ARM_ROS: ("piper", "piper_bimanual"),
    Driver.ARX_X5: ("arx_x5", "arx_x5_bimanual"),
    Driver.ARX5_SDK: ("arx_x5", "arx_x5_bimanual"),
    Driver.LOCOMAN: ("locoman",),
}
ADAPTED = tuple(str(driver) for driver in ROBOTS)
"""Drivers that need our adapter beside them."""
