"""From what was measured to what a person should do: keep the episode, look at it, or do it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from math import isnan

from mivla_ros.episodes.recording.image_monitor import CameraReport
from mivla_ros.episodes.recording.joint_monitor import Jump
from mivla_ros.episodes.recording.limits import AuditLimits
from mivla_ros.episodes.recording.skew_monitor import SkewReport
from mivla_ros.episodes.recording.stream_monitor import StreamReport


class Verdict(IntEnum):
    """The same numbers as in mivla_msgs/RecordingStatus."""

    UNKNOWN = 0
    GOOD = 1
    DOUBTFUL = 2
    REDO = 3


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a stream, in one sentence, and how bad that is."""

    verdict: Verdict
    stream: str
    text: str

    def __str__(self) -> str:
        """Words for a person."""
        return f"{'redo: ' if self.verdict is Verdict.REDO else ''}{self.stream}: {self.text}"


@dataclass(frozen=True)
class Measured:
    """All that is judged. required: streams without which an episode is worth nothing. Keys are full topic names."""

    seconds: float
    streams: dict[str, StreamReport]
    required: frozenset[str]
    cameras: dict[str, CameraReport]
    skews: Sequence[SkewReport]
    jumps: Sequence[Jump]
    jump_count: int
    joints_topic: str
    missing_joints: Sequence[str]
    invalid_joints: int
    lost_chunks: int
    incompatible: Sequence[str] = ()
    broken: Mapping[str, int] = field(default_factory=dict)


def overall(findings: Sequence[Finding]) -> Verdict:
    """The worst of all."""
    return max((finding.verdict for finding in findings), default=Verdict.GOOD)


def judge(measured: Measured, limits: AuditLimits) -> list[Finding]:
    """All findings, the worst first."""
    findings: list[Finding] = []
    if measured.seconds < limits.seconds:
        findings.append(
            Finding(Verdict.REDO, "episode", f"only {measured.seconds:.2f} s long, limit {limits.seconds:g} s")
        )
    for topic, report in measured.streams.items():
        findings += _stream(topic, report, topic in measured.required, measured.seconds, limits)
    for topic, camera in measured.cameras.items():
        findings += judge_camera(topic, camera, limits)
    for skew in measured.skews:
        if verdict := _above(skew.wide, limits.skew_share):
            text = (
                f"{skew.wide:.0%} of the images are more than {limits.skew:g} s from the nearest {skew.other}, "
                f"largest {skew.largest:.3f} s"
            )
            findings.append(Finding(verdict, skew.camera, text))
    findings += _joints(measured)
    if measured.lost_chunks:
        findings.append(Finding(Verdict.DOUBTFUL, "chunks", f"{measured.lost_chunks} are missing by their sequence"))
    findings += [
        Finding(Verdict.DOUBTFUL, topic, "a publisher's quality of service does not go with ours")
        for topic in measured.incompatible
    ]
    findings += [
        Finding(Verdict.REDO, topic, f"{count} messages cannot be decoded") for topic, count in measured.broken.items()
    ]
    return sorted(findings, key=lambda finding: -finding.verdict)


def _stream(topic: str, report: StreamReport, required: bool, seconds: float, limits: AuditLimits) -> list[Finding]:
    found: list[Finding] = []
    if not report.messages:
        return [Finding(Verdict.REDO, topic, "nothing came")] if required else []

    def add(verdict: Verdict | None, text: str) -> None:
        if verdict:
            found.append(Finding(verdict, topic, text))

    if required and report.expected_rate:
        if not isnan(report.mean_rate):
            share = report.mean_rate / report.expected_rate
            text = f"{report.mean_rate:.1f} Hz of {report.expected_rate:g} Hz"
            add(_below(share, limits.rate), text)
        text = f"{report.gaps} gaps, longest {report.longest_gap:.2f} s"
        add(_above(report.longest_gap, limits.gap), text)
        add(_above(report.silence, limits.gap), f"silent for the last {report.silence:.2f} s")
    lost = report.lost + report.dropped
    share = lost / (lost + report.messages)
    add(
        _above(share, limits.loss) or (Verdict.DOUBTFUL if report.dropped else None),
        f"{report.lost} lost by the middleware, {report.dropped} not written, of {lost + report.messages}",
    )
    if required and (report.backwards or report.repeated):
        bad = (report.backwards + report.repeated) / report.messages
        verdict = Verdict.REDO if bad > limits.loss[1] else Verdict.DOUBTFUL
        add(verdict, f"{report.backwards} stamps older than the one before, {report.repeated} equal to it")
    if not isnan(report.latency):
        add(
            _above(report.latency_p95, limits.latency),
            f"5 % arrive later than {report.latency_p95:.2f} s after capture",
        )
        if report.ahead > 0.05 * report.messages:
            add(Verdict.DOUBTFUL, f"{report.ahead} stamps lie ahead of the clock: another clock")
    return found


def judge_camera(topic: str, camera: CameraReport, limits: AuditLimits) -> list[Finding]:
    """What is wrong with one camera's pictures."""
    found = []
    if verdict := _above(camera.frozen, limits.frozen):
        found.append(Finding(verdict, topic, f"the same picture for {camera.frozen:.2f} s while the robot moved"))
    if camera.invalid:
        share = camera.invalid / max(camera.looked_at, 1)
        worst = Verdict.REDO if share > limits.bad_images[1] else Verdict.DOUBTFUL
        found.append(Finding(worst, topic, f"{camera.invalid} of {camera.looked_at} pictures cannot be decoded"))
    for word, count in (("blurred", camera.blurred), ("too dark", camera.dark), ("too bright", camera.bright)):
        if camera.looked_at and (verdict := _above(count / camera.looked_at, limits.bad_images)):
            found.append(Finding(verdict, topic, f"{count} of {camera.looked_at} pictures looked at are {word}"))
    return found


def _joints(measured: Measured) -> list[Finding]:
    found = []
    if measured.missing_joints and measured.streams[measured.joints_topic].messages:
        text = f"joints {', '.join(measured.missing_joints)} are missing"
        found.append(Finding(Verdict.REDO, measured.joints_topic, text))
    if measured.invalid_joints:
        text = f"{measured.invalid_joints} positions are not finite"
        found.append(Finding(Verdict.REDO, measured.joints_topic, text))
    if measured.jump_count:
        jump = max(measured.jumps, key=lambda j: abs(j.step))
        text = f"{measured.jump_count} jumps, largest {jump.step:+.3f} in {jump.seconds:.3f} s of {jump.joint}"
        found.append(Finding(Verdict.REDO, measured.joints_topic, text))
    return found


def _above(value: float, limits: tuple[float, float]) -> Verdict | None:
    """How bad a value is that should stay below."""
    if isnan(value) or value <= limits[0]:
        return None
    return Verdict.REDO if value > limits[1] else Verdict.DOUBTFUL


def _below(value: float, limits: tuple[float, float]) -> Verdict | None:
    """How bad a value is that should stay above."""
    if value >= limits[0]:
        return None
    return Verdict.REDO if value < limits[1] else Verdict.DOUBTFUL
