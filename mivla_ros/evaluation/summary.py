"""Tables of an evaluation: SR, C and T of the paper (1.8), with intervals, failures and smoothness."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from mivla_ros.evaluation.intervals import Interval, mean_interval, paired_difference, rate_interval
from mivla_ros.evaluation.rollout import Rollout


@dataclass(frozen=True)
class Summary:
    """One condition. success: share; completion: mean share of sub-tasks done; seconds: simulated, of successes only.

    subtasks: share of episodes in which each was done. failures: reasons with their counts. velocity_jump: median over
    episodes of the greatest jump at a chunk boundary, rad/s. real_time_factor: simulated s a s of one process.
    """

    condition: str
    episodes: int
    success: Interval
    completion: Interval
    seconds: Interval
    subtasks: Mapping[str, float]
    failures: Mapping[str, int]
    velocity_jump: float
    position_jump: float
    real_time_factor: float


def summarise(rollouts: Sequence[Rollout]) -> list[Summary]:
    """One summary a condition, in order of appearance."""
    found = []
    for name in dict.fromkeys(r.condition for r in rollouts):
        group = sorted((r for r in rollouts if r.condition == name), key=lambda r: r.seed)
        subtasks = dict.fromkeys(n for r in group for n in r.subtasks)
        found.append(
            Summary(
                condition=name,
                episodes=len(group),
                success=rate_interval([r.success for r in group]),
                completion=mean_interval([r.completion for r in group]),
                seconds=mean_interval([r.seconds for r in group if r.success]),
                subtasks={n: float(np.mean([r.subtasks.get(n, False) for r in group])) for n in subtasks},
                failures=dict(Counter(_kind(r.failure) for r in group if not r.success).most_common()),
                velocity_jump=float(np.median([r.smoothness.velocity_jump for r in group])),
                position_jump=float(np.median([r.smoothness.position_jump for r in group])),
                real_time_factor=sum(r.seconds for r in group) / max(sum(r.wall_seconds for r in group), 1e-9),
            )
        )
    return found


def _kind(failure: str) -> str:
    """A failure without its figures, so that equal ones are counted together."""
    return failure.partition(", ")[0]


def compare(first: Sequence[Rollout], second: Sequence[Rollout]) -> dict[str, dict[str, Interval]]:
    """Differences first - second on shared seeds, a condition: of success and of completion."""
    found = {}
    for name in dict.fromkeys(r.condition for r in first):
        mine = {r.seed: r for r in first if r.condition == name}
        other = {r.seed: r for r in second if r.condition == name}
        if mine.keys() & other.keys():
            found[name] = {
                "success": paired_difference(
                    {s: float(r.success) for s, r in mine.items()}, {s: float(r.success) for s, r in other.items()}
                ),
                "completion": paired_difference(
                    {s: r.completion for s, r in mine.items()}, {s: r.completion for s, r in other.items()}
                ),
            }
    return found


def table(summaries: Sequence[Summary]) -> str:
    """The table as Markdown."""
    lines = [
        "| condition | episodes | SR, % | C, % | T, s | jump at boundaries, rad/s | failures |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for s in summaries:
        failures = "; ".join(f"{count} x {reason}" for reason, count in s.failures.items()) or "-"
        lines.append(
            f"| {s.condition} | {s.episodes} | {percent(s.success)} | {percent(s.completion)} | {seconds(s.seconds)} "
            f"| {s.velocity_jump:.3f} | {failures} |"
        )
    return "\n".join(lines)


def percent(value: Interval) -> str:
    """Mean and interval in per cent."""
    return f"{100 * value.mean:.0f} ({100 * value.lower:.0f} to {100 * value.upper:.0f})"


def seconds(value: Interval) -> str:
    """Mean and interval in s; a dash where nothing succeeded."""
    return f"{value.mean:.1f} ({value.lower:.1f} to {value.upper:.1f})" if value.count else "-"


def as_json(summaries: Sequence[Summary]) -> list[dict[str, object]]:
    """For scripts."""
    return [asdict(s) for s in summaries]
