"""What a recording says about itself, as custom data of the bag: plain text under plain keys."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mivla_ros import __version__
from mivla_ros.episodes.recording.verdict import Finding, Measured, Verdict
from mivla_ros.robots.profile import RobotProfile

LABELS = ("unlabelled", "success", "failure")  # by the numbers of mivla_msgs/StopEpisode


@dataclass(frozen=True)
class EpisodeStart:
    """Known when an episode begins. reason: who began it. policy, model_revision: as in PolicyStatus, may be empty."""

    instruction: str
    tags: Sequence[str]
    reason: str
    policy: str = ""
    model_revision: str = ""


@dataclass(frozen=True)
class EpisodeEnd:
    """Known when an episode ends. label: one of LABELS. reason: who ended it, or the name of a StopReason with its
    evidence."""

    label: str
    comment: str
    reason: str
    instruction: str
    policy: str = ""
    model_revision: str = ""


def start_data(profile: RobotProfile, source: str, start: EpisodeStart, clock: str) -> dict[str, str]:
    """Custom data at an episode's begin. source: what the profile was loaded from. clock: "system" or "simulated"."""
    return {
        "instruction": start.instruction,
        "label": LABELS[0],
        "tags": json.dumps(list(start.tags)),
        "robot": profile.name,
        "profile_hash": profile.hash,
        "profile": profile_text(source),
        "policy": start.policy,
        "checkpoint_hash": start.model_revision,
        "start_reason": start.reason,
        "clock": clock,
        **versions(),
    }


def end_data(end: EpisodeEnd, measured: Measured, findings: Sequence[Finding], verdict: Verdict) -> dict[str, str]:
    """Custom data at an episode's end; counts of lost messages by topic among them."""
    lost = {name: report.lost + report.dropped for name, report in measured.streams.items()}
    return {
        "instruction": end.instruction,
        "label": end.label,
        "comment": end.comment,
        "policy": end.policy,
        "checkpoint_hash": end.model_revision,
        "stop_reason": end.reason,
        "verdict": verdict.name.lower(),
        "findings": json.dumps([str(finding) for finding in findings]),
        "lost": json.dumps({name: count for name, count in lost.items() if count}),
    }


def profile_text(source: str) -> str:
    """The profile's YAML as it was loaded, whose SHA-256 is the profile's hash."""
    if source.endswith((".yaml", ".yml")):
        return Path(source).read_text("utf-8")
    return resources.files("mivla_ros.robots").joinpath(f"{source}.yaml").read_text("utf-8")


def versions() -> dict[str, str]:
    """Of the suite and what it rests on."""
    found = {"mivla_version": __version__, "python_version": platform.python_version()}
    for name in ("numpy", "mcap"):
        try:
            found[f"{name}_version"] = version(name)
        except PackageNotFoundError:
            continue
    environment: Mapping[str, str] = os.environ
    return found | {
        "ros_distro": environment.get("ROS_DISTRO", ""),
        "rmw": environment.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp"),
    }
