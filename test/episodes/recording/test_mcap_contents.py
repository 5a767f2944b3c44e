"""Recordings cut at any byte: what is whole is found, the rest goes, and repairing twice changes nothing."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer
from rosbags.highlevel import AnyReader

from mivla_ros.commands.main import main
from mivla_ros.episodes.bag_writer import BagWriter, RecordingError, suite_typestore
from mivla_ros.episodes.recording.bag_metadata import read_custom_data
from mivla_ros.episodes.recording.repair import RepairError, repair_recording
from mivla_ros.episodes.topics import RecordedTopic
from test.episodes.recording.messages import words

TOPIC = "/words"
TOPICS = {TOPIC: RecordedTopic("words", "std_msgs/msg/String"), "/none": RecordedTopic("none", "std_msgs/msg/String")}
CHUNKS, EACH = 4, 25


def _write(folder: Path, *, close: bool) -> Path:
    writer = BagWriter(folder, TOPICS, {"robot": "piper", "instruction": "first"})
    for i in range(CHUNKS * EACH):
        writer.write(TOPIC, i, words(f"word {i}"))
        if i % EACH == EACH - 1:
            writer.flush()
    if close:
        writer.set_custom_data({"instruction": "last"})
        writer.close()
    else:
        writer.abandon()
    return folder


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    base = tmp_path_factory.mktemp("recordings")
    return _write(base / "whole", close=True), _write(base / "killed", close=False)


def _words(folder: Path) -> list[str]:
    store = suite_typestore()
    with AnyReader([folder], default_typestore=store) as reader:
        return [reader.deserialize(data, c.msgtype).data for c, _, data in reader.messages()]


def _all(count: int) -> list[str]:
    return [f"word {i}" for i in range(count)]


def test_a_whole_recording_is_left_as_it_is(recordings: tuple[Path, Path]) -> None:
    whole, _ = recordings
    report = repair_recording(whole)
    assert (report.fault, report.changed, report.kept) == ("", False, CHUNKS * EACH)
    assert _words(whole) == _all(CHUNKS * EACH)
    assert read_custom_data(whole) == {"robot": "piper", "instruction": "last"}
    assert not (whole / ".reserve").exists()


def test_all_that_was_flushed_survives_a_kill(recordings: tuple[Path, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(recordings[1], tmp_path / "killed"))
    assert repair_recording(folder, dry_run=True).changed
    assert not (folder / "metadata.yaml").exists()
    report = repair_recording(folder)
    assert report.kept == CHUNKS * EACH
    assert report.cut == 0
    assert _words(folder) == _all(CHUNKS * EACH)
    assert read_custom_data(folder)["instruction"] == "first"
    with (folder / "killed.mcap").open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True)
        assert reader.get_summary().statistics.message_count == CHUNKS * EACH
        assert len(list(reader.iter_messages(topics=[TOPIC], starting_at=10, ending_before=30))) == 20
    assert sorted(f.name for f in folder.iterdir()) == ["killed.mcap", "metadata.yaml"]
    assert not repair_recording(folder).changed


@settings(max_examples=25)
@given(cut=st.floats(0.0, 1.0), which=st.sampled_from([0, 1]))
def test_a_file_cut_at_any_byte_keeps_its_whole_chunks(
    recordings: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory, cut: float, which: int
) -> None:
    folder = tmp_path_factory.mktemp("cut") / "bag"
    shutil.copytree(recordings[which], folder)
    file = next(folder.glob("*.mcap"))
    data = file.read_bytes()
    file.write_bytes(data[: int(cut * len(data))])
    try:
        report = repair_recording(folder)
    except RepairError:
        assert cut * len(data) < 100, "only a file without a whole header is given up"
        return
    assert report.kept % EACH == 0
    assert _words(folder) == _all(report.kept)
    assert not repair_recording(folder).changed


@settings(max_examples=25)
@example(where=2793.5 / 7668, flip=30)  # the length of a chunk's data
@example(where=2751.5 / 7668, flip=0x80)  # a chunk's opcode
@example(where=2761.5 / 7668, flip=0x7F)  # a chunk's first log time
@given(where=st.floats(0.0, 0.999), flip=st.integers(1, 255))
def test_a_flipped_byte_never_gives_a_wrong_message(
    recordings: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory, where: float, flip: int
) -> None:
    folder = tmp_path_factory.mktemp("flip") / "bag"
    shutil.copytree(recordings[1], folder)
    file = next(folder.glob("*.mcap"))
    data = bytearray(file.read_bytes())
    data[int(where * len(data))] ^= flip
    file.write_bytes(data)
    try:
        report = repair_recording(folder)
    except RepairError:
        return
    with file.open("rb") as stream:
        read = [m.data for _, _, m in make_reader(stream).iter_messages()] if report.kept else []
    assert read == [words(text) for text in _all(report.kept)]


def test_messages_outside_of_chunks_are_put_into_some(tmp_path: Path) -> None:
    folder = tmp_path / "fast"
    folder.mkdir()
    with (folder / "fast.mcap").open("wb") as stream:
        writer = Writer(stream, use_chunking=False, compression=CompressionType.NONE)
        writer.start("ros2", "another recorder")
        schema = writer.register_schema("std_msgs/msg/String", "ros2msg", b"string data\n")
        channel = writer.register_channel(TOPIC, "cdr", schema, {"offered_qos_profiles": ""})
        for i in range(10):
            writer.add_message(channel, i, words(f"word {i}"), i)
        size = stream.tell()
    (folder / "fast.mcap").write_bytes((folder / "fast.mcap").read_bytes()[: size - 5])
    assert repair_recording(folder).kept == 9
    assert _words(folder) == _all(9)


def test_what_is_no_recording_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "bag.mcap").write_bytes(b"no such thing")
    with pytest.raises(RepairError, match=r"bag\.mcap does not begin as a MCAP file"):
        repair_recording(tmp_path / "bag")
    assert main(["episodes", "repair", str(tmp_path)]) == 1
    assert "does not begin" in capsys.readouterr().err
    assert main(["episodes", "repair", str(tmp_path / "nowhere")]) == 1
    assert "neither a recording" in capsys.readouterr().err


def test_the_command_repairs_a_folder_of_recordings(
    recordings: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in recordings:
        shutil.copytree(folder, tmp_path / folder.name)
    assert main(["episodes", "repair", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "killed: repaired" in said
    assert "whole: whole, 100 messages" in said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes; needs the right to mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("may not mount a small disk here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_is_told_by_name_and_the_file_is_finished(small_disk: Path) -> None:
    writer = BagWriter(small_disk / "bag", TOPICS, {})
    text = "x" * 10_000
    with pytest.raises(RecordingError, match="No space left") as caught:
        for i in range(1000):
            writer.write(TOPIC, i, words(f"word {i} {text}"))
            if i % 10 == 9:
                writer.flush()
    assert caught.value.full
    assert writer.rescue() == small_disk / "bag"
    kept = _words(small_disk / "bag")
    assert len(kept) >= 100
    assert [word.split()[1] for word in kept] == [str(i) for i in range(len(kept))]
