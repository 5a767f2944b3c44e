"""Observations read back equal, bit for bit, those a live synchroniser gave, also where joints came too late for it."""

from pathlib import Path

import numpy as np
import pytest

from mivla_ros.action_chunk import ActionChunk
from mivla_ros.episodes.bag_reader import eef_pose_of, read
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.observing import Observer, observation_given
from mivla_ros.observation import Observation
from mivla_ros.observations import Synchroniser
from mivla_ros.observations.compressed_image import rgb_from_compressed
from mivla_ros.robots.profile import load_profile
from test.episodes.recordings import write_piper_bag


@pytest.mark.parametrize("late_ns", [-15_000_000, 0, 7_000_000, 23_000_000])
def test_what_was_seen_live_is_found_again(tmp_path: Path, late_ns: int) -> None:
    profile = load_profile("piper")
    with read(write_piper_bag(tmp_path / "bag", seconds=1.0)) as episode:
        observer, joints = Observer(episode), episode.streams["joints"]
        live = Synchroniser(profile.arms, profile.cameras, eef_pose_of(profile))
        row, compared = 0, 0
        for index in range(2, len(episode)):
            stamp = int(episode.frame_stamps_ns[index])
            while row < len(joints) and joints.stamps_ns[row] <= stamp - late_ns:
                live.add_joints(int(joints.stamps_ns[row]), joints.columns, joints.values[row].tolist())
                row += 1
            for name, camera in episode.cameras.items():
                data = camera.encoded(index)
                assert data is not None
                live.add_image(name, stamp, rgb_from_compressed(data), camera.frame_id)
            given = live.observe(stamp + 30_000_000, "move the bottle")
            assert isinstance(given, Observation)
            chunk = ActionChunk("", stamp, 1, 1, (), given.stamp_ns, given.oldest_ns, instruction="move the bottle")
            again = observation_given(observer, chunk)
            assert (again.stamp_ns, again.oldest_ns) == (given.stamp_ns, given.oldest_ns)
            for name, image in given.images.items():
                np.testing.assert_array_equal(again.images[name].rgb, image.rgb)
            for name, arm in given.arms.items():
                assert again.arms[name].joints.tobytes() == arm.joints.tobytes()
                assert again.arms[name].eef.tobytes() == arm.eef.tobytes()
                assert again.arms[name].gripper == arm.gripper
            compared += 1
        assert compared > 8


def test_an_observation_the_recording_cannot_give_is_refused(tmp_path: Path) -> None:
    with read(write_piper_bag(tmp_path / "bag", seconds=0.6)) as episode:
        stamp = int(episode.frame_stamps_ns[4])
        chunk = ActionChunk("", stamp, 1, 1, (), stamp, stamp - 123_456_789, instruction="x")
        with pytest.raises(EpisodeError, match="no observation"):
            observation_given(Observer(episode), chunk)
