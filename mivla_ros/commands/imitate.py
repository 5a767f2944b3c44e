"""Let a simulated robot imitate the motion in a file, whatever the file.

A video of a hand, hand landmarks, an end effector's motion, hands (.npz), or an EgoDex episode: what it is, is found
from its content. The motion goes through the same alignment and retargeting as on the robot and is carried out in the
simulation. Prints a summary; writes the report (JSON), a side-by-side video and a strip of pictures where asked for.
A video's hands are found by MediaPipe in a Python of its own, made in .environment/extra/mediapipe when first needed.
"""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mivla_ros.imitation.recording import HandChoice


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla imitate`."""
    parser.add_argument("file", type=Path, help="the motion")
    parser.add_argument("--robot", default="piper", help="robot profile (default %(default)s)")
    out = parser.add_argument_group("what to write")
    out.add_argument("--report", type=Path, metavar="JSON", help="the report")
    out.add_argument("--video", type=Path, metavar="MP4", help="human and robot side by side")
    out.add_argument("--strip", type=Path, metavar="PNG", help="single moments of the same")
    out.add_argument("--moments", type=int, default=6, help="pictures of the strip (default %(default)s)")
    out.add_argument("--view", choices=("auto", "front", "behind"), default="auto", help="from where the robot is seen")
    out.add_argument("--keep-landmarks", type=Path, metavar="NPZ", help="where to keep what is found in a video")
    how = parser.add_argument_group("how the motion becomes the robot's")
    how.add_argument(
        "--reference",
        choices=("thumb_knuckle", "wrist"),
        default="thumb_knuckle",
        help="point of the hand that is followed (default %(default)s)",
    )
    how.add_argument("--scale", type=float, default=1.0, help="metres of the robot for one of the human (default 1)")
    how.add_argument("--speed", type=float, default=1.0, help="times as fast as recorded (default 1)")
    how.add_argument("--turn", type=float, default=0.0, metavar="DEGREES", help="of the motion about the robot's z")
    how.add_argument(
        "--initial-pose",
        nargs="+",
        default=["ready"],
        metavar="V",
        help="where the end effector begins: ready (the profile's, the default), search (the best of some "
        "hundred that are tried), or in the arm's base x y z (m), or x y z qw qx qy qz",
    )
    how.add_argument("--hand", choices=("left", "right"), help="the hand to follow (default: those that arms are for)")
    how.add_argument("--arm", default="", help="the arm that follows, where there is one motion and several arms")
    how.add_argument(
        "--full-width",
        type=float,
        default=0.08,
        help="gripper width in m that counts as open, for an end effector's motion (default %(default)s)",
    )
    how.add_argument("--horizon", type=int, default=16, help="steps of a chunk (default %(default)s)")
    how.add_argument("--step", type=float, default=0.05, help="s between steps (default %(default)s)")
    how.add_argument("--period", type=float, default=0.2, help="s between chunks (default %(default)s)")
    camera = parser.add_argument_group("videos and landmarks")
    camera.add_argument(
        "--camera",
        choices=("facing", "ahead"),
        default="facing",
        help="facing: the person looks into the camera; ahead: the camera looks where the person does "
        "(default %(default)s)",
    )
    camera.add_argument("--mirrored", action="store_true", help="the image is a mirror's, as selfie cameras make it")
    camera.add_argument(
        "--fov",
        type=float,
        default=65.0,
        metavar="DEGREES",
        help="horizontal field of view; only the distance depends on it (default %(default)s)",
    )
    camera.add_argument(
        "--depth-cutoff",
        type=float,
        default=1.0,
        metavar="HZ",
        help="faster motion along the camera's axis is noise; 0: none is (default %(default)s)",
    )
    camera.add_argument("--max-gap", type=float, default=2.0, help="s a hand may be out of sight (default %(default)s)")
    camera.add_argument("--shown-video", type=Path, metavar="FILE", help="the video that landmarks were found in")
    camera.add_argument("--landmarks-python", type=Path, metavar="PATH", help="a Python that has mediapipe 0.10.21")


def run(arguments: argparse.Namespace) -> int:
    """Read, play, report; 0 where every chunk was accepted, 3 where some were refused."""
    import numpy as np
    from tqdm import tqdm

    from mivla_ros.alignment import Reference
    from mivla_ros.commands.errors import CommandError
    from mivla_ros.imitation.camera_hands import CameraOptions
    from mivla_ros.imitation.imitate import ImitationOptions, Outputs, imitate
    from mivla_ros.imitation.landmark_process import landmark_command
    from mivla_ros.imitation.leaders import LeaderOptions
    from mivla_ros.imitation.mediapipe_environment import make_python
    from mivla_ros.imitation.reading import ReadingOptions
    from mivla_ros.simulation.errors import SimulationError

    _check(arguments)
    pose = _initial_pose(arguments.initial_pose)
    choice = _choice(arguments)
    reading = ReadingOptions(
        landmark_command=lambda: landmark_command(arguments.landmarks_python or make_python(arguments.file)),
        camera=CameraOptions(
            math.radians(arguments.fov), arguments.depth_cutoff, arguments.mirrored, arguments.max_gap
        ),
        choice=choice,
        facing=arguments.camera == "facing",
        video=arguments.shown_video,
        landmarks_file=arguments.keep_landmarks,
    )
    files = {
        "report",
        "video",
        "strip",
        "keep_landmarks",
        "file",
        "run",
        "robot",
        "landmarks_python",
        "shown_video",
        "view",
        "moments",
    }
    options = ImitationOptions(
        leader=LeaderOptions(
            Reference(arguments.reference),
            arguments.scale,
            arguments.speed,
            math.radians(arguments.turn),
            arguments.full_width,
            arguments.arm,
        ),
        horizon=arguments.horizon,
        step_seconds=arguments.step,
        period_seconds=arguments.period,
        initial_pose={} if pose is None else {arguments.arm: np.array(pose)},
        search=arguments.initial_pose == ["search"],
        shown={key: value for key, value in sorted(vars(arguments).items()) if key not in files},
    )
    outputs = Outputs(arguments.report, arguments.video, arguments.strip, arguments.moments, arguments.view)
    bar = tqdm(total=None, desc="imitating", unit="s", bar_format="{desc}: {n:.1f} s, {elapsed}", disable=None)
    try:
        report = imitate(arguments.file, arguments.robot, reading, options, outputs, lambda now: _show(bar, now))
    except (SimulationError, RuntimeError) as error:
        raise CommandError(str(error)) from error
    finally:
        bar.close()
    print(summary(report))
    return 3 if report["chunks"]["refused"] else 0


def summary(report: dict[str, Any]) -> str:
    """The report's most wanted figures, some lines an arm."""
    lines = [f"{report['file']} ({report['kind']}, {report['motion_s']:.1f} s) on {report['robot']}"]
    for name, arm in report["arms"].items():
        position, rotation, gripper = arm["position_error_m"], arm["rotation_error_rad"], arm["gripper"]
        reasons = ", ".join(f"{reason} {_percent(share)}" for reason, share in arm["clipped_share_by_reason"].items())
        lines += [
            f"  {name} follows the {arm['follows']}: position error {1e3 * position['median']:.1f} mm median, "
            f"{1e3 * position['p95']:.1f} mm 95 %; rotation {rotation['median']:.3f} rad, {rotation['p95']:.3f} rad",
            f"    steps out of reach {_percent(arm['unreachable_share'])}, changed {_percent(arm['clipped_share'])} "
            f"({reasons or 'no reason'}); up to {arm['largest_delay_s']:.2f} s late",
            f"    joints: {arm['largest_joint_step_rad']:.3f} rad in 20 ms, {arm['largest_joint_velocity_rad_s']:.2f} "
            f"rad/s, {arm['largest_joint_acceleration_rad_s2']:.1f} rad/s2 at most",
        ]
        if gripper is not None:
            lines.append(
                f"    gripper with the pinch: correlation {gripper['correlation']}, within "
                f"{gripper['agreement_within_opening']} for {_percent(gripper['agreement_share'])} of the time"
            )
    chunks, collisions = report["chunks"], report["collisions"]
    seconds = chunks["retargeting_s"]
    lines += [
        f"  {chunks['accepted']} of {chunks['sent']} chunks accepted, {1e3 * (seconds['median'] or 0):.1f} ms each "
        f"(95 %: {1e3 * (seconds['p95'] or 0):.1f} ms); refused: {chunks['refused'] or 'none'}",
        f"  samples with contact: {sum(collisions['touching_samples'].values())} of {collisions['samples']}; "
        f"steps held before a collision: {collisions['held_steps']}",
        *(f"  note: {note}" for note in report["notes"]),
    ]
    return "\n".join(lines)


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.1f} %"


def _choice(arguments: argparse.Namespace) -> "HandChoice":
    """The hands that the robot's arms are for."""
    from mivla_ros.imitation.recording import HandChoice
    from mivla_ros.robots.profile import load_profile

    profile = load_profile(arguments.robot)
    if arguments.hand:
        return HandChoice((arguments.hand,), 1)
    own = [arm.side for arm in profile.arms if arguments.arm in ("", arm.name)]
    sides = tuple(dict.fromkeys([*own, "left", "right"]))
    return HandChoice(sides, len(set(own)) or 1)


def _initial_pose(words: list[str]) -> list[float] | None:
    """Values of --initial-pose; None for ready and search. Raises CommandError."""
    from mivla_ros.commands.errors import CommandError

    if words in (["ready"], ["search"]):
        return None
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) not in (3, 7) or not all(map(math.isfinite, values)):
        raise CommandError(f"--initial-pose is {' '.join(words)!r}, must be ready, search, or 3 or 7 finite numbers", 2)
    if len(values) == 7 and abs(math.hypot(*values[3:]) - 1) > 0.01:
        length = math.hypot(*values[3:])
        raise CommandError(f"--initial-pose has a quaternion of length {length:.4g}, must be 1 within 0.01", 2)
    return values


def _check(arguments: argparse.Namespace) -> None:
    """Raises CommandError for options out of range."""
    from mivla_ros.commands.errors import CommandError

    for name in ("scale", "speed", "full_width", "step", "period", "horizon", "max_gap", "moments"):
        value = getattr(arguments, name)
        if not 0 < value < math.inf:
            raise CommandError(f"--{name.replace('_', '-')} is {value:g}, must be above 0", 2)
    if not 1 < arguments.fov < 179:
        raise CommandError(f"--fov is {arguments.fov:g}, must be between 1 and 179 degrees", 2)
    if arguments.horizon * arguments.step <= arguments.period:
        reach = arguments.horizon * arguments.step
        raise CommandError(
            f"--horizon times --step is {reach:g} s, must be more than --period, {arguments.period:g} s", 2
        )
    for name in ("report", "video", "strip", "keep_landmarks"):
        path = getattr(arguments, name)
        if path is not None and not path.absolute().parent.is_dir():
            raise CommandError(f"--{name.replace('_', '-')} {path}: the folder {path.parent} does not exist", 2)


def _show(bar: Any, now: float) -> None:  # noqa: ANN401
    bar.update(max(now, 0.0) - bar.n)
