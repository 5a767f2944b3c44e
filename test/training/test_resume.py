import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mivla_ros.model.checkpoint import load_checkpoint
from mivla_ros.training.errors import TrainingError
from mivla_ros.training.trainer import train
from test.training.small import OPTIONS, job

PROGRAM = Path(__file__).parent / "small.py"


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def losses(out: Path) -> list[tuple[int, float]]:
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [(row["step"], row["loss"]) for row in rows if row["kind"] == "train"]


def test_a_killed_run_goes_on_with_the_same_losses(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(job(), OPTIONS, whole, show=False)
    command = [sys.executable, "-m", "test.training.small", "killed", str(killed), "5"]
    died = subprocess.run(command, cwd=PROGRAM.parents[2], timeout=300)
    assert died.returncode == -signal.SIGKILL
    assert [step for step, _ in losses(killed)] == [0, 1, 2, 3, 4]
    train(job(), OPTIONS, killed, show=False)
    assert losses(killed) == losses(whole)
    ours, theirs = (load_checkpoint(out / "last").network.state_dict() for out in (killed, whole))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert not [file for file in killed.rglob("*") if file.suffix in (".pt", ".pth", ".pkl", ".bin")]


def test_a_run_is_not_gone_on_with_other_options_or_data(tmp_path):
    train(job(), replace(OPTIONS, steps=2), tmp_path, show=False)
    with pytest.raises(TrainingError, match=r"rate: is 0\.01"):
        train(job(), replace(OPTIONS, steps=2, rate=0.01), tmp_path, show=False)
    other = job()
    with pytest.raises(TrainingError, match="data"):
        train(replace(other, training=other.training[:2]), replace(OPTIONS, steps=2), tmp_path, show=False)
