"""Compare modes of pre-training on every robot: the paper's ablation and few-shot curves, in our simulation.

Makes the data, teaches the image encoder, pre-trains, fine-tunes and evaluates, each step a `mivla` command (--show
lists them). Goes on after a kill; more robots, modes, seeds and numbers of demonstrations are added to what is there.
"""

import argparse
import sys
from dataclasses import fields
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla ablation`."""
    from mivla_ros.ablation.plan import AblationPlan

    usual = AblationPlan()
    parser.add_argument("--out", type=Path, required=True, help="folder for everything")
    parser.add_argument("--robots", nargs="+", default=list(usual.robots), metavar="ROBOT", help="default: %(default)s")
    parser.add_argument("--modes", nargs="+", default=list(usual.modes), metavar="MODE", help="default: %(default)s")
    parser.add_argument("--training-seeds", type=int, default=len(usual.training_seeds), help="how many (%(default)s)")
    parser.add_argument(
        "--demonstrations", type=int, nargs="+", default=list(usual.demonstrations), metavar="N",
        help="that a robot is fine-tuned on; several for few-shot curves (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--held-out", nargs="*", default=[], metavar="TASK", help="tasks pre-training does not see")
    parser.add_argument(
        "--pictures", type=float, nargs=2, default=list(usual.pictures), metavar="HZ",
        help="observations a second, in pre-training and in fine-tuning (default: %(default)s)",
    )  # fmt: skip
    for name in NUMBERS:
        value = getattr(usual, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help=f"default: {value}")
    parser.add_argument("--workers", type=int, default=1, help="steps at a time; with more than one, a core for each")
    parser.add_argument("--show", action="store_true", help="only list the commands, done ones marked")


NUMBERS = (
    "network", "people", "simulated", "simulated_seeds", "scenes", "sight_steps", "pretraining_steps",
    "fine_tuning_steps", "batch", "rate", "noise", "episodes", "limit", "condition",
)  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Run what is missing, write the report, print its tables."""
    import json

    from tqdm import tqdm

    from mivla_ros.ablation.errors import AblationError
    from mivla_ros.ablation.plan import AblationPlan
    from mivla_ros.ablation.report import write_report
    from mivla_ros.ablation.results import read_results
    from mivla_ros.ablation.running import command_of, is_done, run_steps
    from mivla_ros.ablation.steps import steps_of

    given = {f.name: getattr(arguments, f.name) for f in fields(AblationPlan)}
    given |= {name: tuple(given[name]) for name in ("robots", "modes", "demonstrations", "held_out", "pictures")}
    plan = AblationPlan(**given | {"training_seeds": tuple(range(arguments.training_seeds))})
    steps, out = steps_of(plan), arguments.out
    if arguments.show:
        for step in steps:
            print(f"{'done ' if is_done(step, out) else '     '}{command_of(step)}")
        return 0
    out.mkdir(parents=True, exist_ok=True)
    file, wanted = out / "plan.json", json.loads(json.dumps(plan.same_results()))
    if file.exists() and (known := json.loads(file.read_text("utf-8"))) != wanted:
        other = next(key for key in wanted if known.get(key) != wanted[key])
        raise AblationError(str(out), f"has {other} {known.get(other)!r}, not {wanted[other]!r}: take another folder")
    file.write_text(json.dumps(wanted, indent=1) + "\n", "utf-8")
    before = sum(is_done(step, out) for step in steps)
    text = ""
    with tqdm(total=len(steps), initial=before, unit="step", disable=None, file=sys.stderr) as bar:
        for done in run_steps(steps, out, arguments.workers, lambda line: bar.write(line, file=sys.stderr)):
            bar.update()
            bar.write(f"{done.step.name}: {done.seconds:.0f} s", file=sys.stderr)
            if done.step.name.startswith("evaluate-"):
                text = write_report(plan, read_results(plan, out), out)
    text = text or write_report(plan, read_results(plan, out), out)
    print(text)
    print(f"{out / 'report.md'}, report.png, report.json", file=sys.stderr)
    return 0
