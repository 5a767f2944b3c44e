"""A recorded episode played again: joints from where the robot is, chunks as they were."""

from pathlib import Path

import numpy as np
import pytest

from mivla_ros.action_chunk import ActionChunk, ArmActions, Space
from mivla_ros.episodes.bag_reader import read
from mivla_ros.episodes.episode import Stream
from mivla_ros.episodes.episode_bag import EpisodeBag
from mivla_ros.episodes.lerobot_writer import LeRobotWriter
from mivla_ros.observation import ArmState, Observation
from mivla_ros.policies.policy import Actions, PolicyError, Progress
from mivla_ros.policies.replay import ReplayOptions, ReplayPolicy, check_units
from mivla_ros.robots.profile import load_profile
from test.episodes.recordings import write_robotwin

PROFILE = load_profile("piper")
ARM = PROFILE.arms[0]
START_NS, RATE = 10_000_000_000, 20
TIMES = np.arange(0, 2.0001, 1 / RATE)
FIRST = np.array([0.1, 1.2, -1.0, 0.0, 0.8, 0.0])
ROWS = FIRST + 0.3 * np.sin(TIMES)[:, None]
WIDTHS = np.linspace(0.1, 0.0, len(TIMES))
POSE = np.tile([0.3, 0.0, 0.2, 1.0, 0, 0, 0], (8, 1))


def record(folder: Path, chunks: int = 5) -> str:
    with EpisodeBag(folder / "episode", PROFILE, "fold") as bag:
        for time, row, width in zip(TIMES, ROWS, WIDTHS, strict=True):
            stamp = START_NS + round(time * 1e9)
            bag.add_commands(stamp, PROFILE.joint_names, [*row, width])
            bag.add_joints(stamp, PROFILE.joint_names, [*(row - 0.01), width])
        for k in range(chunks):
            seen = START_NS + k * 200_000_000
            eef = POSE + np.array([0.01 * k, 0, 0, 0, 0, 0, 0])
            arm = ArmActions("arm", Space.EEF, "tcp", eef=eef, gripper=np.full(8, 0.5))
            bag.add_chunk(
                ActionChunk(
                    "base_link", seen + 20_000_000, 50_000_000, 8, (arm,), seen, seen, seen, seen + 1, sequence=k + 1
                )
            )
    return str(folder / "episode")


@pytest.fixture(scope="module")
def episode(tmp_path_factory: pytest.TempPathFactory) -> str:
    return record(tmp_path_factory.mktemp("bag"))


def seen(time: float, joints: np.ndarray = FIRST, gripper: float = 1.0) -> Observation:
    stamp = 77_000_000_000 + round(time * 1e9)
    return Observation(stamp, stamp, {}, {"arm": ArmState(joints, POSE[0], gripper)}, "")


def played(policy: ReplayPolicy, start: np.ndarray, seconds: float) -> tuple[np.ndarray, np.ndarray, Actions]:
    """Times and joints of everything it gives, by its own clock."""
    times, rows, time = [], [], 0.0
    while True:
        actions = policy.infer(seen(time, start), Progress())
        arm = actions.arms[0]
        assert arm.joints is not None
        times += list(time + actions.first_step_seconds + actions.step_seconds * np.arange(len(arm.joints)))
        rows += list(arm.joints)
        time += 0.2
        if actions.finished or time > seconds:
            return np.array(times), np.array(rows), actions


@pytest.mark.parametrize(("source", "offset"), [("commanded", 0.0), ("measured", -0.01)])
def test_joints_are_played_in_their_own_time_from_where_they_began(episode: str, source: str, offset: float) -> None:
    policy = ReplayPolicy(PROFILE, ReplayOptions(episode, source))
    policy.reset("", 0)
    times, rows, actions = played(policy, FIRST + offset, 10)
    for joint in range(6):
        expected = np.interp(times - 0.5, TIMES, ROWS[:, joint] + offset)
        np.testing.assert_allclose(rows[:, joint], expected, atol=1e-6)
    assert actions.finished
    assert actions.arms[0].joint_names == ARM.joints
    assert actions.arms[0].gripper[-1] == pytest.approx(0.0)


def test_from_elsewhere_it_goes_smoothly_to_the_first_row(episode: str) -> None:
    policy = ReplayPolicy(PROFILE, ReplayOptions(episode))
    start = FIRST + np.array([0.5, 0, 0, 0, 0, -0.4])
    times, rows, _ = played(policy, start, 20)
    np.testing.assert_allclose(rows[0], start)
    np.testing.assert_allclose(rows[-1], ROWS[-1], atol=1e-9)
    order = np.argsort(times, kind="stable")
    speed = np.abs(np.diff(rows[order], axis=0)).max() * RATE
    assert speed < 0.51 + 0.31


def test_it_can_be_played_faster_and_again(episode: str) -> None:
    policy = ReplayPolicy(PROFILE, ReplayOptions(episode, speed=2.0, start_hold=0.0))
    for _ in range(2):
        policy.reset("", 0)
        _, rows, actions = played(policy, FIRST, 1.3)
        assert actions.finished
        np.testing.assert_allclose(rows[-1], ROWS[-1])


def test_chunks_are_played_at_their_distance_from_the_beginning(episode: str) -> None:
    policy = ReplayPolicy(PROFILE, ReplayOptions(episode, "chunks", start_hold=0.0))
    assert (policy.spec.frame_id, policy.spec.horizon, policy.spec.step_seconds) == ("base_link", 8, 0.05)
    for time, k, late in ((0.0, 0, 0.0), (0.2, 1, 0.0), (0.25, 1, 0.05), (0.81, 4, 0.01)):
        actions = policy.infer(seen(time), Progress())
        eef = actions.arms[0].eef
        assert eef is not None and eef[0, 0] == pytest.approx(0.3 + 0.01 * k)
        assert actions.first_step_seconds == pytest.approx(0.02 - late, abs=1e-6)
        assert not actions.finished
    assert policy.infer(seen(1.5), Progress()).finished


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "option path is empty"),
        ({"path": "/no/such"}, "/no/such: there is no such episode"),
        ({"source": "dreams"}, "option source is 'dreams', must be one of commanded, measured, chunks"),
        ({"speed": 0.0}, "option speed is 0"),
        ({"start_hold": -1.0}, "option start_hold is -1"),
    ],
)
def test_options_that_are_wrong_are_named(episode: str, options: dict, words: str) -> None:
    with pytest.raises(PolicyError) as error:
        ReplayPolicy(PROFILE, ReplayOptions(**{"path": episode if options else "", **options}))
    assert words in str(error.value)


def test_episodes_that_cannot_be_played_are_refused_in_one_line(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(PolicyError, match="empty"):
        ReplayPolicy(PROFILE, ReplayOptions(str(empty)))
    silent = record(tmp_path, chunks=0)
    with pytest.raises(PolicyError, match="holds no chunks"):
        ReplayPolicy(PROFILE, ReplayOptions(silent, "chunks"))
    with pytest.raises(PolicyError, match="is of robot 'piper', this is 'arx_x5'"):
        ReplayPolicy(load_profile("arx_x5"), ReplayOptions(silent))


def test_the_same_episode_as_a_lerobot_set_is_played_the_same(tmp_path: Path) -> None:
    with read(Path(record(tmp_path))) as bag:
        writer = LeRobotWriter(tmp_path / "set", RATE, "piper")
        for index in range(2):
            writer.write(index, bag, "fold")
        writer.finish()
    with pytest.raises(PolicyError, match=r"holds 2 episodes, name one: .*set#0"):
        ReplayPolicy(PROFILE, ReplayOptions(str(tmp_path / "set")))
    policy = ReplayPolicy(PROFILE, ReplayOptions(f"{tmp_path / 'set'}#1", "measured"))
    times, rows, actions = played(policy, FIRST - 0.01, 10)
    for joint in range(6):
        np.testing.assert_allclose(rows[:, joint], np.interp(times - 0.5, TIMES, ROWS[:, joint]) - 0.01, atol=1e-6)
    assert actions.finished


def test_a_joint_in_other_units_is_refused(tmp_path: Path) -> None:
    file = write_robotwin(tmp_path / "clean/data/episode0.hdf5", "legacy", frames=6)
    with pytest.raises(PolicyError, match=r"is of robot '.*', this is 'piper'"):
        ReplayPolicy(PROFILE, ReplayOptions(str(file)))
    stream = Stream("joints", np.arange(2), np.zeros((2, 1)), (ARM.gripper.joint,), ("1",))
    with pytest.raises(PolicyError, match="is in '1', must be in rad or m"):
        check_units(stream, PROFILE, file)


def test_an_observation_without_the_arm_is_refused(episode: str) -> None:
    policy = ReplayPolicy(PROFILE, ReplayOptions(episode))
    with pytest.raises(PolicyError, match="no arm 'arm'"):
        policy.infer(Observation(1, 1, {}, {}, ""), Progress())
