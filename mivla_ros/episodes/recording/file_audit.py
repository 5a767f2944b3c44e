"""The recorder's audit of a recording that lies on the disk, for those whose recorder could not say its verdict."""

import heapq
from collections.abc import Iterator

from mivla_ros.episodes.message_source import MessageSource, ros2_types
from mivla_ros.episodes.recording.audit import EpisodeAudit
from mivla_ros.episodes.recording.limits import AuditLimits
from mivla_ros.episodes.recording.verdict import Finding
from mivla_ros.episodes.topics import RecordedTopic, recorded_topics
from mivla_ros.robots.profile import RobotProfile


def audit_recording(source: MessageSource, profile: RobotProfile, limits: AuditLimits | None = None) -> list[Finding]:
    """What is wrong with an open recording of this suite's recorder, the worst first.

    Log times are the times of arrival. What the middleware lost is known to the live recorder only.
    """
    topics: dict[str, RecordedTopic] = {}
    for topic in recorded_topics(profile):
        relative = topic.name.lstrip("/")
        names = [name for name in source.topics if name == f"/{relative}" or name.endswith(f"/{relative}")]
        topics.update(dict.fromkeys(names or [f"/{relative}"], topic))
    logs = [source.topics[name].log_ns for name in topics if name in source.topics and len(source.topics[name].log_ns)]
    if not logs:
        return []
    audit = EpisodeAudit(profile, topics, ros2_types(), int(min(log[0] for log in logs)), limits, live=False)
    for log_ns, name, index in heapq.merge(*(_places(source, name) for name in topics if name in source.topics)):
        audit.see(name, log_ns, bytes(source.data(name, index)))
    return audit.findings(int(max(log[-1] for log in logs)))


def _places(source: MessageSource, name: str) -> Iterator[tuple[int, str, int]]:
    """Log time, topic and number of a topic's messages."""
    return ((int(log_ns), name, index) for index, log_ns in enumerate(source.topics[name].log_ns))
