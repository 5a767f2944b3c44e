"""The first minute at a robot: topics, rates, clocks, joints, units, cameras, frames, limits, checkpoint.

Without --move nothing is commanded. With it every joint goes 0.05 rad there and back and every gripper a fifth of its
travel, in a second each: keep a hand at the stop. Status: 0 all well, 1 something must be mended, 3 warnings only, 2
the doctor could not look. Needs ROS, and the robot's driver (or simulation) running.
"""

import argparse
import json
import sys
from pathlib import Path

from mivla_ros.commands.errors import CommandError
from mivla_ros.hardware.driver_names import Driver

CANNOT_LOOK = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla doctor`."""
    parser.add_argument("--robot", default="piper", help="name of a robot profile, or a YAML file")
    drivers = [str(driver) for driver in Driver]
    parser.add_argument("--driver", default="none", choices=drivers, help="whose limits to compare")
    parser.add_argument("--namespace", default="", help="namespace of the robot's nodes")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to look before anything moves")
    parser.add_argument("--move", action="store_true", help="move each joint a little; a person must stand by")
    parser.add_argument("--firmware", default="", help="PiPer's firmware, such as S-V1.8-2")
    parser.add_argument("--checkpoint", type=Path, help="folder of the checkpoint that shall drive it")
    parser.add_argument("--episode", type=Path, help="recorded episode to replay through the whole policy path")
    parser.add_argument("--sim-time", action="store_true", help="the robot is simulated: go by its clock")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Look, move where asked, print findings."""
    try:
        from mivla_ros.nodes.doctor_node import Look
    except ImportError as error:
        message = f"doctor looks at a live ROS graph, and ROS is not here ({error.name}): call it as ./run mivla doctor"
        raise CommandError(message, CANNOT_LOOK) from error
    from mivla_ros.doctor.examine import Questions, examine, examine_still
    from mivla_ros.doctor.finding import Level, as_json, as_lines, exit_status
    from mivla_ros.doctor.limits import urdf_limits
    from mivla_ros.hardware.driver_limits import driver_limits
    from mivla_ros.robots.description import robot_description
    from mivla_ros.robots.profile import ProfileError, load_profile

    if not 1.0 <= arguments.seconds <= 600.0:
        raise CommandError(f"--seconds is {arguments.seconds:g}, must be 1 to 600", CANNOT_LOOK)
    try:
        profile = load_profile(arguments.robot)
    except ProfileError as error:
        raise CommandError(str(error), CANNOT_LOOK) from error
    urdf = robot_description(profile)
    questions = Questions(
        arguments.robot,
        driver_limits(arguments.driver, profile),
        arguments.firmware,
        arguments.checkpoint,
        arguments.episode,
    )
    look = Look(profile, arguments.namespace, arguments.sim_time)
    try:
        print(f"looking for {arguments.seconds:g} s", file=sys.stderr)
        seen = look.still(arguments.seconds)
        if arguments.move:
            failures = [f for f in examine_still(profile, urdf, seen, questions) if f.level is Level.FAILURE]
            if failures:
                print("not moving: mend the failures first", file=sys.stderr)
            else:
                print("moving each joint a little", file=sys.stderr)
                seen = look.move(urdf_limits(urdf))
    finally:
        look.close()
    findings = examine(profile, urdf, seen, questions)
    if arguments.json:
        print(json.dumps(as_json(profile.name, findings), indent=2, allow_nan=False))
    else:
        print("\n".join(as_lines(findings)))
    return exit_status(findings)
