"""Messages of the recorder node."""

from math import nan

from builtin_interfaces.msg import Time

from mivla_msgs.msg import RecordedStream, RecordingStatus
from mivla_ros.episodes.recording.verdict import Finding, Measured, Verdict
from mivla_ros.episodes.topics import RecordedTopic
from mivla_ros.nodes.conversions import stop_reason_message
from mivla_ros.stop_reasons import RUNNING, Stop


def recording_status(
    stamp: Time,
    state: int,
    episode: str,
    path: str,
    instruction: str,
    measured: Measured | None,
    findings: list[Finding],
    verdict: Verdict,
    reason: Stop | None,
) -> RecordingStatus:
    """The status without its streams; sizes in bytes and ``free_bytes`` are left to the caller."""
    message = RecordingStatus(
        state=state,
        reason=stop_reason_message(reason or RUNNING),
        episode=episode,
        path=path,
        instruction=instruction,
        verdict=int(verdict),
        findings=[str(finding) for finding in findings],
    )
    message.header.stamp = stamp
    if measured is not None:
        message.seconds = measured.seconds
        message.messages = sum(report.messages for report in measured.streams.values())
        message.lost = sum(report.lost for report in measured.streams.values())
        message.dropped = sum(report.dropped for report in measured.streams.values())
    return message


def recorded_streams(measured: Measured, topics: dict[str, RecordedTopic]) -> list[RecordedStream]:
    """One a topic."""
    streams = []
    for name, report in measured.streams.items():
        message = RecordedStream(
            topic=name,
            type=topics[name].type,
            messages=report.messages,
            bytes=report.bytes,
            rate=report.rate,
            expected_rate=report.expected_rate,
            gaps=report.gaps,
            longest_gap=report.longest_gap,
            silence=report.silence,
            lost=report.lost,
            dropped=report.dropped,
            latency=report.latency,
            latency_p95=report.latency_p95,
            latency_max=report.latency_max,
            skew=max((skew.largest for skew in measured.skews if skew.camera == name), default=nan),
            frozen=nan,
            jumps=measured.jump_count if name == measured.joints_topic else 0,
        )
        if (camera := measured.cameras.get(name)) is not None:
            message.frozen = camera.frozen
            message.pictures, message.blurred = camera.looked_at, camera.blurred
            message.too_dark, message.too_bright = camera.dark, camera.bright
            message.undecodable = camera.invalid
        streams.append(message)
    return streams
