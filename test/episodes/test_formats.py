"""Every format reads as the same Episode, found by what the files hold; what we write reads back."""

import json
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from mivla_ros import action_space
from mivla_ros.episodes import egodex
from mivla_ros.episodes.bag_reader import read as read_bag
from mivla_ros.episodes.episode_bag import write_bag
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.formats import find_episodes, open_episodes
from mivla_ros.episodes.human2locoman import JOINTS
from mivla_ros.episodes.lerobot_writer import LeRobotWriter
from mivla_ros.episodes.training_samples import SampleOptions, TrainingSamples
from mivla_ros.robots.profile import load_profile
from test.episodes.recordings import picture, write_egodex, write_human2locoman, write_piper_bag, write_robotwin


def _is_red_left(rgb: np.ndarray) -> bool:
    left, right = rgb[:, : rgb.shape[1] // 4].mean((0, 1)), rgb[:, -rgb.shape[1] // 4 :].mean((0, 1))
    return bool(left[0] > 120 and left[2] < 60 and right[2] > right[0])


def test_a_folder_of_everything_is_one_collection(tmp_path: Path) -> None:
    write_piper_bag(tmp_path / "bags/one", seconds=0.5)
    write_egodex(tmp_path / "ego/pour/0.hdf5", frames=12)
    write_robotwin(tmp_path / "twin/task/clean/data/episode0.hdf5", "legacy", frames=8)
    write_robotwin(tmp_path / "new/clean/task/aloha_agilex/data/episode_0000000.hdf5", "new", frames=8)
    write_human2locoman(tmp_path / "h2l/0.hdf5", "locoman", frames=8)
    episodes = open_episodes(tmp_path)
    assert sorted(e.info.format for e in episodes) == sorted(
        ["bag", "egodex", "robotwin", "robotwin_2026", "human2locoman"]
    )
    for episode in episodes:
        for camera in episode.cameras.values():
            assert _is_red_left(camera.rgb(1)), f"{episode.info.format} {camera.name}: red and blue are swapped"
            assert camera.rgb(1).shape[:2] == camera.size
        for name in episode.streams:
            assert len(episode.streams[name].units) == len(episode.streams[name].columns)


def test_egodex_hands_come_as_the_unified_values(tmp_path: Path) -> None:
    path = write_egodex(tmp_path / "0.hdf5", frames=20)
    with egodex.read(path) as episode, h5py.File(path) as file:
        assert episode.info.instruction == "pour water"
        rows = episode.streams["hand.left"].values
        wrist = file["transforms/leftHand"][3]
        np.testing.assert_allclose(rows[3, :3], wrist[:3, 3])
        np.testing.assert_allclose(rows[3, 3:9], np.concatenate([wrist[:3, 0], wrist[:3, 1]]), atol=1e-6)
        np.testing.assert_allclose(rows[3, 21:24], file["transforms/leftLittleFingerTip"][3, :3, 3])
        options = SampleOptions(chunk=16, step_seconds=0.1, first_step_seconds=1 / 30)
        sample = TrainingSamples([episode], options)[0]
        assert sample.embodiment == "human"
        assert sample.state_mask[action_space.HUMAN].all() and not sample.state_mask[48:].any()
        np.testing.assert_allclose(sample.actions[1, :24], rows[4], atol=1e-6)  # frames 1, 4, 7 ... as H-RDT
        assert sample.thumb_knuckles["right"].shape == (17, 7)


def test_egodex_written_from_an_episode_reads_back(tmp_path: Path) -> None:
    with egodex.read(write_egodex(tmp_path / "a/0.hdf5", frames=20)) as episode:
        egodex.write(episode, tmp_path / "b/0.hdf5")
        with egodex.read(tmp_path / "b/0.hdf5") as again:
            assert len(again) == len(episode)
            for name in ("hand.left", "hand.right", "head", "thumb_knuckle.left"):
                np.testing.assert_allclose(again.streams[name].values, episode.streams[name].values, atol=2e-6)
            assert _is_red_left(again.cameras["head_camera"].rgb(5))
            assert again.info.instructions == episode.info.instructions


def test_robotwin_actions_of_2026_are_the_next_frame(tmp_path: Path) -> None:
    path = write_robotwin(tmp_path / "clean/task/x5/data/episode_0000000.hdf5", "new", frames=8)
    episode = open_episodes(path)[0]
    joints, commands = episode.streams["joints"], episode.streams["commands"]
    np.testing.assert_array_equal(commands.values[:-1], joints.values[1:])
    np.testing.assert_array_equal(commands.stamps_ns[:-1], joints.stamps_ns[1:])
    assert episode.info.instruction == "stack the blocks"
    sample = TrainingSamples([episode], SampleOptions(chunk=2, step_seconds=1 / 15))[0]
    assert sample.state_mask[action_space.ROBOT].all() and sample.state_mask[action_space.EEF].all()
    np.testing.assert_allclose(sample.actions[0, action_space.ROBOT], sample.actions[0, action_space.ROBOT])
    np.testing.assert_allclose(sample.actions[0, action_space.arm_slice("left")], joints.values[1, :7], atol=1e-6)


def test_locoman_pairs_are_right_first_in_the_file_and_by_name_here(tmp_path: Path) -> None:
    path = write_human2locoman(tmp_path / "0.hdf5", "locoman", frames=8)
    episode = open_episodes(path)[0]
    with h5py.File(path) as file:
        right = file["observations/proprioceptions/eef"][2, :3]
        np.testing.assert_allclose(episode.streams["eef.right"].values[2, :3], right)
    assert episode.arms[0].joints == JOINTS[:6]
    sample = TrainingSamples([episode], SampleOptions(chunk=2, step_seconds=1 / 60))[0]
    np.testing.assert_allclose(sample.state[action_space.arm_slice("right")][6], 0.5, atol=1e-6)
    human = open_episodes(write_human2locoman(tmp_path / "h/1.hdf5", "human", frames=8))[0]
    mask = TrainingSamples([human], SampleOptions(chunk=1, step_seconds=1 / 60))[0].state_mask
    assert mask[action_space.EEF].all() and not mask[action_space.arm_slice("left")][:6].any()


def test_a_bag_becomes_a_lerobot_set_and_comes_back(tmp_path: Path) -> None:
    bags = [write_piper_bag(tmp_path / f"bags/{i}", seconds=1.0 + i, instruction=f"task {i}") for i in range(2)]
    writer = LeRobotWriter(tmp_path / "set", 15.0, "piper")
    for i, bag in enumerate(bags):
        with read_bag(bag) as episode:
            writer.write(i, episode, str(bag))
    assert writer.finish() == 2
    assert writer.is_written(1, str(bags[1])) and not writer.is_written(1, "other")
    episodes = open_episodes(tmp_path / "set")
    assert [e.info.instruction for e in episodes] == ["task 0", "task 1"]
    with read_bag(bags[1]) as original:
        again = episodes[1]
        assert again.info.robot == "piper" and again.info.label == "success"
        assert again.streams["joints"].units == original.streams["joints"].units
        before = TrainingSamples([original], SampleOptions(chunk=2, step_seconds=1 / 15))
        after = TrainingSamples([again], SampleOptions(chunk=2, step_seconds=1 / 15))
        np.testing.assert_allclose(after[3].state, before[3].state, atol=1e-5)
        np.testing.assert_allclose(after[3].actions[0], before[3].actions[0], atol=2e-2)
        rgb = after[3].observation.images["head_camera"].rgb
        assert _is_red_left(rgb)
        assert np.abs(rgb.astype(int) - picture(3).astype(int)).mean() < 6
        write_bag(again, tmp_path / "bag_again", load_profile("piper"))
    with read_bag(tmp_path / "bag_again") as bag:
        np.testing.assert_array_equal(bag.streams["joints"].values, again.streams["joints"].values)


def _put(file: h5py.File, key: str, values: np.ndarray) -> None:
    group = key if key in file else key.rpartition("/")[0]
    del file[group]
    file[key] = values


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f["transforms/leftHand"].__setitem__((4, 0, 3), np.nan), r"transforms/leftHand\[4\].*NaN"),
        (lambda f: f["transforms/leftHand"].__setitem__((slice(None), slice(0, 3), 3), 1200.0), "metres are expected"),
        (lambda f: f.__delitem__("transforms/rightThumbTip"), "rightThumbTip: is missing"),
        (lambda f: f["transforms/camera"].__setitem__((2, slice(0, 3), slice(0, 3)), 0.0), r"camera\[2\].*rigid"),
        (
            lambda f: _put(f, "transforms/rightHand", np.zeros((12, 3, 4))),
            r"shape \(12, 3, 4\).*12, 4, 4",
        ),
        (lambda f: _put(f, "transforms/camera", np.zeros((0, 4, 4))), r"camera: has 0 rows \(limit: 1 to"),
        (lambda f: _put(f, "transforms/leftHand", np.tile(np.eye(4), (6, 1, 1))), r"leftHand: has shape \(6, 4, 4\)"),
        (lambda f: _put(f, "transforms/leftHand/x", np.zeros(1)), r"leftHand: is a group \(limit: a data set"),
    ],
    ids=["NaN", "millimetres", "missing joint", "no rotation", "wrong shape", "no rows", "another rate", "group"],
)
def test_what_is_wrong_is_named_with_file_key_and_row(tmp_path: Path, change, words: str) -> None:
    path = write_egodex(tmp_path / "0.hdf5", frames=12)
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(EpisodeError, match=words) as caught, egodex.read(path) as episode:
        for name in episode.streams:
            len(episode.streams[name])
    assert str(path) in str(caught.value)


def test_degrees_are_refused_where_radians_are_meant(tmp_path: Path) -> None:
    path = write_robotwin(tmp_path / "task/clean/data/episode0.hdf5", "legacy", frames=8)
    with h5py.File(path, "r+") as file:
        file["joint_action/left_arm"][3] = 90.0
    with pytest.raises(EpisodeError, match=r"left_arm\[3\].*rad"):
        open_episodes(path)[0]


def test_files_of_no_known_format_are_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["something"] = np.zeros(3)
    (tmp_path / "empty.mcap").write_bytes(b"")
    assert any(isinstance(e, EpisodeError) and "no format known" in str(e) for e in find_episodes(tmp_path))
    with pytest.raises(EpisodeError, match=r"empty.mcap.*0 bytes"):
        open_episodes(tmp_path / "empty.mcap")[0]
    with pytest.raises(EpisodeError, match="does not exist"):
        open_episodes(tmp_path / "nowhere")


def test_a_lerobot_set_of_another_version_or_path_is_refused(tmp_path: Path) -> None:
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/info.json").write_text(json.dumps({"codebase_version": "v2.1"}))
    with pytest.raises(EpisodeError, match=r"v2.1.*v3.x"):
        open_episodes(tmp_path)


def test_a_picture_that_opencv_wrote_and_one_of_ours_decode_alike() -> None:
    from mivla_ros.observations.compressed_image import rgb_from_compressed

    rgb = picture(2, 120, 160)
    ok, data = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    assert ok
    np.testing.assert_array_equal(rgb_from_compressed(data.tobytes()), rgb)
