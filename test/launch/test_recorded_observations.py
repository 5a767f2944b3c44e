"""What the policy saw is what the recording holds: observations read back equal those of the live node, bit for bit."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mivla_bringup", reason="needs the built ROS workspace")

from mivla_ros.action_chunk import ActionChunk
from mivla_ros.episodes.bag_reader import read
from mivla_ros.episodes.episode import Episode
from mivla_ros.episodes.observing import Observer, observation_given
from test.launch.conftest import Launch
from test.launch.keeping_policy import FOLDER

WANTED = 15


def test_observations_read_back_are_those_the_policy_was_given(
    start_launch: Callable[..., Launch], tmp_path: Path
) -> None:
    (tmp_path / "seen").mkdir()
    launch = start_launch("piper.launch.py", "seed:=1", "record:=true", f"record_folder:={tmp_path / 'recordings'}")
    launch.echo("/mivla/actions")
    command = [sys.executable, "-m", "test.launch.keeping_policy", "--ros-args", "-r", "__node:=keeping"]
    command += ["-r", "mivla/actions:=keeping/actions", "-r", "mivla/policy_status:=keeping/policy_status"]
    for name, value in (
        ("use_sim_time", "true"),
        ("robot", "piper"),
        ("policy", "keeping"),
        ("image_transport", "compressed"),
        ("require_retargeting", "false"),
        ("run_on_start", "true"),
    ):
        command += ["-p", f"{name}:={value}"]
    with (tmp_path / "keeping.log").open("wb") as log:
        keeping = subprocess.Popen(
            command,
            env=launch.environment | {FOLDER: str(tmp_path / "seen")},
            cwd=Path(__file__).parents[2],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 90
        while len(list((tmp_path / "seen").glob("*.npz"))) < WANTED:
            said = (tmp_path / "keeping.log").read_text()
            assert keeping.poll() is None and time.monotonic() < deadline, said[-3000:]
            time.sleep(0.3)
        time.sleep(0.5)  # what was seen last reaches the recorder too
    finally:
        keeping.send_signal(signal.SIGINT)
        keeping.wait(30)
    launch.interrupt()
    launch.wait(60)

    compared = 0
    for folder in sorted({file.parent for file in (tmp_path / "recordings").rglob("metadata.yaml")}):
        with read(folder) as episode:
            compared += _compare(episode, sorted((tmp_path / "seen").glob("*.npz")))
    assert compared >= WANTED - 5


def _compare(episode: Episode, seen: list[Path]) -> int:
    """Number of live observations inside an episode, all of which read back equal."""
    observer, compared = Observer(episode), 0
    for file in seen:
        with np.load(file, allow_pickle=False) as live:
            stamp, oldest = live["stamps"].tolist()
            if not episode.info.start_ns + 10**8 <= stamp <= episode.info.end_ns:
                continue
            words = str(live["instruction"])
            chunk = ActionChunk("", stamp, 1, 1, (), stamp, oldest, instruction=words)
            again = observation_given(observer, chunk)
            assert (again.stamp_ns, again.oldest_ns, again.instruction) == (stamp, oldest, words)
            assert {f"image.{name}" for name in again.images} == {k for k in live.files if k.startswith("image.")}
            for name, image in again.images.items():
                assert image.stamp_ns == int(live[f"stamp.{name}"])
                np.testing.assert_array_equal(image.rgb, live[f"image.{name}"])
            for name, arm in again.arms.items():
                given = np.concatenate([arm.joints, arm.eef, [arm.gripper]])
                assert given.tobytes() == live[f"arm.{name}"].tobytes()
            compared += 1
    return compared
