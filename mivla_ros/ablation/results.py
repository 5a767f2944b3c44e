"""What fine-tuned policies did, and how modes of pre-training compare: means with intervals over training seeds and
scenes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from mivla_ros.ablation.plan import AblationPlan
from mivla_ros.ablation.steps import Run, runs_of
from mivla_ros.evaluation.campaign import results_in
from mivla_ros.evaluation.intervals import LEVEL, RESAMPLES, Interval, rate_interval

Array = NDArray[np.float64]
MEASURES = ("success", "completion")
ALL = "all"  # robots
LEAST_SEEDS = 3  # of training; with fewer, one lucky run decides


@dataclass(frozen=True, eq=False)
class Result:
    """One policy's. success (episodes,) 0 or 1, completion (episodes,) share of sub-tasks, both by rising seed of the
    scene; seconds: simulated, mean of successes; error: degrees, of a joint, on demonstrations held back, at the end of
    fine-tuning (which are held back depends on the training seed, and on nothing else)."""

    run: Run
    success: Array
    completion: Array
    seconds: float
    error: float


@dataclass(frozen=True)
class Claim:
    """That one mode does better than another. least: by which share of the other's success, as the paper has it."""

    better: str
    worse: str
    least: float
    source: str


PAPER = (
    Claim("human", "scratch", 0.0, "human pre-training helps (Table 3)"),
    Claim("h2r", "human", 0.0, "people's motions turned into the robot's help (Table 3)"),
    Claim("both", "h2r", 0.0, "simulated robots' motions help besides (Table 3)"),
    Claim("both", "human", 0.25, "mutual imitation beats human pre-training by 25 % (headline)"),
)


@dataclass(frozen=True)
class Comparison:
    """difference: of the mean of a measure. relative: difference by the worse mode's mean. verdict: shown (all of the
    interval of the relative difference is at or above what is claimed, and above 0), contradicted (all of it below),
    or open, as always with fewer than three training seeds."""

    claim: Claim
    robot: str
    demonstrations: int
    measure: str
    difference: Interval
    relative: Interval
    verdict: str


@dataclass(frozen=True)
class ErrorComparison:
    """lower: pairs of runs, alike but for the mode, of which the better mode's error is the lower, of so many.
    change: of the error, mean, as a share of the worse mode's. verdict: shown or contradicted where a sign test says so
    (5 %, two-sided; fewer than six pairs cannot), else open."""

    claim: Claim
    robot: str
    demonstrations: int
    lower: int
    pairs: int
    change: float
    verdict: str


def read_results(plan: AblationPlan, out: Path) -> list[Result]:
    """Of all runs whose evaluation is whole. Raises EvaluationError for damaged files."""
    found = []
    for run in runs_of(plan):
        folder = out / "evaluated" / run.name
        if not (folder / "results.jsonl").exists():
            continue
        rollouts = sorted(
            (r for r in results_in(folder) if r.condition == plan.condition and r.seed < plan.episodes),
            key=lambda r: r.seed,
        )
        if len(rollouts) < plan.episodes:
            continue
        times = [r.seconds for r in rollouts if r.success]
        found.append(
            Result(
                run,
                np.array([float(r.success) for r in rollouts]),
                np.array([r.completion for r in rollouts]),
                float(np.mean(times)) if times else nan,
                _last_error(out / "finetuned" / run.name / "log.jsonl"),
            )
        )
    return found


def _last_error(log: Path) -> float:
    value = nan
    for line in log.read_text("utf-8").splitlines() if log.exists() else []:
        try:
            row = json.loads(line)
        except ValueError:
            break  # being written
        if row.get("kind") == "validation":
            value = float(row.get("joint_error_deg", nan))
    return value


def values_of(
    results: Sequence[Result], robot: str, demonstrations: int, mode: str, measure: str
) -> Mapping[int, Array]:
    """By training seed, the measure of each episode of a robot; of ALL of them one after the other, for those training
    seeds that all have."""
    if robot == ALL:
        robots = dict.fromkeys(r.run.robot for r in results if r.run.demonstrations == demonstrations)
        groups = [values_of(results, one, demonstrations, mode, measure) for one in robots]
        shared = set.intersection(*(set(one) for one in groups)) if groups else set()
        return {seed: np.concatenate([one[seed] for one in groups]) for seed in sorted(shared)}
    return {
        r.run.seed: getattr(r, measure)
        for r in results
        if (r.run.robot, r.run.demonstrations, r.run.mode) == (robot, demonstrations, mode)
    }


def interval(values: Mapping[int, Array]) -> Interval:
    """Mean, with a bootstrap interval that draws training seeds, and scenes of each; Wilson's where all or none was
    done, of which the bootstrap knows no spread."""
    if not values:
        return Interval(nan, nan, nan, 0)
    table = np.stack([values[key] for key in sorted(values)])
    if np.all(table == table[0, 0]) and table[0, 0] in (0.0, 1.0):
        return rate_interval(table.ravel().astype(bool).tolist())
    drawn = _drawn(table, *_choices(table.shape))
    low, high = _ends(drawn)
    return Interval(float(table.mean()), low, high, table.size)


def compare(
    better: Mapping[int, Array], worse: Mapping[int, Array], least: float = 0.0
) -> tuple[Interval, Interval, str]:
    """Difference, relative difference, verdict; on the training seeds that both have, and the same scenes.

    Both modes are drawn with the same training seeds and scenes: with equal seeds they share weights and order.
    """
    shared = sorted(better.keys() & worse.keys())
    if not shared:
        nothing = Interval(nan, nan, nan, 0)
        return nothing, nothing, "untested"
    first, second = (np.stack([one[key] for key in shared]) for one in (better, worse))
    choices = _choices(first.shape)
    mine, other = _drawn(first, *choices), _drawn(second, *choices)
    difference = Interval(float(first.mean() - second.mean()), *_ends(mine - other), first.size)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (mine - other) / other
        mean = float(np.float64(first.mean() - second.mean()) / second.mean())
    # a draw in which both did nothing speaks for no relation and against none
    low, high = (_ends(np.where(np.isnan(share), unknown, share))[end] for end, unknown in ((0, -1.0), (1, np.inf)))
    relative = Interval(0.0 if np.isnan(mean) else mean, low, high, first.size)
    if len(shared) < LEAST_SEEDS:
        return difference, relative, "open"
    if relative.lower >= least and difference.lower > 0:
        return difference, relative, "shown"
    if relative.upper < least or difference.upper < 0:
        return difference, relative, "contradicted"
    return difference, relative, "open"


def comparisons(plan: AblationPlan, results: Sequence[Result], measure: str = "success") -> list[Comparison]:
    """The paper's claims: over all robots, then on each, for every number of demonstrations."""
    found = []
    for count in plan.demonstrations:
        for claim in PAPER:
            if not {claim.better, claim.worse} <= set(plan.modes):
                continue
            for robot in (ALL, *plan.robots):
                better, worse = (
                    values_of(results, robot, count, mode, measure) for mode in (claim.better, claim.worse)
                )
                difference, relative, verdict = compare(better, worse, claim.least)
                found.append(Comparison(claim, robot, count, measure, difference, relative, verdict))
    return found


def error_comparisons(plan: AblationPlan, results: Sequence[Result]) -> list[ErrorComparison]:
    """The paper's claims by the error on demonstrations held back: over all robots, then on each."""
    errors = {r.run: r.error for r in results if np.isfinite(r.error)}
    found = []
    for count in plan.demonstrations:
        for claim in PAPER:
            for robot in (ALL, *plan.robots):
                pairs = [
                    (value, errors[other])
                    for run, value in errors.items()
                    if (run.mode, run.demonstrations) == (claim.better, count) and robot in (ALL, run.robot)
                    and (other := replace(run, mode=claim.worse)) in errors
                ]  # fmt: skip
                if pairs:
                    found.append(_by_sign(claim, robot, count, pairs))
    return found


def _by_sign(claim: Claim, robot: str, count: int, pairs: Sequence[tuple[float, float]]) -> ErrorComparison:
    lower, even = (sum(one < other for one, other in pairs), sum(one == other for one, other in pairs))
    change = float(np.mean([(one - other) / other for one, other in pairs]))
    unlike = len(pairs) - even
    sure = unlike > 0 and binomtest(lower, unlike).pvalue < 1 - LEVEL
    verdict = "open" if not sure else "shown" if 2 * lower > unlike else "contradicted"
    return ErrorComparison(claim, robot, count, lower, len(pairs), change, verdict)


def _choices(shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    random, (rows, columns) = np.random.default_rng(0), shape
    return random.integers(0, rows, (RESAMPLES, rows)), random.integers(0, columns, (RESAMPLES, columns))


def _drawn(table: Array, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Array:
    """(RESAMPLES,) means of a table (training seeds, scenes) with rows and columns drawn."""
    counts_rows = _counts(rows, table.shape[0])
    counts_columns = _counts(columns, table.shape[1])
    return np.asarray(np.einsum("br,rc,bc->b", counts_rows, table, counts_columns, optimize=True))


def _counts(chosen: NDArray[np.int64], size: int) -> Array:
    counts = np.zeros((len(chosen), size))
    np.add.at(counts, (np.arange(len(chosen))[:, None], chosen), 1.0 / chosen.shape[1])
    return counts


def _ends(values: Array) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="nearest")
    return float(low), float(high)
