"""ARX X5: one arm with a head and a wrist camera, simulated or real."""

from launch import LaunchDescription
from mivla_bringup.robot_launch import robot_launch


def generate_launch_description() -> LaunchDescription:
    """Everything for the robot profile "arx_x5"."""
    return robot_launch("arx_x5")
