"""`mivla episodes`: what each command prints and writes; a second run does nothing; one fault is one line."""

import json
import shutil
from pathlib import Path

import cv2
import pytest

from mivla_ros.commands.main import main
from mivla_ros.episodes.episode_bag import EpisodeBag
from mivla_ros.episodes.video_file import VideoFile
from mivla_ros.robots.profile import load_profile
from test.episodes.recordings import START_NS, joints_at, picture, write_egodex, write_piper_bag


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("episodes")
    for i in range(3):
        write_piper_bag(folder / f"bags/{i}", seconds=1.5, instruction=f"task {i}")
    write_egodex(folder / "ego/0.hdf5", frames=45)
    return folder


def _json(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out)


def test_list_names_every_episode_and_every_broken_file(folder: Path, tmp_path: Path, capsys) -> None:
    assert main(["episodes", "list", str(folder), "--json"]) == 0
    rows = _json(capsys)["episodes"]
    assert [row["format"] for row in rows] == ["bag"] * 3 + ["egodex"]
    shutil.copytree(folder / "bags/0", tmp_path / "0")
    file = next((tmp_path / "0").glob("*.mcap"))
    file.write_bytes(file.read_bytes()[:-50])
    assert main(["episodes", "list", str(tmp_path)]) == 1
    assert "not finished" in capsys.readouterr().err


def test_show_draws_a_contact_sheet(folder: Path, tmp_path: Path, capsys) -> None:
    for path in ("bags/1", "ego/0.hdf5"):
        sheet = tmp_path / f"{Path(path).stem}.png"
        assert main(["episodes", "show", str(folder / path), "--sheet", str(sheet), "--json"]) == 0
        assert _json(capsys)["sheet"] == str(sheet)
        assert cv2.imread(str(sheet)).shape[1] > 800


def test_audit_finds_nothing_wrong_with_good_ones_and_names_what_is(folder: Path, tmp_path: Path, capsys) -> None:
    assert main(["episodes", "audit", str(folder / "bags"), "--workers", "1", "--json"]) == 0
    assert all(one["good"] for one in _json(capsys)["episodes"])
    write_piper_bag(tmp_path / "silent", seconds=1.5, instruction="", label="")
    write_piper_bag(tmp_path / "short", seconds=0.4)
    assert main(["episodes", "audit", str(tmp_path), "--workers", "1"]) == 1
    printed = capsys.readouterr().out
    assert "instruction: nobody said" in printed
    assert "length: 0.3" in printed or "length: 0.4" in printed
    assert "2 bad" in printed


def test_audit_says_where_episodes_of_one_robot_have_other_rates(folder: Path, tmp_path: Path, capsys) -> None:
    shutil.copytree(folder / "bags/0", tmp_path / "at_15")
    profile = load_profile("piper")
    with EpisodeBag(tmp_path / "at_10", profile, "x", "success") as bag:
        for i in range(151):
            bag.add_joints(START_NS + i * 10_000_000, profile.joint_names, joints_at(i / 100).tolist())
        for i in range(15):
            for camera in profile.cameras:
                bag.add_rgb(camera.name, START_NS + i * 100_000_000, picture(i))
    main(["episodes", "audit", str(tmp_path), "--workers", "1", "--json"])
    said = _json(capsys)["mixed_rates"]
    assert said == [f"piper {camera.name}: [10.0, 15.0] Hz" for camera in profile.cameras]


def test_audit_finds_a_flipped_bit_that_no_reader_sees(folder: Path, tmp_path: Path, capsys) -> None:
    shutil.copytree(folder / "bags/0", tmp_path / "0")
    file = next((tmp_path / "0").glob("*.mcap"))
    data = bytearray(file.read_bytes())
    data[data.rindex(b"\xff\xd9") - 200] ^= 4  # in a picture
    file.write_bytes(data)
    assert main(["episodes", "audit", str(tmp_path), "--workers", "1"]) == 1
    assert "0.mcap: is damaged" in capsys.readouterr().out
    assert main(["episodes", "repair", str(tmp_path)]) == 0
    assert "messages lost" in capsys.readouterr().out


def test_convert_goes_on_where_it_stopped_and_then_does_nothing(folder: Path, tmp_path: Path, capsys) -> None:
    command = ["episodes", "convert", str(folder / "bags"), "--to", "lerobot", "--out", str(tmp_path / "set"), "--json"]
    assert main([*command, "--workers", "2"]) == 0
    assert _json(capsys) == {"written": 3, "passed_over": 0, "errors": []}
    stamps = {file: file.stat().st_mtime_ns for file in (tmp_path / "set").rglob("*") if file.is_file()}
    assert main(command) == 0
    assert _json(capsys) == {"written": 0, "passed_over": 3, "errors": []}
    assert stamps == {file: file.stat().st_mtime_ns for file in (tmp_path / "set").rglob("*") if file.is_file()}
    (tmp_path / "set/meta/parts/000001.json").unlink()  # as after a kill
    assert main([*command, "--workers", "1"]) == 0
    assert _json(capsys)["written"] == 1
    assert main(["episodes", "list", str(tmp_path / "set"), "--json"]) == 0
    assert [row["instruction"] for row in _json(capsys)["episodes"]] == ["task 0", "task 1", "task 2"]


def test_convert_to_bags_and_egodex(folder: Path, tmp_path: Path, capsys) -> None:
    for source, to, name in (("bags/0", "bag", "episode_000000"), ("ego", "egodex", "0.hdf5")):
        command = ["episodes", "convert", str(folder / source), "--to", to, "--out", str(tmp_path / to), "--json"]
        assert main([*command, "--dry-run"]) == 0
        assert not (tmp_path / to).exists()
        capsys.readouterr()
        assert main(command) == 0
        assert _json(capsys)["written"] == 1
        assert (tmp_path / to / name).exists()
        assert main(command) == 0
        assert _json(capsys) == {"written": 0, "passed_over": 1, "errors": []}
    assert main(["episodes", "convert", str(folder / "bags/0"), "--to", "egodex", "--out", str(tmp_path / "no")]) == 1
    assert "no hand" in capsys.readouterr().err


def test_statistics_are_made_anew_when_an_episode_goes(folder: Path, tmp_path: Path, capsys) -> None:
    shutil.copytree(folder / "bags", tmp_path / "bags")
    command = [
        "episodes",
        "stats",
        str(tmp_path / "bags"),
        "--out",
        str(tmp_path / "s.json"),
        "--json",
        "--workers",
        "1",
    ]
    assert main(command) == 0
    first = _json(capsys)
    assert first["read"] == 3 and set(first["statistics"]["robots"]["piper"]) == {"robot", "eef"}
    before = (tmp_path / "s.json").stat().st_mtime_ns
    assert main(command) == 0
    again = _json(capsys)
    assert again["read"] == 0 and again["statistics"] == first["statistics"]
    assert (tmp_path / "s.json").stat().st_mtime_ns == before
    shutil.rmtree(tmp_path / "bags/1")
    assert main(command) == 0
    fewer = _json(capsys)
    assert fewer["read"] == 0
    assert fewer["statistics"]["hash"] != first["statistics"]["hash"]
    assert len(fewer["statistics"]["episodes"]) == 2
    assert len(list((tmp_path / "s.parts").glob("*.npz"))) == 2


def test_play_writes_a_video_of_all_cameras(folder: Path, tmp_path: Path) -> None:
    assert main(["episodes", "play", str(folder / "bags/0"), "--out", str(tmp_path / "x.mp4"), "--height", "96"]) == 0
    video = VideoFile(tmp_path / "x.mp4", "x")
    assert video.size == (120, 256)
    assert video.count == pytest.approx(22, abs=1)
    video.close()


def test_a_path_that_is_not_there_is_one_line(capsys) -> None:
    assert main(["episodes", "list", "/nowhere"]) == 1
    assert capsys.readouterr().err.splitlines() == ["mivla: /nowhere: path: does not exist"]
