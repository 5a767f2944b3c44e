import json
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest

pytest.importorskip("mujoco", reason="MuJoCo is not installed")

from mivla_ros.evaluation.campaign import PLAN, RESULTS, Plan, read_results
from mivla_ros.evaluation.rollout import Rollout
from mivla_ros.evaluation.smoothness import Smoothness
from mivla_ros.robots.profile import load_profile
from mivla_ros.training import selection

CHECKPOINT = Path(selection.__file__).parents[1] / "checkpoints" / "piper"


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seeds that were played; every second one succeeds."""
    seeds: list[int] = []

    def campaign(plan: Plan, folder: Path, workers: int, apart: bool) -> Iterator[None]:
        assert apart, "a policy may change the settings of the process that trains"
        folder.mkdir(parents=True, exist_ok=True)
        done = read_results(folder, plan)
        (folder / PLAN).write_text(json.dumps({"key": plan.key()}))
        still = Smoothness(**dict.fromkeys((field.name for field in fields(Smoothness)), 0.0))  # type: ignore[arg-type]
        with (folder / RESULTS).open("a") as file:
            for seed in plan.seeds:
                if ("easy", seed) not in done:
                    seeds.append(seed)
                    made = Rollout("easy", seed, seed % 2 == 0, 1.0, {}, 9.0, "", 0, 0, "", still, 1.0)
                    file.write(json.dumps(made.as_json()) + "\n")
                    yield

    monkeypatch.setattr(selection, "campaign", campaign)
    return seeds


def test_success_is_the_share_of_the_seeds_and_a_killed_run_plays_only_what_is_missing(
    played: list[int], tmp_path: Path
) -> None:
    success = selection.simulated_success(load_profile("piper"), "piper", tmp_path, 4)
    assert success is not None and success(CHECKPOINT, 20) == 0.5
    results = tmp_path / "rollouts" / "00000020" / RESULTS
    results.write_text("".join(results.read_text().splitlines(keepends=True)[:3]))
    assert success(CHECKPOINT, 20) == 0.5
    assert played == [500000, 500001, 500002, 500003, 500003]


def test_results_of_another_checkpoint_at_the_same_step_are_played_anew(played: list[int], tmp_path: Path) -> None:
    success = selection.simulated_success(load_profile("piper"), "piper", tmp_path, 2)
    assert success is not None and success(CHECKPOINT, 20) == 0.5
    plan = tmp_path / "rollouts" / "00000020" / PLAN
    plan.write_text(json.dumps({"key": "of other weights"}))
    assert success(CHECKPOINT, 20) == 0.5
    assert played == [500000, 500001] * 2


def test_there_are_no_rollouts_without_a_task() -> None:
    profile = replace(load_profile("piper"), task="")
    assert selection.simulated_success(profile, "piper", Path("nowhere"), 4) is None
