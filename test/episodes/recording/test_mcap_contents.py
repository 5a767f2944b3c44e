"""Recordings cut or damaged at any byte: what is whole is kept, what is not is named, and repairing twice changes
nothing."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from io import BytesIO
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
from mivla_ros.episodes.recording.mcap_contents import McapContents
from mivla_ros.episodes.recording.mcap_copy import copy_whole
from mivla_ros.episodes.recording.mcap_scan import scan
from mivla_ros.episodes.recording.mcap_summary import finish
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


def _repaired(data: bytes) -> tuple[McapContents, bytes]:
    """What a scan says of a file, and the file that a repair makes of it."""
    contents = scan(BytesIO(data), len(data))
    target = BytesIO()
    copy_whole(BytesIO(data), target, contents)
    copied = scan(target, len(target.getvalue()))
    assert copied.message_count == contents.message_count
    finish(target, copied, {"mivla": contents.metadata.get("mivla", {})})
    assert scan(target, len(target.getvalue())).finished
    return contents, target.getvalue()


def _messages(data: bytes) -> list[tuple[str, int, bytes]]:
    reader = make_reader(BytesIO(data), validate_crcs=True)
    return [(channel.topic, message.log_time, message.data) for _, channel, message in reader.iter_messages()]


@settings(max_examples=60)
@example(which=1, chunk=0, at=0, flip=0x80)  # a chunk's opcode, now a private one
@example(which=1, chunk=1, at=1, flip=30)  # its length
@example(which=0, chunk=2, at=6, flip=0x7F)  # its length, beyond the file
@example(which=1, chunk=3, at=10, flip=0x7F)  # its first log time
@example(which=0, chunk=0, at=34, flip=1)  # its checksum
@example(which=1, chunk=1, at=37, flip=4)  # its compression
@example(which=1, chunk=2, at=42, flip=0x20)  # its size in the file
@given(which=st.sampled_from([0, 1]), chunk=st.integers(0, 4), at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_flipped_byte_costs_at_most_the_chunk_it_lies_in(
    recordings: tuple[Path, Path], which: int, chunk: int, at: int, flip: int
) -> None:
    """``at``: bytes behind the beginning of chunk number ``chunk``; of the file for the number 4."""
    good = next(recordings[which].glob("*.mcap")).read_bytes()
    chunks = scan(BytesIO(good), len(good)).chunks
    assert len(chunks) == CHUNKS
    place = (chunks[chunk].chunk_start_offset + at if chunk < CHUNKS else at * 7) % len(good)
    data = bytearray(good)
    data[place] ^= flip
    contents, repaired = _repaired(bytes(data))

    hit = next((i for i, c in enumerate(chunks) if 0 <= place - c.chunk_start_offset < c.chunk_length), None)
    expected = [(TOPIC, i, words(f"word {i}")) for i in range(CHUNKS * EACH)]
    less = [] if hit is None else expected[hit * EACH : (hit + 1) * EACH]
    found = _messages(repaired)
    if len(found) < len(expected):
        assert found == [message for message in expected if message not in less]
        assert [loss.messages for loss in contents.losses] == [{TOPIC: EACH}]
        assert (contents.losses[0].start_ns, contents.losses[0].end_ns) == (less[0][1], less[-1][1])
    else:
        assert found == expected
        assert not any(loss.messages or loss.messages is None for loss in contents.losses)


@settings(max_examples=40)
@given(begin=st.floats(0.0, 1.0), share=st.floats(0.0, 0.6), filler=st.sampled_from([0, 6, 255]))
def test_chunks_behind_a_hole_are_kept(recordings: tuple[Path, Path], begin: float, share: float, filler: int) -> None:
    good = next(recordings[1].glob("*.mcap")).read_bytes()
    first = int(begin * len(good))
    last = min(first + int(share * len(good)), len(good))
    data = good[:first] + bytes([filler]) * (last - first) + good[last:]
    chunks = scan(BytesIO(good), len(good)).chunks
    whole = [
        i
        for i, c in enumerate(chunks)
        if last <= c.chunk_start_offset or c.chunk_start_offset + c.chunk_length <= first or first == last
    ]
    try:
        contents, repaired = _repaired(data)
    except ValueError:
        assert not whole
        return
    found = _messages(repaired)
    # without any definition left, messages of whole chunks cannot be told
    if TOPIC in {channel.topic for channel in contents.channels.values()}:
        assert {i for _, i, _ in found} >= {i for k in whole for i in range(k * EACH, (k + 1) * EACH)}
    assert all(data == words(f"word {i}") for _, i, data in found)


def test_a_chunk_lost_amid_a_recording_is_told_by_topic_and_time(
    recordings: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(recordings[0], tmp_path / "bag"))
    file = next(folder.glob("*.mcap"))
    data = bytearray(file.read_bytes())
    second = scan(BytesIO(data), len(data)).chunks[1]
    data[second.chunk_start_offset + 100] ^= 1
    file.write_bytes(data)
    assert main(["episodes", "repair", "--dry-run", "--json", str(folder)]) == 0
    (loss,) = json.loads(capsys.readouterr().out)["losses"]
    assert loss["messages"] == {TOPIC: EACH}
    assert (loss["start_ns"], loss["end_ns"]) == (EACH, 2 * EACH - 1)
    assert file.read_bytes() == data
    assert main(["episodes", "repair", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "75 messages" in said
    assert f"25 messages lost: {TOPIC} 25" in said
    kept = _words(folder)
    assert kept == [word for i, word in enumerate(_all(CHUNKS * EACH)) if not EACH <= i < 2 * EACH]
    assert not repair_recording(folder).changed


def test_chunks_whose_definitions_are_lost_are_kept_or_counted(tmp_path: Path) -> None:
    """As other recorders write them: definitions stand in the first chunk only."""
    stream = BytesIO()
    writer = Writer(stream, compression=CompressionType.NONE)
    writer.start("ros2", "another recorder")
    channel = writer.register_channel(TOPIC, "cdr", writer.register_schema("std_msgs/msg/String", "ros2msg", b"string"))
    for i in range(30):
        writer.add_message(channel, i, words(f"word {i}"), i)
        if i % 10 == 9:
            writer.flush()
    data = bytearray(stream.getvalue())
    chunks = scan(BytesIO(data), len(data)).chunks
    data[chunks[0].chunk_start_offset + chunks[0].chunk_length - 3] ^= 1
    contents, repaired = _repaired(bytes(data))
    assert contents.guessed
    assert [i for _, i, _ in _messages(repaired)] == list(range(10, 30))

    begin = chunks[0].chunk_start_offset
    data[begin : begin + 200] = bytes(200)
    contents, repaired = _repaired(bytes(data))
    assert contents.undeclared == {channel: 20}
    assert _messages(repaired) == []


@pytest.mark.parametrize("compression", [CompressionType.ZSTD, CompressionType.LZ4])
def test_compressed_chunks_are_found_again_behind_damage(compression: CompressionType) -> None:
    stream = BytesIO()
    writer = Writer(stream, compression=compression)
    writer.start("ros2", "another recorder")
    writer.add_attachment(0, 0, "notes", "text/plain", b"of the operator")
    for i in range(30):
        if i % 10 == 0:
            number = writer.register_schema(f"std_msgs/msg/String{i}", "ros2msg", b"string data")
            channel = writer.register_channel(f"{TOPIC}{i}", "cdr", number)
        writer.add_message(channel, i, words(f"word {i}"), i)
        if i % 10 == 9:
            writer.flush()
    data = bytearray(stream.getvalue())
    chunks = scan(BytesIO(data), len(data)).chunks
    place = chunks[1].chunk_start_offset
    data[place + 1 : place + 60] = b"\xff" * 59
    contents, repaired = _repaired(bytes(data))
    assert [i for _, i, _ in _messages(repaired)] == [*range(10), *range(20, 30)]
    assert [loss.messages for loss in contents.losses] == [{"channel 2": 10}]
    summary = make_reader(BytesIO(repaired)).get_summary()
    assert [index.name for index in summary.attachment_indexes] == ["notes"]


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
