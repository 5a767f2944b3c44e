"""One page with tables, plots and videos of an evaluation; nothing is fetched from elsewhere."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment

from mivla_ros.evaluation.campaign import Plan
from mivla_ros.evaluation.intervals import Interval
from mivla_ros.evaluation.rollout import Rollout
from mivla_ros.evaluation.summary import Summary, percent, seconds

TEMPLATE = Path(__file__).with_name("report.html.j2")


def write_report(
    path: Path,
    plan: Plan,
    rollouts: Sequence[Rollout],
    summaries: Sequence[Summary],
    other: str = "",
    differences: Mapping[str, Mapping[str, Interval]] | None = None,
) -> None:
    """Write the page; videos are looked for in ``videos/`` beside it. other: name of what it is compared with."""
    page = Environment(autoescape=True).from_string(TEMPLATE.read_text())
    shown = page.render(
        plan=plan, rollouts=sorted(rollouts, key=lambda r: (r.condition, r.seed)), summaries=summaries, other=other,
        differences=differences or {}, percent=percent, seconds=seconds, plot=_plot(rollouts, summaries),
    )  # fmt: skip
    path.write_text(shown)


def _plot(rollouts: Sequence[Rollout], summaries: Sequence[Summary]) -> str:
    """Success by condition, sub-tasks, and seconds of successes; PNG in base64."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.2), layout="constrained")
    success, subtasks, times = figure.subplots(1, 3)
    names = [s.condition for s in summaries]
    means = [100 * s.success.mean for s in summaries]
    errors = [
        [100 * (s.success.mean - s.success.lower) for s in summaries],
        [100 * (s.success.upper - s.success.mean) for s in summaries],
    ]
    success.bar(names, means, yerr=errors, capsize=4, color="#3b6ea5")
    success.set(ylim=(0, 105), ylabel="success, %")
    success.tick_params("x", rotation=20)
    width = 0.8 / max(len(summaries), 1)
    for i, s in enumerate(summaries):
        places = [k + i * width for k in range(len(s.subtasks))]
        subtasks.barh(places, [100 * v for v in s.subtasks.values()], width, label=s.condition)
        subtasks.set_yticks(range(len(s.subtasks)), list(s.subtasks))
    subtasks.set(xlabel="sub-task done, %", xlim=(0, 105))
    subtasks.invert_yaxis()
    subtasks.legend(fontsize=7)
    done = [[r.seconds for r in rollouts if r.condition == n and r.success] for n in names]
    times.hist(done, bins=15, label=names, stacked=True)
    times.set(xlabel="seconds of successes", ylabel="episodes")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return base64.b64encode(buffer.getvalue()).decode()
