"""A recorded episode looked through as a whole: what makes it bad for training, and what to know of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from mivla_ros.episodes import bag_reader
from mivla_ros.episodes.episode import Camera, Episode, Stamps, Stream, nominal_rate
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.formats import EpisodeRef, read_episode
from mivla_ros.episodes.message_source import open_source
from mivla_ros.episodes.observing import Observer
from mivla_ros.episodes.recording.file_audit import audit_recording
from mivla_ros.episodes.recording.image_checks import WIDTH, check_image
from mivla_ros.episodes.recording.image_monitor import ImageMonitor
from mivla_ros.episodes.recording.limits import AuditLimits
from mivla_ros.episodes.recording.mcap_scan import scan
from mivla_ros.episodes.recording.verdict import Finding as RecordingFinding
from mivla_ros.episodes.recording.verdict import Verdict, judge_camera
from mivla_ros.episodes.unified import UnifiedEpisode
from mivla_ros.robots.profile import load_profile

BAD, NOTE = "bad", "note"


@dataclass(frozen=True)
class InspectionLimits:
    """usable: smallest share of frames with every stream. gap: longest silence of a stream, in its own periods (and at
    least 0.1 s). jump: joint speed, rad/s. seconds: shortest episode. pictures: looked at a camera, over its whole
    length. recorder: limits of the recorder's own audit, for pictures of every format and for whole recordings of this
    suite: what it calls doubtful is a note, what is to be done again is bad.
    """

    usable: float = 0.9
    gap: float = 5.0
    jump: float = 20.0
    seconds: float = 1.0
    pictures: int = 60
    recorder: AuditLimits = field(default_factory=AuditLimits)


@dataclass(frozen=True)
class Finding:
    """One thing found: ``level`` bad or note, where, what, and the limit it broke."""

    level: str
    subject: str
    text: str
    limit: str = ""


@dataclass(frozen=True)
class Inspection:
    """All that was found of one episode, and its figures."""

    name: str
    path: str
    findings: tuple[Finding, ...]
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """True where nothing bad was found."""
        return not any(finding.level == BAD for finding in self.findings)


def inspect_ref(
    ref: EpisodeRef,
    robot: str = "",
    limits: InspectionLimits | None = None,
    topics: Mapping[str, str] | None = None,
) -> Inspection:
    """Look through one episode; one that cannot be read has its error as a finding. robot, topics: as for
    ``read_episode``."""
    try:
        with read_episode(ref, robot, topics) as episode:
            inspection = inspect_episode(episode, limits, _recorder_says(ref, episode, robot, limits))
        damage = _damage(ref.path) if ref.format == bag_reader.FORMAT else []
        return replace(inspection, findings=(*damage, *inspection.findings))
    except EpisodeError as error:
        return Inspection(str(ref), str(ref.path), (Finding(BAD, error.key, str(error), error.limit),))


def _damage(path: Path) -> list[Finding]:
    """What is damaged in the MCAP files of a bag, which a reader does not see: it takes the pictures as they come."""
    found = []
    for file in [path] if path.is_file() else sorted(path.glob("*.mcap")):
        if file.suffix != ".mcap":
            continue
        with file.open("rb") as stream:
            contents = scan(stream, file.stat().st_size)
        if contents.fault:
            found.append(Finding(BAD, file.name, f"is damaged: {contents.fault}; `mivla episodes repair`"))
    return found


def _recorder_says(
    ref: EpisodeRef, episode: Episode, robot: str, limits: InspectionLimits | None
) -> list[RecordingFinding] | None:
    """The recorder's audit done again; None for what this suite's recorder did not record."""
    if ref.format != bag_reader.FORMAT or "start_reason" not in episode.info.metadata:
        return None
    source = open_source(ref.path)
    try:
        return audit_recording(source, load_profile(robot or episode.info.robot), limits.recorder if limits else None)
    finally:
        source.close()


def inspect_episode(
    episode: Episode,
    limits: InspectionLimits | None = None,
    recorder: Sequence[RecordingFinding] | None = None,
) -> Inspection:
    """Look through an open episode. recorder: what the recorder's audit of the same episode found, which then stands in
    place of the looks at pictures, gaps and jumps. Raises EpisodeError for what cannot be read."""
    chosen = limits or InspectionLimits()
    found = [_of_recorder(finding) for finding in recorder or ()]
    again = recorder is None
    info = episode.info
    figures: dict[str, Any] = {"seconds": info.seconds, "frames": len(episode), "rate": info.rate, "robot": info.robot}
    if info.seconds < chosen.seconds:
        found.append(Finding(BAD, "length", f"{info.seconds:.3g} s", f"{chosen.seconds:g} s at least"))
    if not info.instruction:
        found.append(Finding(BAD, "instruction", "nobody said what is done"))
    if not info.label:
        found.append(Finding(NOTE, "label", "nobody said whether it went well"))
    if "profile_differs" in info.metadata:
        found.append(Finding(NOTE, "profile_hash", info.metadata["profile_differs"]))
    if not episode.arms and info.embodiment == "robot":
        found.append(Finding(BAD, "arms", "which columns are arms and grippers is not known; name the robot"))
    rates: dict[str, float] = {}
    for name in episode.streams:
        stream = episode.streams[name]
        rates[name] = nominal_rate(stream.stamps_ns)
        if again and name != "commands":  # nothing is commanded while the arm holds
            found += _gaps(name, stream.stamps_ns, chosen)
        if "?" in stream.units:
            found.append(Finding(NOTE, name, "has columns without a unit"))
    if again and "joints" in episode.streams:
        found += _jumps(episode.streams["joints"], chosen)
    for name in episode.cameras:
        camera = episode.cameras[name]
        rates[name] = nominal_rate(camera.stamps_ns)
        if again:
            found += _gaps(name, camera.stamps_ns, chosen)
            found += _pictures(name, camera, episode, chosen)
    figures["rates"] = {name: round(rate, 3) for name, rate in rates.items()}
    if len(episode):
        usable = len(Observer(episode).stamps()) / len(episode)
        figures["usable"] = round(usable, 4)
        if usable < chosen.usable:
            found.append(Finding(BAD, "frames", f"{usable:.0%} have every stream", f"{chosen.usable:.0%}"))
    if episode.arms or info.embodiment == "human":
        found += _standing_still(UnifiedEpisode(episode), episode)
    return Inspection(info.name, str(info.path), tuple(found), figures)


def _gaps(name: str, stamps: Stamps, limits: InspectionLimits) -> list[Finding]:
    steps = np.diff(stamps) / 1e9
    if not len(steps):
        return [Finding(BAD, name, "has one sample only", "2")]
    limit = max(limits.gap * float(np.median(steps)), 0.1)
    longest = int(np.argmax(steps))
    if steps[longest] <= limit:
        return []
    at = (stamps[longest] - stamps[0]) / 1e9
    count = int((steps > limit).sum())
    return [Finding(BAD, name, f"{count} gaps, the longest {steps[longest]:.3g} s at {at:.3g} s", f"{limit:.3g} s")]


def _jumps(joints: Stream, limits: InspectionLimits) -> list[Finding]:
    found = []
    for i, column in enumerate(joints.columns):
        if joints.units[i] != "rad":
            continue
        there = ~np.isnan(joints.values[:, i])
        values, stamps = joints.values[there, i], joints.stamps_ns[there]
        steps = np.diff(stamps) / 1e9
        speed = np.abs(np.diff(values)) / np.maximum(steps, 1e-3)
        if len(speed) and speed.max() > limits.jump:
            at = (stamps[int(np.argmax(speed))] - stamps[0]) / 1e9
            found.append(Finding(BAD, column, f"moves at {speed.max():.4g} rad/s at {at:.3g} s", f"{limits.jump:g}"))
    return found


def _of_recorder(finding: RecordingFinding) -> Finding:
    return Finding(BAD if finding.verdict is Verdict.REDO else NOTE, finding.stream, finding.text)


def _pictures(name: str, camera: Camera, episode: Episode, limits: InspectionLimits) -> list[Finding]:
    import cv2

    monitor = ImageMonitor(limits.recorder)
    count = len(camera.stamps_ns)
    for index in np.unique(np.linspace(0, count - 1, min(limits.pictures, count)).astype(int)).tolist():
        rgb = camera.rgb(index, at_least=(1, WIDTH))
        stamp, standing = int(camera.stamps_ns[index]), monitor.standing
        joints = _joints_at(episode, stamp)
        moved = max((abs(q - (standing.joints or {}).get(joint, q)) for joint, q in joints.items()), default=0.0)
        standing.see(stamp, rgb.tobytes(), joints, moved, limits.recorder.frozen_motion)
        check = check_image(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
        # the measure of blur means nothing for a picture that is small from the start
        monitor.see(check if rgb.shape[1] >= WIDTH else replace(check, blur=nan))
    return [_of_recorder(finding) for finding in judge_camera(name, monitor.report(), limits.recorder)]


def _joints_at(episode: Episode, stamp_ns: int) -> dict[str, float]:
    """The newest values of the joints, or of a hand, by column; empty where there are none yet."""
    name = next((n for n in ("joints", "hand.right", "hand.left") if n in episode.streams), "")
    row = episode.streams[name].before(stamp_ns) if name else -1
    if row < 0:
        return {}
    stream = episode.streams[name]
    pairs = zip(stream.columns, stream.values[row].tolist(), strict=True)
    return {column: value for column, value in pairs if np.isfinite(value)}


def _standing_still(unified: UnifiedEpisode, episode: Episode) -> list[Finding]:
    rows = unified.actions(episode.frame_stamps_ns)
    used = rows.mask.any(axis=0)
    if not used.any():
        return [Finding(BAD, "actions", "nothing of it is in the unified space")]
    moved = np.ptp(rows.values[:, used], axis=0).max()
    return [Finding(BAD, "actions", f"nothing moves: {moved:.2g} at most", "0.01")] if moved < 0.01 else []
