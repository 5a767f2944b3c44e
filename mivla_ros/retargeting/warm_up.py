"""Compiles retargeting for the robots that come with the package, so that no node does it at its start.

The machine code is kept beside the package, or in the user's cache where that cannot be written.
"""

from mivla_ros.retargeting.retargeter import Retargeter
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile, profile_names


def main() -> None:
    """Entry point of ``python -m mivla_ros.retargeting.warm_up``; returns soon where nothing has changed."""
    for name in profile_names():
        profile = load_profile(name)
        Retargeter(profile, robot_description(profile)).warm_up()


if __name__ == "__main__":
    main()
