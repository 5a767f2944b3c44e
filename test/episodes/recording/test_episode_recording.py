"""One recording without ROS: lost messages are counted, reasons are named, nothing but recordings is discarded."""

import json
import time
from pathlib import Path

import pytest
from rosbags.highlevel import AnyReader

from mivla_ros.episodes.bag_writer import BagWriter
from mivla_ros.episodes.recording import shelf
from mivla_ros.episodes.recording.audit import EpisodeAudit
from mivla_ros.episodes.recording.bag_metadata import read_custom_data
from mivla_ros.episodes.recording.conditions import ClockWatch, disk_full
from mivla_ros.episodes.recording.episode_info import EpisodeEnd
from mivla_ros.episodes.recording.episode_recording import EpisodeRecording, RawMessage, RecordingOptions
from mivla_ros.episodes.recording.verdict import Verdict
from mivla_ros.episodes.topics import recorded_topics
from mivla_ros.stop_reasons import Reason, Stop
from test.episodes.recording.messages import JOINTS, PROFILE, SECOND, STORE, joint_state, ready

TOPICS = {f"/{topic.name.lstrip('/')}": topic for topic in recorded_topics(PROFILE)}
END = EpisodeEnd("success", "", "requested", "pour the tea")


def _recording(folder: Path, **options: float) -> EpisodeRecording:
    audit = EpisodeAudit(PROFILE, TOPICS, STORE, 0)
    writer = BagWriter(folder, TOPICS, {})
    return EpisodeRecording(writer, audit, lambda: 2 * SECOND, RecordingOptions(min_free=0, **options))


def _message(i: int) -> RawMessage:
    stamp = i * SECOND // 100 + 1
    return RawMessage(JOINTS, stamp, joint_state(stamp, ready()), sequence=i + 1)


def _kept(folder: Path) -> int:
    with AnyReader([folder], default_typestore=STORE) as reader:
        return reader.message_count


def test_all_that_was_offered_is_in_the_file(tmp_path: Path) -> None:
    recording = _recording(tmp_path / "bag")
    for i in range(200):
        recording.offer(_message(i))
    result = recording.stop(END)
    assert result.whole
    assert result.failure is None
    assert _kept(tmp_path / "bag") == 200
    custom = read_custom_data(tmp_path / "bag")
    assert (custom["label"], custom["stop_reason"]) == ("success", "requested")
    assert result.verdict is Verdict.REDO, "the cameras are missing"
    assert any("nothing came" in finding for finding in json.loads(custom["findings"]))


def test_what_finds_no_place_in_the_queue_is_counted(tmp_path: Path) -> None:
    recording = _recording(tmp_path / "bag", queue=10)  # bytes: nothing fits
    recording.offer(_message(0))
    result = recording.stop(END)
    assert result.measured.streams[JOINTS].dropped == 1
    assert json.loads(read_custom_data(tmp_path / "bag")["lost"]) == {JOINTS: 1}


def test_messages_are_on_disk_within_the_flush_time(tmp_path: Path) -> None:
    recording = _recording(tmp_path / "bag", flush_seconds=0.05)
    before = recording.writer.size
    recording.offer(_message(0))
    deadline = time.monotonic() + 20
    while recording.writer.size == before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert recording.writer.file.stat().st_size > before
    recording.stop(END)


def test_a_reason_from_outside_ends_it_early_with_a_whole_file(tmp_path: Path) -> None:
    recording = _recording(tmp_path / "bag")
    recording.offer(_message(0))
    recording.fail(Stop(Reason.CLOCK_JUMP, "recorder's clock", -3.0, 0.05, "s"))
    result = recording.stop(END)
    assert result.whole
    assert result.verdict is Verdict.REDO
    assert read_custom_data(tmp_path / "bag")["stop_reason"].startswith("CLOCK_JUMP: ")


@pytest.mark.parametrize(
    ("now", "steady", "simulated", "jumps"),
    [
        (1.0, 1.0, False, False),
        (0.4, 1.0, False, True),  # set back
        (3.0, 1.0, False, True),  # set forwards
        (0.1, 1.0, True, False),  # a slow simulation
        (10.0, 1.0, True, False),  # a fast one
        (-0.5, 1.0, True, True),
        (500.0, 1.0, True, True),
    ],
)
def test_clock_jumps(now: float, steady: float, simulated: bool, jumps: bool) -> None:
    watch = ClockWatch(SECOND, 0, simulated=simulated)
    found = watch.check(SECOND + round(now * SECOND), round(steady * SECOND))
    assert (found is not None) == jumps
    if found is not None:
        assert found.reason is Reason.CLOCK_JUMP


def test_little_room_is_told_with_its_figures(tmp_path: Path) -> None:
    found = disk_full(tmp_path, 1 << 60)
    assert found is not None
    assert found.reason is Reason.DISK_FULL
    assert found.value < found.limit
    assert disk_full(tmp_path, 0) is None


def test_only_recordings_in_the_folder_can_be_found_and_discarded(tmp_path: Path) -> None:
    for name in ("first", "second"):
        _recording(tmp_path / "shelf" / name).stop(END)
    other = tmp_path / "other"
    other.mkdir()
    folder = tmp_path / "shelf"
    assert shelf.find(folder, "first") == folder / "first"
    assert shelf.find(folder, "") == folder / "second"
    for name in ("..", "../other", str(other), "third", "."):
        assert shelf.find(folder, name) is None
    with pytest.raises(ValueError, match="is no recording"):
        shelf.discard(other)
    shelf.discard(folder / "second")
    assert [f.name for f in folder.iterdir()] == ["first"]
