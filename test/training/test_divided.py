"""Weights divided over two processes (FSDP2 on CPUs, gloo between them), against one process with all of them."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from mivla_ros.model.checkpoint import load_checkpoint
from mivla_ros.training.errors import TrainingError
from mivla_ros.training.processes import join
from mivla_ros.training.trainer import train
from test.training.small import UNEVEN, UNEVEN_LORA, running, uneven_job


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Path:
    out = tmp_path_factory.mktemp("divided")
    with running("divided", str(out)) as both:
        train(uneven_job(), UNEVEN, out / "alone", show=False)
        train(uneven_job(), UNEVEN_LORA, out / "alone lora", show=False)
        assert both.wait(timeout=1200) == 0
    whole, killed, *others = json.loads((out / "ended.json").read_text())
    assert (whole, others) == ([0, 0], [[0, 0], [0, 0]])
    assert -signal.SIGKILL in killed and 0 not in killed
    return out


def log(out: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    shared = ("step", "loss", "joint_error_deg", "position_error_mm", "gripper_error")  # terms are one process's part
    return [{name: row[name] for name in shared if name in row} for row in rows if row["kind"] != "best"]


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(checkpoint).network.state_dict()


@pytest.mark.parametrize(("divided", "alone"), [("whole", "alone"), ("lora", "alone lora")])
def test_losses_validation_and_weights_are_those_of_one_process(trained: Path, divided: str, alone: str) -> None:
    ours, theirs = log(trained / divided), log(trained / alone)
    assert len(ours) == len(theirs) and any("joint_error_deg" in row for row in theirs)
    for row, other in zip(ours, theirs, strict=True):
        assert row == pytest.approx(other, rel=1e-3)
    found, wanted = weights(trained / divided / "last"), weights(trained / alone / "last")
    begun = uneven_job().network.state_dict()
    # a weight whose gradient is but rounding goes either way, and hardly any do
    off = sum(float((found[key] - wanted[key]).square().sum()) for key in wanted) ** 0.5
    way = sum(float((begun[key] - wanted[key]).square().sum()) for key in wanted) ** 0.5
    assert off < 0.05 * way
    assert weights(trained / divided / "best").keys() == wanted.keys()


def test_a_killed_run_goes_on_with_the_same_losses_and_weights(trained: Path) -> None:
    assert log(trained / "killed") == log(trained / "whole")
    for name in ("best", "last"):
        found, wanted = weights(trained / "killed" / name), weights(trained / "whole" / name)
        assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_one_process_goes_on_where_two_were_killed(trained: Path) -> None:
    train(uneven_job(), UNEVEN, trained / "moved", show=False)
    for row, other in zip(log(trained / "moved"), log(trained / "alone"), strict=True):
        assert row == pytest.approx(other, rel=1e-3)


def test_the_first_version_of_fsdp_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "1")
    with pytest.raises(TrainingError, match="fsdp_version: is 1, must be 2"):
        join("float32")
