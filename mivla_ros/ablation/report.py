"""Tables and a plot of an ablation: `report.md`, `report.png`, `report.json`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path

import numpy as np

from mivla_ros.ablation.plan import AblationPlan
from mivla_ros.ablation.results import (
    ALL,
    MEASURES,
    Comparison,
    ErrorComparison,
    Result,
    comparisons,
    error_comparisons,
    interval,
    values_of,
)
from mivla_ros.evaluation.intervals import Interval

COLOURS = {"scratch": "0.6", "human": "tab:orange", "h2r": "tab:green", "both": "tab:blue"}


def write_report(plan: AblationPlan, results: Sequence[Result], out: Path) -> str:
    """Write the three files; the tables, as Markdown."""
    found = {measure: comparisons(plan, results, measure) for measure in MEASURES}
    errors = error_comparisons(plan, results)
    tables = [_rates(plan, results), _claims(found["success"]), _claims(found["completion"]), _error_claims(errors)]
    text = "\n".join(line for table in tables if table for line in (*table, ""))
    (out / "report.md").write_text(text, "utf-8")
    rows = [
        {
            **asdict(r.run), "success": float(r.success.mean()), "completion": float(r.completion.mean()),
            "seconds": r.seconds, "error": r.error, "episodes": len(r.success),
        }
        for r in results
    ]  # fmt: skip
    data = {
        "plan": asdict(plan),
        "runs": rows,
        "claims": [asdict(c) for each in found.values() for c in each],
        "claims_by_error": [asdict(c) for c in errors],
    }
    (out / "report.json").write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    _plot(plan, results, out / "report.png")
    return text


def _rates(plan: AblationPlan, results: Sequence[Result]) -> list[str]:
    lines = [
        "| demonstrations | robot | mode | training seeds | success, % | sub-tasks, % | s a success | error, degrees |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for count in plan.demonstrations:
        for robot in (*plan.robots, ALL):
            for mode in plan.modes:
                mine = [r for r in results if (r.run.demonstrations, r.run.mode) == (count, mode)]
                mine = [r for r in mine if robot in (r.run.robot, ALL)]
                if not mine:
                    continue
                rates = [interval(values_of(results, robot, count, mode, measure)) for measure in MEASURES]
                times = [r.seconds for r in mine if isfinite(r.seconds)]
                seeds = len({r.run.seed for r in mine})
                error = "" if robot == ALL else f"{np.mean([r.error for r in mine]):.2f}"
                lines.append(
                    f"| {count} | {robot} | {mode} | {seeds} | {percent(rates[0])} | {percent(rates[1])} "
                    f"| {f'{np.mean(times):.1f}' if times else '-'} | {error} |"
                )
    return lines


def _claims(found: Sequence[Comparison]) -> list[str]:
    if not found:
        return []
    rows = []
    for one in found:
        words = f"{one.claim.better} > {one.claim.worse}"
        if one.claim.least:
            words += f" by {100 * one.claim.least:.0f} %"
        rows.append((words, one, percent(one.difference), percent(one.relative)))
    name = {"success": "success", "completion": "sub-tasks"}[found[0].measure]
    return _verdicts(f"claim, by {name}", ("difference, points", "relative, %"), rows)


def _error_claims(found: Sequence[ErrorComparison]) -> list[str]:
    rows = [
        (f"{c.claim.better} < {c.claim.worse}", c, f"{c.lower} of {c.pairs}", f"{100 * c.change:+.0f}") for c in found
    ]
    return _verdicts("claim, by error of a joint", ("lower in", "change, mean, %"), rows) if rows else []


def _verdicts(
    title: str, figures: tuple[str, str], rows: Sequence[tuple[str, Comparison | ErrorComparison, str, str]]
) -> list[str]:
    """A table of claims; rows: the claim in words, what it was compared by, and two figures."""
    return [
        f"| {title} | demonstrations | robot | {figures[0]} | {figures[1]} | verdict |",
        "| --- | --- | --- | --- | --- | --- |",
        *(f"| {words} | {one.demonstrations} | {one.robot} | {a} | {b} | {one.verdict} |" for words, one, a, b in rows),
    ]


def percent(value: Interval) -> str:
    """Mean and interval; a dash where there is none."""
    if not value.count:
        return "-"
    parts = [f"{100 * part:.0f}" if isfinite(part) else "∞" for part in (value.mean, value.lower, value.upper)]
    return f"{parts[0]} ({parts[1]} to {parts[2]})"


def _plot(plan: AblationPlan, results: Sequence[Result], file: Path) -> None:
    from matplotlib.figure import Figure

    robots, counts = [*plan.robots, ALL], sorted(plan.demonstrations)
    figure = Figure(figsize=(3.2 * len(robots), 8.0), layout="constrained")
    axes = figure.subplots(len(MEASURES) + 1, len(robots), sharey="row", squeeze=False)
    for row, measure in enumerate(MEASURES):
        for column, robot in enumerate(robots):
            at = axes[row][column]
            for place, mode in enumerate(plan.modes):
                values = [interval(values_of(results, robot, count, mode, measure)) for count in counts]
                if any(value.count for value in values):
                    _draw(at, counts, values, mode, place)
            at.set_title(robot if row == 0 else "")
            at.set_ylim(-2, 102)
            at.grid(axis="y", alpha=0.3)
            if len(plan.demonstrations) > 1:
                at.set_xlabel("demonstrations")
            else:
                at.set_xticks(range(len(plan.modes)), plan.modes)
        axes[row][0].set_ylabel({"success": "success, %", "completion": "sub-tasks done, %"}[measure])
    for at, robot in zip(axes[-1], robots, strict=True):
        _draw_errors(at, plan, [r for r in results if robot in (r.run.robot, ALL)])
    axes[-1][0].set_ylabel("error of a joint, degrees")
    if len(plan.demonstrations) > 1:
        axes[0][0].legend()
    figure.savefig(file, dpi=110)


def _draw(at, counts: list[int], values: list[Interval], mode: str, place: int) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    means = np.array([100 * value.mean for value in values])
    error = np.array([[100 * (v.mean - v.lower), 100 * (v.upper - v.mean)] for v in values]).T.clip(min=0)
    if len(counts) > 1:
        at.errorbar(counts, means, error, color=COLOURS[mode], marker="o", capsize=3, label=mode)
    else:
        at.bar(place, means, yerr=error, color=COLOURS[mode], capsize=4)


def _draw_errors(at, plan: AblationPlan, results: Sequence[Result]) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    """A point a run, by mode, or by the number of demonstrations where there are several; a stroke for the mean."""
    several = len(plan.demonstrations) > 1
    for place, mode in enumerate(plan.modes):
        for count in plan.demonstrations:
            errors = [r.error for r in results if (r.run.mode, r.run.demonstrations) == (mode, count)]
            if not errors:
                continue
            x = count if several else place
            at.plot([x] * len(errors), errors, ".", color=COLOURS[mode])
            at.plot([x], [np.mean(errors)], "_", color=COLOURS[mode], markersize=24)
    if several:
        at.set_xlabel("demonstrations")
    else:
        at.set_xticks(range(len(plan.modes)), plan.modes)
        at.set_xlim(-0.5, len(plan.modes) - 0.5)
    at.grid(axis="y", alpha=0.3)
