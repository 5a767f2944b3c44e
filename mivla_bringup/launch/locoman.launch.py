"""LocoMan: a quadruped with a manipulator on each front leg and a head camera, simulated or real."""

from launch import LaunchDescription
from mivla_bringup.robot_launch import robot_launch


def generate_launch_description() -> LaunchDescription:
    """Everything for the robot profile "locoman"."""
    return robot_launch("locoman")
