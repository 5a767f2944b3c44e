"""Episodes become samples: the observation and what was commanded after it, in the unified 76 values."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from mivla_ros import action_space
from mivla_ros.episodes.bag_reader import read
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.training_samples import SampleOptions, TrainingSamples
from mivla_ros.episodes.unified import ActionSource
from test.episodes.recordings import START_NS, joints_at, write_piper_bag


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("bags")
    return [write_piper_bag(folder / str(i), seconds=2.0 + i, instruction=f"task {i}") for i in range(2)]


def test_a_sample_holds_what_was_commanded_after_the_observation(bags: list[Path]) -> None:
    samples = TrainingSamples([read(bag) for bag in bags], SampleOptions(chunk=4, step_seconds=0.1))
    assert len(samples) == sum(len(s) for s in samples.stamps)
    sample = samples[7]
    assert sample.observation.instruction == "task 0"
    assert sample.embodiment == "robot" and sample.robot == "piper"
    arm = action_space.arm_slice("right")
    seconds = (samples.place(7)[1] - START_NS) / 1e9 + 0.1 * np.arange(1, 5)
    np.testing.assert_allclose(sample.actions[:, arm][:, :6], joints_at(seconds + 0.05)[:, :6], atol=1e-3)
    openings = joints_at(seconds + 0.05)[:, 6] / 0.1
    np.testing.assert_allclose(sample.actions[:, arm][:, 6], openings, atol=0.02)  # newest of 20 ms, not averaged
    expected = np.zeros(76, dtype=bool)
    expected[arm] = expected[action_space.pose_slice("right")] = True
    np.testing.assert_array_equal(sample.state_mask, expected)
    np.testing.assert_array_equal(sample.action_mask, np.tile(expected, (4, 1)))
    assert sample.actions[:, ~expected].max() == 0


def test_steps_beyond_the_end_hold_the_last_and_are_masked(bags: list[Path]) -> None:
    with read(bags[0]) as episode:
        samples = TrainingSamples([episode], SampleOptions(chunk=16, step_seconds=0.1))
        last = samples[len(samples) - 1]
        inside = last.action_mask.any(axis=1)
        assert inside[0] and not inside[-1]
        held = last.actions[~inside]
        np.testing.assert_array_equal(held, np.repeat(held[:1], len(held), axis=0))


def test_the_measured_future_is_an_action_too(bags: list[Path]) -> None:
    options = SampleOptions(chunk=2, step_seconds=0.1, source=ActionSource.MEASURED)
    with read(bags[0]) as episode:
        samples = TrainingSamples([episode], options)
        seconds = (samples.place(3)[1] - START_NS) / 1e9 + 0.1
        arm = action_space.arm_slice("right")
        np.testing.assert_allclose(samples[3].actions[0, arm][:6], joints_at(seconds)[:6], atol=1e-3)


def test_a_lower_rate_takes_every_third_picture(bags: list[Path]) -> None:
    with read(bags[1]) as episode:
        stamps = TrainingSamples([episode], SampleOptions(chunk=1, step_seconds=0.01, rate=5.0)).stamps[0]
        np.testing.assert_allclose(np.diff(stamps) / 1e9, 0.2, atol=1e-6)


def test_an_unknown_camera_is_refused_by_name(bags: list[Path]) -> None:
    with read(bags[0]) as episode, pytest.raises(EpisodeError, match="left_camera"):
        TrainingSamples([episode], SampleOptions(cameras=("left_camera",)))


def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="chunk is 0"):
        SampleOptions(chunk=0)
    with pytest.raises(ValueError, match="step_seconds"):
        SampleOptions(step_seconds=0)
    assert pickle.loads(pickle.dumps(SampleOptions())) == SampleOptions()
