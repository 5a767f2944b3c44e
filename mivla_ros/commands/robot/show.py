"""Print a robot profile: arms, joints, limits, cameras.

Reads a profile by name or YAML file, with the robot's URDF.
"""

import argparse
import json
from dataclasses import asdict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla robot show`."""
    parser.add_argument("robot", help="name of a robot profile, or a YAML file")


def run(arguments: argparse.Namespace) -> int:
    """Print the profile as JSON."""
    from mivla_ros.robots.profile import load_profile

    print(json.dumps(asdict(load_profile(arguments.robot)), indent=2, default=str))
    return 0
