import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mivla_ros.ablation.plan import AblationPlan
from mivla_ros.ablation.report import write_report
from mivla_ros.ablation.results import compare, interval, read_results
from mivla_ros.ablation.steps import runs_of
from mivla_ros.evaluation.campaign import Plan
from mivla_ros.evaluation.rollout import Rollout
from mivla_ros.evaluation.smoothness import Smoothness

PLAN = AblationPlan(
    robots=("piper", "arx_x5"), modes=("human", "both"), training_seeds=(0, 1, 2), demonstrations=(5, 30), episodes=12
)
STILL = Smoothness(0, 0.0, 0.0, 0.0, 0.0, 0.0)


def rates(*shares: float, scenes: int = 40) -> dict[int, np.ndarray]:
    return {seed: (np.arange(scenes) < round(share * scenes)).astype(float) for seed, share in enumerate(shares)}


def test_a_clear_gain_is_shown_a_clear_loss_contradicted_and_the_rest_open() -> None:
    assert compare(rates(0.8, 0.9, 0.85), rates(0.2, 0.3, 0.25))[2] == "shown"
    assert compare(rates(0.2, 0.3, 0.25), rates(0.8, 0.9, 0.85))[2] == "contradicted"
    assert compare(rates(0.5, 0.6, 0.1), rates(0.5, 0.2, 0.5))[2] == "open"
    assert compare(rates(0.5, 0.6), {})[2] == "untested"
    # better, but by less than what is claimed
    assert compare(rates(0.9, 0.9, 0.9, scenes=400), rates(0.85, 0.85, 0.85, scenes=400), 0.25)[2] == "contradicted"


def test_nothing_against_nothing_is_open_and_something_against_nothing_is_without_bound() -> None:
    difference, relative, verdict = compare(rates(0.0, 0.0, 0.0), rates(0.0, 0.0, 0.0), 0.25)
    assert (difference.mean, relative.mean, verdict) == (0.0, 0.0, "open")
    difference, relative, verdict = compare(rates(0.5, 0.6, 0.5), rates(0.0, 0.0, 0.0))
    assert verdict == "shown" and relative.mean == np.inf


def test_next_to_nothing_contradicts_nothing() -> None:
    relative, verdict = compare(rates(0.0, 0.0, 0.0), rates(0.025, 0.0, 0.0), 0.25)[1:]
    assert (relative.lower, relative.upper, verdict) == (-1.0, np.inf, "open")


def test_two_training_seeds_decide_nothing() -> None:
    assert compare(rates(0.8, 0.9), rates(0.2, 0.3))[2] == "open"
    assert compare(rates(0.8, 0.9, 0.9), rates(0.2, 0.3, 0.2))[2] == "shown"


def test_few_training_seeds_that_disagree_widen_the_interval() -> None:
    together, apart = interval(rates(0.5, 0.5, 0.5)), interval(rates(0.1, 0.5, 0.9))
    assert together.mean == pytest.approx(apart.mean)
    assert apart.upper - apart.lower > 1.5 * (together.upper - together.lower)


def test_where_nothing_was_done_the_rate_may_still_be_above_nothing() -> None:
    found = interval(rates(0.0, 0.0, 0.0, scenes=4))
    assert (found.mean, found.lower) == (0.0, 0.0)
    assert 0.2 < found.upper < 0.3


@given(st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=4, max_size=4), min_size=1, max_size=4))
def test_the_mean_lies_in_its_interval(rows: list[list[float]]) -> None:
    values = {seed: np.array(row) for seed, row in enumerate(rows)}
    found = interval(values)
    assert found.lower <= found.mean + 1e-9 and found.mean <= found.upper + 1e-9
    assert found.lower >= 0 and found.upper <= 1 and found.count == 4 * len(rows)


def played(out: Path, plan: AblationPlan, wins: dict[str, int]) -> None:
    for run in runs_of(plan):
        folder = out / "evaluated" / run.name
        folder.mkdir(parents=True)
        known = Plan(run.robot, "mivla", {"checkpoint": run.name}, seeds=tuple(range(plan.episodes)))
        (folder / "plan.json").write_text(json.dumps({"key": known.key(), **vars(known)}))
        lines = [
            Rollout("easy", seed, seed < wins[run.mode], 1.0 if seed < wins[run.mode] else 0.25, {}, 9.0, "", 0, 0, "",
                    STILL, 1.0, "").as_json()
            for seed in range(plan.episodes)
        ]  # fmt: skip
        (folder / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        log = out / "finetuned" / run.name / "log.jsonl"
        log.parent.mkdir(parents=True)
        error = 5.0 if run.mode == "human" else 4.0
        rows = [{"step": step, "kind": "validation", "joint_error_deg": error + 9 - step} for step in (1, 9)]
        log.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_report_says_of_each_claim_whether_it_was_shown(tmp_path: Path) -> None:
    played(tmp_path, PLAN, {"human": 3, "both": 9})
    results = read_results(PLAN, tmp_path)
    assert len(results) == 24
    text = write_report(PLAN, results, tmp_path)
    assert "| 30 | piper | both | 3 | 75 (" in text
    assert "| 5 | all | human | 3 | 25 (" in text
    assert "both > human by 25 % | 30 | all | 50 (" in text and "| shown |" in text
    assert "| both < human | 30 | all | 6 of 6 | -20 | shown |" in text
    assert "| both < human | 30 | piper | 3 of 3 | -20 | open |" in text, "three of three may be chance"
    assert "scratch" not in text
    assert text == (tmp_path / "report.md").read_text()
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["runs"][0] | {"error": 5.0, "episodes": 12, "seconds": 9.0} == data["runs"][0]
    assert (tmp_path / "report.png").stat().st_size > 10_000


def test_an_evaluation_that_is_not_whole_is_left_out(tmp_path: Path) -> None:
    played(tmp_path, PLAN, {"human": 3, "both": 9})
    file = tmp_path / "evaluated" / runs_of(PLAN)[0].name / "results.jsonl"
    file.write_text("\n".join(file.read_text().splitlines()[:-1]) + "\n")
    assert len(read_results(PLAN, tmp_path)) == 23
