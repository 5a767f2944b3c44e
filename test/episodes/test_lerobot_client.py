"""LeRobot itself: it loads our export, trains a step on it, and what it wrote is read by us."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mivla_ros.episodes.bag_reader import read
from mivla_ros.episodes.clients import lerobot_client
from mivla_ros.episodes.formats import open_episodes
from mivla_ros.episodes.lerobot_writer import LeRobotWriter, rows_of
from test.episodes.recordings import write_piper_bag

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("MIVLA_LEROBOT_PYTHON", ROOT / ".environment/extra/lerobot/bin/python"))

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="no environment with lerobot (environment/requirements/extra/lerobot.in)"
)


def _ask(what: str, root: Path, home: Path) -> dict:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    environment |= {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [str(PYTHON), lerobot_client.__file__, what, str(root)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


def test_lerobot_loads_our_export_and_trains_a_step(tmp_path: Path) -> None:
    writer = LeRobotWriter(tmp_path / "set", 15.0)
    expected = []
    for i in range(2):
        with read(write_piper_bag(tmp_path / f"bag{i}", seconds=1.5, instruction=f"task {i}")) as episode:
            writer.write(i, episode, str(i))
            expected.append(rows_of(episode, 15.0))
    writer.finish()
    loaded = _ask("load", tmp_path / "set", tmp_path / "hf")
    assert loaded["episodes"] == 2
    assert loaded["frames"] == sum(len(rows.state) for rows in expected)
    first, last = loaded["shown"]["0"], loaded["shown"][str(loaded["frames"] - 1)]
    np.testing.assert_allclose(first["state"], expected[0].state[0], atol=1e-6)
    np.testing.assert_allclose(last["action"], expected[1].action[-1], atol=1e-6)
    assert first["task"] == "task 0" and last["task"] == "task 1"
    red, _, blue = first["left"]["observation.images.head_camera"]
    assert red > 0.5 > 0.2 > blue
    losses = _ask("train", tmp_path / "set", tmp_path / "hf")["losses"]
    assert np.isfinite(losses).all() and losses[1] < losses[0]


def test_we_read_what_lerobot_wrote(tmp_path: Path) -> None:
    assert _ask("write", tmp_path / "set", tmp_path / "hf")["frames"] == 75
    episodes = open_episodes(tmp_path / "set")
    assert [len(e) for e in episodes] == [20, 25, 30]
    assert [e.info.instruction for e in episodes] == ["task 0", "task 1", "task 0"]
    for episode in episodes:
        assert episode.info.robot == "piper" and episode.arms
        state = episode.streams["joints"].values
        np.testing.assert_allclose(state, np.arange(7) * 0.01 + np.arange(len(state))[:, None] * 0.001, atol=1e-6)
        for camera in episode.cameras.values():
            rgb = camera.rgb(7).astype(int)
            height, width = camera.size
            assert np.abs(rgb[height // 4, width // 4] - [200, 56, 0]).max() < 12
            assert np.abs(rgb[3 * height // 4, 3 * width // 4] - [0, 0, 180]).max() < 12
