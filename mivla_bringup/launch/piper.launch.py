"""AgileX PiPer: one arm with a head and a wrist camera, simulated or real."""

from launch import LaunchDescription
from mivla_bringup.robot_launch import robot_launch


def generate_launch_description() -> LaunchDescription:
    """Everything for the robot profile "piper"."""
    return robot_launch("piper")
