"""The audit of one episode: fed with every serialised message, live by the recorder or later from a file."""

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from rosbags.typesys.store import Typestore

from mivla_ros.episodes.recording.cdr_header import HEADER, header_stamp_ns, joint_positions
from mivla_ros.episodes.recording.image_checks import ImageCheck, check_image, decode_grey
from mivla_ros.episodes.recording.image_monitor import ImageMonitor
from mivla_ros.episodes.recording.image_worker import ImageWorker
from mivla_ros.episodes.recording.joint_monitor import JointMonitor
from mivla_ros.episodes.recording.limits import AuditLimits
from mivla_ros.episodes.recording.skew_monitor import SkewMonitor
from mivla_ros.episodes.recording.stream_monitor import StreamMonitor
from mivla_ros.episodes.recording.verdict import Finding, Measured, judge
from mivla_ros.episodes.topics import RecordedTopic
from mivla_ros.robots.profile import RobotProfile

IMAGE, INFO = "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/CameraInfo"
JOINTS, CHUNK = "sensor_msgs/msg/JointState", "mivla_msgs/msg/ActionChunk"
CAPTURED = (IMAGE, INFO, JOINTS)  # their stamps are times of capture, so latency means something


class EpisodeAudit:
    """Measures one episode. One thread calls ``see``, any thread the rest; ``close`` ends the image thread."""

    def __init__(
        self,
        profile: RobotProfile,
        topics: Mapping[str, RecordedTopic],
        store: Typestore,
        begun_ns: int,
        limits: AuditLimits | None = None,
        *,
        live: bool = True,
        image_interval: float = 1.0,
        image_share: float = 0.05,
    ) -> None:
        """topics: by full name. begun_ns: the episode's begin, on the clock of arrivals. live: pictures are looked at
        in a thread that may leave some out; else at once, one a second of stamps and camera. image_interval and
        image_share: see ImageWorker."""
        self.limits = limits or AuditLimits()
        self.topics = dict(topics)
        self._store = store
        self._begun_ns = begun_ns
        self._lock = threading.Lock()
        self._streams = {name: StreamMonitor(topic.rate, begun_ns) for name, topic in topics.items()}
        self._stamped = {name for name, topic in topics.items() if _first_field(store, topic.type) == HEADER}
        self._cameras = {name: ImageMonitor(self.limits) for name, topic in topics.items() if topic.type == IMAGE}
        self.joints_topic = next((name for name, topic in topics.items() if topic.type == JOINTS), "")
        self._joints = JointMonitor(profile)
        self._skew = SkewMonitor(self._cameras, [self.joints_topic] if self.joints_topic else [], self.limits.skew)
        self._chunks: tuple[bytes, int] | None = None
        self._lost_chunks = 0
        self._broken: Counter[str] = Counter()
        self.incompatible: set[str] = set()
        self._worker = ImageWorker(self._on_check, image_interval, image_share) if live else None
        self._looked_ns: dict[str, int] = {}

    def see(self, topic: str, arrival_ns: int, data: bytes, sequence: int = 0) -> None:
        """One serialised message that was written. sequence: the publisher's count; 0 where it is not known."""
        kind = self.topics[topic].type
        stamp_ns = header_stamp_ns(data) if topic in self._stamped else None
        with self._lock:
            self._streams[topic].see(arrival_ns, len(data), stamp_ns, latency=kind in CAPTURED, sequence=sequence)
            if kind == JOINTS and topic == self.joints_topic:
                self._see_joints(topic, stamp_ns or arrival_ns, data)
            elif kind == CHUNK:
                self._see_chunk(topic, data)
        if kind == IMAGE:
            self._see_image(topic, stamp_ns or arrival_ns, data)

    def lose(self, topic: str, count: int) -> None:
        """The middleware says that it lost messages, where no publisher's count tells."""
        with self._lock:
            self._streams[topic].lost += count

    def drop(self, topic: str) -> None:
        """A message arrived and could not be written."""
        with self._lock:
            self._streams[topic].dropped += 1

    def measured(self, now_ns: int) -> Measured:
        """All that is known at ``now_ns`` of the arrivals' clock."""
        with self._lock:
            return Measured(
                seconds=(now_ns - self._begun_ns) / 1e9,
                streams={name: monitor.report(now_ns) for name, monitor in self._streams.items()},
                required=frozenset(name for name, topic in self.topics.items() if topic.required),
                cameras={name: monitor.report() for name, monitor in self._cameras.items()},
                skews=self._skew.reports(),
                jumps=tuple(self._joints.jumps),
                jump_count=self._joints.jump_count,
                joints_topic=self.joints_topic,
                missing_joints=self._joints.missing,
                invalid_joints=self._joints.invalid,
                lost_chunks=self._lost_chunks,
                incompatible=sorted(self.incompatible),
                broken=dict(self._broken),
            )

    def findings(self, now_ns: int) -> list[Finding]:
        """What is wrong so far, the worst first."""
        return judge(self.measured(now_ns), self.limits)

    def close(self) -> None:
        """Wait for the pictures that are being looked at."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _decoded(self, topic: str, data: bytes, kind: str) -> Any:  # noqa: ANN401 - a message of any type
        """The message; None where its bytes are broken, which is counted."""
        try:
            return self._store.deserialize_cdr(data, kind)
        except Exception:  # rosbags raises many kinds for broken bytes
            self._broken[topic] += 1
            return None

    def _see_joints(self, topic: str, stamp_ns: int, data: bytes) -> None:
        try:
            names, positions = joint_positions(data)
        except ValueError:
            self._broken[topic] += 1
            return
        self._joints.see(stamp_ns, names, positions)
        self._skew.see(topic, stamp_ns)

    def _see_chunk(self, topic: str, data: bytes) -> None:
        message = self._decoded(topic, data, CHUNK)
        if message is None:
            return
        session, sequence = bytes(message.session.uuid), int(message.sequence)
        if self._chunks is not None and self._chunks[0] == session:
            self._lost_chunks += max(sequence - self._chunks[1] - 1, 0)
        self._chunks = session, sequence

    def _see_image(self, topic: str, stamp_ns: int, data: bytes) -> None:
        message = self._decoded(topic, data, IMAGE)
        if message is None:
            return
        jpeg = memoryview(message.data)
        standing = self._cameras[topic].standing
        with self._lock:
            self._skew.see(topic, stamp_ns)
            moved = 0.0 if standing.joints is None else self._joints.moved(standing.joints)
            standing.see(stamp_ns, jpeg, self._joints.positions, moved, self.limits.frozen_motion)
        if self._worker is not None:
            self._worker.offer(topic, stamp_ns, jpeg)
        elif stamp_ns - self._looked_ns.get(topic, stamp_ns - 1_000_000_000) >= 1_000_000_000:
            self._looked_ns[topic] = stamp_ns
            try:
                check = check_image(decode_grey(jpeg))
            except ValueError:
                check = None
            self._on_check(topic, stamp_ns, check)

    def _on_check(self, topic: str, stamp_ns: int, check: ImageCheck | None) -> None:
        with self._lock:
            self._cameras[topic].see(check)


def _first_field(store: Typestore, kind: str) -> str:
    """Type of a message's first field; empty where that is no message."""
    fields = store.fielddefs[kind][1]
    if not fields:
        return ""
    description = fields[0][1][1]
    return description if isinstance(description, str) else ""
