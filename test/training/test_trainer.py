import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mivla_ros.model.checkpoint import load_checkpoint
from mivla_ros.training.adapting import finished_network
from mivla_ros.training.errors import TrainingError
from mivla_ros.training.options import Adaptation
from mivla_ros.training.trainer import train
from test.training.small import CONFIG, OPTIONS, job, learnable, running, write_gradients


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_training_learns_a_rule_that_holds_on_other_episodes_too(tmp_path):
    options = replace(OPTIONS, steps=90, batch=16, rate=4e-3, average=0.0, colour=0.0, validate_every=90, save_every=90)
    episodes = [learnable(number) for number in range(4)]
    result = train(replace(job(episodes), validation=[learnable(9)]), options, tmp_path, show=False)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if row["kind"] == "train"]
    held = [row for row in rows if row["kind"] == "validation"]
    assert np.mean(losses[-8:]) < 0.7 * np.mean(losses[:8])
    assert held[-1]["loss"] < 0.8 * np.mean(losses[:8])
    assert load_checkpoint(result.checkpoint).config == CONFIG
    assert (tmp_path / "curves.png").stat().st_size > 1000
    assert list((tmp_path / "tensorboard").iterdir())


def test_lora_trains_little_and_its_checkpoint_is_an_ordinary_one(tmp_path):
    made = job()
    before = {key: value.clone() for key, value in made.network.state_dict().items()}
    options = replace(OPTIONS, adaptation=Adaptation.LORA, rank=2, average=0.0, steps=4)
    train(made, options, tmp_path, show=False)
    after = load_checkpoint(tmp_path / "last").network.state_dict()
    assert after.keys() == before.keys()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert any(key.startswith("trunk.blocks") for key in changed)
    assert not any(key.startswith(("vision.", "language.")) for key in changed)
    merged = finished_network(made.network).state_dict()
    assert all(torch.equal(merged[key], after[key]) for key in after)


def test_frozen_parts_stay(tmp_path):
    made = job()
    before = {key: value.clone() for key, value in made.network.state_dict().items()}
    train(made, replace(OPTIONS, steps=2, average=0.0, frozen=("vision", "language")), tmp_path, show=False)
    after = load_checkpoint(tmp_path / "last").network.state_dict()
    same = {key for key in before if torch.equal(before[key], after[key])}
    assert {key for key in before if key.startswith(("vision.enc", "language."))} <= same
    assert any(key.startswith("trunk.") for key in before.keys() - same)


def log(out: Path, kind: str) -> list[dict]:
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [row for row in rows if row["kind"] == kind]


def test_the_best_checkpoint_is_the_one_that_succeeds_most(tmp_path):
    shares = {2: 0.2, 4: 0.9, 6: 0.4}
    made = replace(job(), rollouts=lambda folder, step: shares[step])
    options = replace(OPTIONS, steps=6, rollouts=10, rollout_every=2)
    best = train(made, options, tmp_path, show=False).best
    assert (best.success, best.step) == (0.9, 4)
    assert load_checkpoint(tmp_path / "best").manifest.notes["trained"] == "4 steps"
    assert [row["success"] for row in log(tmp_path, "rollouts")] == [0.2, 0.9, 0.4]
    assert [(row["step"], row["success"]) for row in log(tmp_path, "best")] == [(2, 0.2), (4, 0.9)]


def test_a_checkpoint_that_never_succeeds_takes_no_better_ones_place(tmp_path):
    made = replace(job(), rollouts=lambda folder, step: 0.0)
    options = replace(OPTIONS, steps=6, rollouts=10, rollout_every=3, validate_every=1, rate=0.3, warmup=0, average=0.0)
    best = train(made, options, tmp_path, show=False).best
    held = {row["step"]: row["loss"] for row in log(tmp_path, "validation")}
    assert sorted(held) == [1, 2, 3, 4, 5, 6]
    assert best.step == min(held, key=held.__getitem__) != 6, "the last is worse at such a rate"
    assert load_checkpoint(tmp_path / "best").manifest.notes["trained"] == f"{best.step} steps"


def test_rollouts_choose_where_there_is_nothing_to_validate_on(tmp_path):
    shares = {2: 0.5, 4: 0.0}
    made = replace(job(), validation=[], rollouts=lambda folder, step: shares[step])
    best = train(made, replace(OPTIONS, steps=4, rollouts=2, rollout_every=2), tmp_path, show=False).best
    assert (best.success, best.step, best.loss) == (0.5, 2, None)


def test_a_value_that_is_not_finite_is_named_by_its_episode(tmp_path):
    made = job()
    made.training[0].actions[...] = np.nan
    with pytest.raises(TrainingError, match="made up 0: actions of sample"):
        train(made, OPTIONS, tmp_path, show=False)


def test_running_out_of_memory_is_one_clear_error(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr("mivla_ros.training.trainer._step", full)
    with pytest.raises(TrainingError, match="memory: ran out at step 0 with --batch 4"):
        train(job(), OPTIONS, tmp_path, show=False)


def test_two_processes_give_the_gradients_of_one_with_the_whole_batch(tmp_path):
    shared_file, alone_file = tmp_path / "two.safetensors", tmp_path / "one.safetensors"
    with running("gradients", str(shared_file)) as both:
        write_gradients(alone_file)
        assert both.wait(timeout=1200) == 0
    alone, shared = load_file(alone_file), load_file(shared_file)
    assert alone.keys() == shared.keys()
    assert any(value.abs().max() > 1e-3 for key, value in alone.items() if key != "loss")
    for key, value in alone.items():
        torch.testing.assert_close(shared[key], value, rtol=1e-4, atol=1e-6, msg=lambda text, key=key: f"{key}: {text}")
