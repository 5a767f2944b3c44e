"""Print the names of the robot profiles that come with the suite."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla robot list`: none."""


def run(arguments: argparse.Namespace) -> int:
    """Print one name a line."""
    from mivla_ros.robots.profile import profile_names

    print("\n".join(profile_names()))
    return 0
