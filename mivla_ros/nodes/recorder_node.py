"""Records episodes of one robot into rosbag2 folders (MCAP) and tells how good they are while they are made.

Messages are never decoded to be written. An idle recorder subscribes to no sensor.
"""

import shutil
import time
from pathlib import Path
from typing import Any

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node

from mivla_msgs.msg import PolicyStatus, RecordingStatus, TaskProgress
from mivla_msgs.srv import DiscardEpisode, StartEpisode, StopEpisode
from mivla_ros.episodes.bag_writer import BagWriter, RecordingError, suite_typestore
from mivla_ros.episodes.recording import shelf
from mivla_ros.episodes.recording.audit import EpisodeAudit
from mivla_ros.episodes.recording.conditions import ClockWatch
from mivla_ros.episodes.recording.episode_info import LABELS, EpisodeEnd, EpisodeStart, start_data
from mivla_ros.episodes.recording.episode_recording import (
    EpisodeRecording,
    EpisodeResult,
    RawMessage,
    RecordingOptions,
)
from mivla_ros.episodes.recording.verdict import Verdict, overall
from mivla_ros.episodes.topics import recorded_topics
from mivla_ros.nodes import qos
from mivla_ros.nodes.conversions import stop_reason_message
from mivla_ros.nodes.process import run_node
from mivla_ros.nodes.recorder_inputs import RecorderInputs
from mivla_ros.nodes.recorder_messages import recorded_streams, recording_status
from mivla_ros.nodes.recorder_node_parameters import recorder_node_parameters
from mivla_ros.robots.profile import load_profile
from mivla_ros.stop_reasons import RUNNING, Reason, Stop

WATCH_SECONDS = 0.2
STATUS_SECONDS = 1.0
UNLABELLED, SUCCESS, FAILURE = LABELS


class RecorderNode(Node):
    """Services, automatic episodes and status around one EpisodeRecording at a time."""

    def __init__(self) -> None:
        super().__init__("recorder")
        self.status: int | None = None
        parameters = recorder_node_parameters.ParamListener(self).get_params()
        self._source = parameters.robot
        self._profile = load_profile(parameters.robot)
        self._folder = Path(parameters.folder).absolute()
        self._automatic = parameters.automatic
        self._options = RecordingOptions(
            parameters.flush_seconds, parameters.min_free * 1_000_000, parameters.queue * 1_000_000
        )
        self._image_interval, self._image_share = parameters.image_interval, parameters.image_share
        self._simulated = bool(self.get_parameter("use_sim_time").value)
        self._store = suite_typestore()
        self._topics = {self.resolve_topic_name(topic.name): topic for topic in recorded_topics(self._profile)}
        # no executor may take this one's messages; named here, since the command line names only the node above
        self._taps = Node(
            "recorder_taps",
            namespace=self.get_namespace(),
            cli_args=["--ros-args", "-r", "__node:=recorder_taps"],
            enable_rosout=False,
            start_parameter_services=False,
        )
        self._recording: EpisodeRecording | None = None
        self._inputs: RecorderInputs | None = None
        self._clock_watch: ClockWatch | None = None
        self._instruction = ""
        self._requested = False  # the running episode was asked for, so only its asker ends it
        self._pending = self._automatic  # an automatic episode is to begin as soon as time runs
        self._policy = PolicyStatus()
        self._task: TaskProgress | None = None
        self._last: EpisodeResult | None = None
        self._published = 0.0
        self._publisher = self.create_publisher(RecordingStatus, "mivla/recording", qos.STATE)
        self.create_subscription(PolicyStatus, "mivla/policy_status", self._on_policy, qos.STATE)
        if self._automatic:
            self.create_subscription(TaskProgress, "simulation/task", self._on_task, qos.STREAM)
        self.create_service(StartEpisode, "mivla/start_episode", self._on_start)
        self.create_service(StopEpisode, "mivla/stop_episode", self._on_stop)
        self.create_service(DiscardEpisode, "mivla/discard_episode", self._on_discard)
        self.create_timer(WATCH_SECONDS, self._watch, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def start(self) -> None:
        """Say that it is there."""
        how = "an episode a task" if self._automatic else "when asked to"
        self.get_logger().info(f"records {len(self._topics)} topics into {self._folder}, {how}")
        self._publish()

    def close(self) -> None:
        """Finish the running episode."""
        if self._recording is not None:
            self._end(self._task_label(), "", "shutdown")
        self._taps.destroy_node()

    # ---- episodes ----

    def _begin(self, instruction: str, tags: list[str], reason: str) -> Stop | None:
        """Start an episode; the reason why not, None where it runs."""
        now_ns = self._now_ns()
        if now_ns == 0:
            return Stop(Reason.RECORDING_FAILED, "clock", message="simulated time has not begun")
        name = shelf.new_name(self._profile.name)
        words = instruction or self._policy.instruction
        start = EpisodeStart(words, tags, reason, self._policy.policy, self._policy.model_revision)
        data = start_data(self._profile, self._source, start, "simulated" if self._simulated else "system")
        try:
            writer = BagWriter(self._folder / name, self._topics, data)
        except (RecordingError, OSError) as error:
            full = isinstance(error, RecordingError) and error.full
            return Stop(
                Reason.DISK_FULL if full else Reason.RECORDING_FAILED, str(self._folder / name), message=str(error)
            )
        audit = EpisodeAudit(
            self._profile,
            self._topics,
            self._store,
            now_ns,
            image_interval=self._image_interval,
            image_share=self._image_share,
        )
        recording = EpisodeRecording(writer, audit, self._now_ns, self._options)
        self._recording, self._instruction, self._last = recording, instruction, None
        self._clock_watch = ClockWatch(now_ns, time.monotonic_ns(), simulated=self._simulated)

        def on_message(topic: str, received_ns: int, raw: bytes, published_ns: int, sequence: int) -> None:
            arrival_ns = self._now_ns() if self._simulated else received_ns
            recording.offer(RawMessage(topic, arrival_ns, raw, 0 if self._simulated else published_ns, sequence))

        self._inputs = RecorderInputs(self._taps, self._topics, on_message, audit.lose, audit.incompatible.add)
        self.get_logger().info(f"recording episode {name} ({reason})")
        self._publish()
        return None

    def _end(self, label: str, comment: str, reason: str) -> EpisodeResult:
        assert self._recording is not None
        assert self._inputs is not None
        self._inputs.close()
        words = self._instruction or self._policy.instruction
        end = EpisodeEnd(label, comment, reason, words, self._policy.policy, self._policy.model_revision)
        result = self._recording.stop(end)
        self._recording = self._inputs = self._clock_watch = None
        self._last = result
        self._say(result, label, reason)
        self._publish(result)
        return result

    def _say(self, result: EpisodeResult, label: str, reason: str) -> None:
        counts = {name: report.messages for name, report in result.measured.streams.items()}
        silent = [name for name, count in counts.items() if count == 0]
        log = self.get_logger()
        log.info(
            f"recorded {sum(counts.values())} messages, {result.measured.seconds:.1f} s into {result.folder}, "
            f"{label} ({reason}); verdict: {result.verdict.name.lower()}"
            + (f"; nothing came on {', '.join(silent)}" if silent else "")
        )
        for finding in result.findings:
            if finding.verdict is Verdict.REDO:  # on two lines: rclpy ties a line to one severity
                log.error(str(finding))
            else:
                log.warning(str(finding))

    # ---- services ----

    def _on_start(self, request: StartEpisode.Request, response: StartEpisode.Response) -> StartEpisode.Response:
        if self._recording is not None and self._requested:
            stop: Stop | None = Stop(Reason.RECORDER_BUSY, self._recording.folder.name, message="stop it first")
        else:
            if self._recording is not None:
                self._end(self._task_label(), "", "an episode was asked for")
            self._pending = False
            stop = self._begin(request.instruction.strip(), list(request.tags), "requested")
            self._requested = stop is None
        response.success = stop is None
        response.reason = stop_reason_message(stop or RUNNING)
        if stop is None and self._recording is not None:
            response.episode = self._recording.folder.name
        elif stop is not None:
            self.get_logger().error(f"no recording: {stop}")
        return response

    def _on_stop(self, request: StopEpisode.Request, response: StopEpisode.Response) -> StopEpisode.Response:
        if request.label >= len(LABELS):
            response.reason = stop_reason_message(
                Stop(Reason.RECORDING_FAILED, "label", float(request.label), len(LABELS) - 1, message="unknown label")
            )
            return response
        if self._recording is None:
            early = self._last if self._last is not None and self._last.failure is not None else None
            stop = Stop(Reason.RECORDER_IDLE) if early is None else early.failure
            response.reason = stop_reason_message(stop or RUNNING)
            if early is not None:
                self._fill(response, early)
            return response
        result = self._end(LABELS[request.label], request.comment.strip(), "requested")
        response.success = result.whole and result.failure is None
        response.reason = stop_reason_message(result.failure or RUNNING)
        self._fill(response, result)
        return response

    def _fill(self, response: StopEpisode.Response, result: EpisodeResult) -> None:
        response.episode, response.path = result.folder.name, str(result.folder)
        response.seconds = result.measured.seconds
        response.verdict = int(result.verdict)
        response.warnings = [str(finding) for finding in result.findings]

    def _on_discard(
        self, request: DiscardEpisode.Request, response: DiscardEpisode.Response
    ) -> DiscardEpisode.Response:
        running = self._recording is not None and request.episode in ("", self._recording.folder.name)
        ended = self._end(UNLABELLED, "", "discarded") if running else None
        path = shelf.find(self._folder, request.episode) if ended is None else ended.folder
        try:
            if path is None:
                raise ValueError(f"no recording {request.episode!r} in {self._folder}")
            shelf.discard(path)
        except ValueError as error:
            response.reason = stop_reason_message(Stop(Reason.EPISODE_UNKNOWN, request.episode, message=str(error)))
            return response
        except OSError as error:
            response.reason = stop_reason_message(Stop(Reason.RECORDING_FAILED, str(path), message=str(error)))
            return response
        response.success, response.episode = True, path.name
        response.reason = stop_reason_message(RUNNING)
        self.get_logger().info(f"discarded {path}")
        return response

    # ---- what goes on ----

    def _on_policy(self, message: PolicyStatus) -> None:
        before, self._policy = self._policy.instruction, message
        if not self._automatic or not message.instruction or message.instruction == before or not before:
            return
        self._next("new instruction")

    def _on_task(self, message: TaskProgress) -> None:
        before, self._task = self._task, message
        if before is not None and before.episode != message.episode:
            self._task = before
            label = self._task_label()
            self._task = message
            self._next("next task", label)
        elif (message.success or message.failure) and self._recording is not None and not self._requested:
            self._end(self._task_label(), message.failure, "task done" if message.success else "task failed")

    def _next(self, reason: str, label: str = UNLABELLED) -> None:
        """Automatic: the running episode ends and another begins."""
        if self._requested and self._recording is not None:
            return
        if self._recording is not None:
            self._end(label, "", reason)
        self._requested, self._pending = False, True

    def _task_label(self) -> str:
        if self._task is None:
            return UNLABELLED
        return SUCCESS if self._task.success else FAILURE if self._task.failure else UNLABELLED

    def _watch(self) -> None:
        if self._recording is None and self._pending and self._now_ns() > 0:
            self._pending = False
            stop = self._begin("", [], "automatic")
            if stop is not None:
                self.get_logger().error(f"no recording: {stop}")
        if self._recording is not None and self._clock_watch is not None:
            jump = self._clock_watch.check(self._now_ns(), time.monotonic_ns())
            if jump is not None:
                self._recording.fail(jump)
            if self._recording.failure is not None:
                self._end(UNLABELLED, "", "failed")
        if time.monotonic() - self._published > STATUS_SECONDS:
            self._publish(self._last)

    def _publish(self, result: EpisodeResult | None = None) -> None:
        self._published = time.monotonic()
        stamp = self.get_clock().now().to_msg()
        recording = self._recording
        if recording is None:
            failed = result is not None and result.failure is not None
            message = recording_status(
                stamp,
                RecordingStatus.FAILED if failed else RecordingStatus.IDLE,
                "" if result is None else result.folder.name,
                "" if result is None else str(result.folder),
                self._instruction,
                None if result is None else result.measured,
                [] if result is None else result.findings,
                Verdict.UNKNOWN if result is None else result.verdict,
                None if result is None else result.failure,
            )
        else:
            measured = recording.audit.measured(self._now_ns())
            findings = recording.audit.findings(self._now_ns())
            young = measured.seconds < recording.audit.limits.seconds
            message = recording_status(
                stamp,
                RecordingStatus.RECORDING,
                recording.folder.name,
                str(recording.folder),
                self._instruction or self._policy.instruction,
                measured,
                [] if young else findings,
                Verdict.UNKNOWN if young else overall(findings),
                None,
            )
            message.bytes = recording.writer.size
            message.bytes_per_second = recording.writer.size / max(measured.seconds, 1e-3)
            message.streams = recorded_streams(measured, self._topics)
        message.free_bytes = self._free()
        self._publisher.publish(message)

    def _free(self) -> int:
        folder: Any = self._folder
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        return shutil.disk_usage(folder).free

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main() -> None:
    """Entry point of the executable."""
    run_node("recorder", RecorderNode, RecordingError, ValueError)


if __name__ == "__main__":
    main()
