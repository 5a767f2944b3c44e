"""The results as the table of docs/when_things_break.md, between its two marks."""

from collections.abc import Sequence
from math import isnan
from pathlib import Path

from mivla_ros.nodes.benchmarks.breaks.cases import Result

BEGIN, END = "<!-- begin of the measured table -->", "<!-- end of the measured table -->"
HEAD = (
    "| fault | reason named | by | fault to status, s | status to braking, ms | status to rest, s | way, rad "
    "| acceleration, jerk, % of limit | status to diagnostics, s | moved before the release |"
)


def _worst(results: Sequence[Result], *names: str) -> float:
    values = [float(getattr(result, name)) for result in results for name in names]
    return max((v for v in values if not isnan(v)), default=float("nan"))


def _text(value: float, form: str, scale: float = 1.0) -> str:
    return "" if isnan(value) else format(scale * value, form)


def _row(results: Sequence[Result]) -> str:
    limits = [_text(_worst(results, *names), ".0f", 100.0) for names in (("acceleration",), ("jerk", "join_jerk"))]
    cells = [
        results[0].case,
        ", ".join(f"`{name}`" for name in sorted({result.reason for result in results})),
        ", ".join(sorted({result.by for result in results})),
        _text(_worst(results, "detected"), ".3f"),
        _text(_worst(results, "braking"), ".0f", 1e3),
        _text(_worst(results, "standstill"), ".2f"),
        _text(_worst(results, "way"), ".3f"),
        ", ".join(limit for limit in limits if limit),
        _text(_worst(results, "diagnosed"), ".3f"),
        "YES" if any(result.resumed for result in results) else "no",
    ]
    return "| " + " | ".join(cells) + " |"


def markdown(rounds: Sequence[Sequence[Result]]) -> str:
    """One row a fault, the worst of the rounds in every column."""
    names = list(dict.fromkeys(result.case for results in rounds for result in results))
    rows = [_row([r for results in rounds for r in results if r.case == name]) for name in names]
    return "\n".join([HEAD, "|" + " --- |" * (HEAD.count("|") - 1), *rows])


def replace_table(page: Path, table: str) -> None:
    """Put a table between the marks of a page. Raises ValueError where it has none."""
    text = page.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{page}: must hold {BEGIN!r} and {END!r} once each")
    head, _, rest = text.partition(BEGIN)
    page.write_text(f"{head}{BEGIN}\n\n{table}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
