"""What the benchmarks of retargeting found, as Markdown, and its place in a document."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mivla_ros.retargeting.benchmarks.errors import BenchmarkError
from mivla_ros.retargeting.benchmarks.smoothness import Smoothness
from mivla_ros.retargeting.benchmarks.speed import ColdShare, Timing

BEGIN, END = "<!-- mivla benchmark retargeting: begin -->", "<!-- end -->"


def solver_table(rows: Sequence[Timing]) -> str:
    """Inverse kinematics beside the peers; ratios of medians of processor time, to the first row."""
    lines = [
        "| inverse kinematics of 64 warm poses of PiPER | poses met | wall ms: median "
        "| processor ms: median / 95 % | ratio |",
        "|---|--:|--:|--:|--:|",
    ]
    unit = float(np.median(rows[0].busy))
    for row in rows:
        name = f"{row.name} ({row.version})" if row.version else row.name
        if row.why:
            lines.append(f"| {name} | not measured: {row.why} | | | |")
            continue
        lines.append(f"| {name} | {100 * row.met:.1f} % | {_times(row)} | {np.median(row.busy) / unit:.1f} |")
    return "\n".join(lines)


def chunk_table(rows: Sequence[Timing]) -> str:
    """Whole chunks."""
    lines = [
        "| whole chunk, every limit, collisions | wall ms: median | processor ms: median / 95 % |",
        "|---|--:|--:|",
        *(f"| {row.name} | {_times(row)} |" for row in rows),
    ]
    return "\n".join(lines)


def _times(row: Timing) -> str:
    return f"{np.median(row.wall):.3f} | {np.median(row.busy):.3f} / {np.percentile(row.busy, 95):.3f}"


def cold_table(rows: Sequence[ColdShare]) -> str:
    """Random poses from nothing."""
    lines = ["| arm | solved from nothing to 0.1 mm and 0.1 degrees | median us |", "|---|--:|--:|"]
    lines += [
        f"| {row.arm} | {row.solved} of {row.count} ({100 * row.solved / row.count:.2f} %) | {row.microseconds:.0f} |"
        for row in rows
    ]
    return "\n".join(lines)


def smoothness_table(rows: Sequence[tuple[str, str, Smoothness]]) -> str:
    """Arm, solver and what came out; over several seeds of the noise the worst seed's figure stands behind the bar."""
    lines = [
        "| arm | solver | largest joint step: median / worst rad | worst 2nd difference rad "
        "| position error: median / p99 / worst mm | rotation error: median / p99 deg |",
        "|---|---|---|--:|---|---|",
    ]
    for arm, solver, s in rows:
        mm, deg = 1e3 * s.position_errors, np.rad2deg(s.rotation_errors)
        lines.append(
            f"| {arm} | {solver} | {np.median(s.largest_steps):.4f} / {s.largest_steps.max():.3f} "
            f"| {s.second_differences.max():.3f} | {np.median(mm):.2f} / {np.percentile(mm, 99):.1f} / {mm.max():.1f} "
            f"| {np.median(deg):.2f} / {np.percentile(deg, 99):.2f} |"
        )
    return "\n".join(lines)


def write_between_marks(path: Path, text: str) -> None:
    """Replace what stands between BEGIN and END in a document. Raises BenchmarkError where the marks are not there."""
    whole = path.read_text(encoding="utf-8")
    if whole.count(BEGIN) != 1 or END not in whole[whole.index(BEGIN) :]:
        raise BenchmarkError(f"{path}: must hold the line {BEGIN!r} once, and {END!r} behind it")
    head, _, rest = whole.partition(BEGIN)
    _, _, tail = rest.partition(END)
    path.write_text(f"{head}{BEGIN}\n\n{text.strip()}\n\n{END}{tail}", encoding="utf-8")
