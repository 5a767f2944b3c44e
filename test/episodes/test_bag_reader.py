"""A bag reads back as one episode: joints by name, pictures in true colours, everything by capture stamp."""

from pathlib import Path

import numpy as np
import pytest

from mivla_ros.episodes.bag_reader import read
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.observing import Observer
from mivla_ros.kinematics import chain_from_urdf, forward_kinematics
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile
from test.episodes.recordings import START_NS, joints_at, picture, write_piper_bag


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_piper_bag(tmp_path_factory.mktemp("bags") / "one")


def test_the_episode_says_what_it_is(bag: Path) -> None:
    with read(bag) as episode:
        assert episode.info.robot == "piper"
        assert episode.info.instruction == "move the bottle"
        assert episode.info.label == "success"
        assert episode.info.rate == pytest.approx(15, rel=1e-6)
        assert len(episode) == 30
        assert set(episode.cameras) == {"head_camera", "wrist_camera"}


def test_joints_come_by_name_and_commands_by_due_time(bag: Path) -> None:
    with read(bag) as episode:
        joints, commands = episode.streams["joints"], episode.streams["commands"]
        assert joints.columns == load_profile("piper").joint_names
        assert joints.units == ("rad",) * 6 + ("m",)
        np.testing.assert_array_equal(joints.values, joints_at(np.arange(201) / 100))
        np.testing.assert_array_equal(commands.stamps_ns, START_NS + 20_000_000 * np.arange(101))


def test_pictures_keep_red_left_and_blue_right(bag: Path) -> None:
    with read(bag) as episode:
        camera = episode.cameras["head_camera"]
        rgb = camera.rgb(3)
        assert rgb.shape == (48, 64, 3)
        assert np.abs(rgb.astype(int) - picture(3).astype(int)).mean() < 3
        assert camera.rgb(3, at_least=(20, 20)).shape == (24, 32, 3)
        with pytest.raises(EpisodeError, match="no such picture"):
            camera.rgb(30)


def test_an_observation_holds_joints_between_samples_and_the_pose_of_the_tool(bag: Path) -> None:
    profile = load_profile("piper")
    chain = chain_from_urdf(robot_description(profile), profile.arms[0].base_frame, profile.arms[0].eef_frame)
    with read(bag) as episode:
        observer = Observer(episode)
        stamps = observer.stamps()
        assert len(stamps) == 30
        observation = observer.at(int(stamps[10]))
        joints = observation.arms["arm"].joints
        seconds = (int(stamps[10]) - START_NS) / 1e9
        np.testing.assert_allclose(joints, joints_at(seconds)[:6], atol=1e-4)
        np.testing.assert_array_equal(observation.arms["arm"].eef, forward_kinematics(chain, joints))
        assert observation.arms["arm"].gripper == pytest.approx(joints_at(seconds)[6] / 0.1, abs=1e-3)
        assert {image.stamp_ns for image in observation.images.values()} == {int(stamps[10])}


def test_a_bag_that_names_no_robot_asks_for_one(tmp_path: Path) -> None:
    folder = write_piper_bag(tmp_path / "bag", seconds=0.5)
    file = folder / "metadata.yaml"
    file.write_text(file.read_text("utf-8").replace("robot: piper", "robot: ''"), "utf-8")
    with pytest.raises(EpisodeError, match="which robot"):
        read(folder)
    with read(folder, robot="piper") as episode:
        assert episode.info.robot == "piper"


@pytest.mark.parametrize(("jump", "refused"), [(-0.02, False), (-20.0, True)])
def test_messages_may_overtake_each_other_but_no_clock_is_set_back(tmp_path: Path, jump: float, refused: bool) -> None:
    from mivla_ros.episodes.episode_bag import EpisodeBag

    profile = load_profile("piper")
    with EpisodeBag(tmp_path / "bag", profile, "x") as bag:
        for i in range(100):
            log_ns = START_NS + i * 10_000_000
            stamp = log_ns + (round(jump * 1e9) if i in (60, 61) else 0)
            bag.add_joints(stamp, profile.joint_names, joints_at(i / 100).tolist(), log_ns=log_ns)
    with read(tmp_path / "bag") as episode:
        if refused:
            with pytest.raises(EpisodeError, match=r"/joint_states\[60\]: stamp lies 19.990 s behind .*limit: 0.5 s"):
                len(episode.streams["joints"])
        else:
            assert (np.diff(episode.streams["joints"].stamps_ns) >= 0).all()


def test_a_gap_in_the_joints_takes_its_moments_away(tmp_path: Path) -> None:
    from mivla_ros.episodes.episode_bag import EpisodeBag

    profile = load_profile("piper")
    with EpisodeBag(tmp_path / "bag", profile, "x") as bag:
        for i in range(200):
            if not 50 <= i < 100:  # half a second of silence
                bag.add_joints(START_NS + i * 10_000_000, profile.joint_names, joints_at(i / 100).tolist())
        for i in range(30):
            for camera in profile.cameras:
                bag.add_rgb(camera.name, START_NS + round(i * 1e9 / 15), picture(i))
    with read(tmp_path / "bag") as episode:
        observer = Observer(episode)
        seconds = (observer.stamps() - START_NS) / 1e9
        assert not ((seconds > 0.5) & (seconds < 0.99)).any()
        assert len(seconds) == 22 or len(seconds) == 23
        with pytest.raises(EpisodeError, match="stream skew"):
            observer.at(START_NS + 700_000_000)
