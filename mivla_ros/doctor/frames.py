"""TF: one tree, from the world to every frame the profile names."""

from collections.abc import Mapping

from mivla_ros.doctor.collected import Collected
from mivla_ros.doctor.finding import Finding, failure, ok
from mivla_ros.robots.profile import RobotProfile


def check_frames(profile: RobotProfile, seen: Collected) -> list[Finding]:
    """Every arm's base and end effector and every camera hang from the world frame."""
    wanted = {camera.frame: f"camera {camera.name}" for camera in profile.cameras}
    for arm in profile.arms:
        wanted |= {arm.base_frame: f"base of {arm.name}", arm.eef_frame: f"end effector of {arm.name}"}
    findings = []
    for frame, what in wanted.items():
        root, loop = _root(seen.frames, frame)
        if loop:
            advice = "two publishers give frames as each other's parent: stop one (often a camera's own publish_tf)"
            findings.append(failure("tf_loop", frame, f"{what}: its parents go round in a circle", advice))
        elif frame not in seen.frames and frame != profile.world_frame:
            advice = "start robot_state_publisher with this robot's description; for a camera publish its mount"
            findings.append(failure("tf_missing", frame, f"{what} is not in TF", advice))
        elif root != profile.world_frame:
            words = f"{what} hangs from {root!r}, not from {profile.world_frame!r}"
            advice = f"publish the static transform from {profile.world_frame!r} to {root!r}"
            findings.append(failure("tf_split", frame, words, advice))
    return findings or [ok("tf", profile.world_frame, f"{len(wanted)} frames in one tree")]


def _root(parents: Mapping[str, str], frame: str) -> tuple[str, bool]:
    been = set()
    while frame in parents:
        if frame in been:
            return frame, True
        been.add(frame)
        frame = parents[frame]
    return frame, False
