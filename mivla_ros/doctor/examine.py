"""All that the doctor looks at, in the order in which a fault explains those after it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mivla_ros.doctor.agreement import check_checkpoint, check_description, check_firmware, check_limits
from mivla_ros.doctor.cameras import check_cameras
from mivla_ros.doctor.collected import Collected
from mivla_ros.doctor.finding import Finding
from mivla_ros.doctor.frames import check_frames
from mivla_ros.doctor.joints import check_joints
from mivla_ros.doctor.limits import urdf_limits
from mivla_ros.doctor.motions import check_motions
from mivla_ros.doctor.replay import check_replay
from mivla_ros.doctor.topics import check_topics
from mivla_ros.robots.profile import RobotProfile


@dataclass(frozen=True)
class Questions:
    """What cannot be seen on the graph. robot: name or file of the profile; driver_limits by joint."""

    robot: str
    driver_limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    firmware: str = ""
    checkpoint: Path | None = None
    episode: Path | None = None


def examine_still(profile: RobotProfile, urdf: str, seen: Collected, questions: Questions) -> list[Finding]:
    """All that needs no motion. urdf: the suite's own description of the robot."""
    limits = urdf_limits(urdf)
    return [
        *check_topics(profile, seen),
        *check_joints(profile, seen, limits),
        *check_cameras(profile, seen),
        *check_frames(profile, seen),
        *check_description(profile, limits, seen),
        *check_limits(profile, limits, questions.driver_limits),
        *check_firmware(profile, questions.firmware),
        *check_checkpoint(profile, questions.checkpoint),
    ]


def examine(profile: RobotProfile, urdf: str, seen: Collected, questions: Questions) -> list[Finding]:
    """All of it, motions and replay too."""
    return [
        *examine_still(profile, urdf, seen, questions),
        *check_motions(profile, seen),
        *check_replay(profile, questions.robot, questions.episode),
    ]
