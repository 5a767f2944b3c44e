"""Play a policy in simulation over many seeds and report success, completion and seconds.

The paper's protocol: paired seeds, conditions easy, hard, unseen_place, unseen_object and unseen_scene, bootstrap
intervals; through the same inference and retargeting code as on the robot. Run again after a kill, it goes on.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from mivla_ros.commands.errors import CommandError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla evaluate`."""
    parser.add_argument("--robot", default="piper", help="robot profile")
    parser.add_argument("--policy", default="scripted", help="name of the policy (default: %(default)s)")
    parser.add_argument("--checkpoint", type=Path, help="checkpoint folder; the policy is then mivla")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="option of the policy")
    parser.add_argument("--seeds", default="50", help="how many, or FIRST-LAST (default: %(default)s)")
    parser.add_argument("--conditions", default="easy", help="comma between them (default: %(default)s)")
    parser.add_argument("--instruction", default="", help="other words than the task's own")
    parser.add_argument("--task", default="", help="another task than the profile's")
    parser.add_argument(
        "--latency", type=float, default=0.05, help="s from observation to chunk (default: %(default)s)"
    )
    parser.add_argument("--limit", type=float, default=60.0, help="simulated s an episode has (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=0, help="processes; 0: one a core")
    parser.add_argument("--films", type=int, default=0, help="seeds to film in each condition")
    parser.add_argument(
        "--out", type=Path, default=Path("evaluation"), help="folder for results (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, help="write the summary there; - for standard output")
    parser.add_argument("--against", type=Path, help="folder of another evaluation, to compare on the same seeds")


def run(arguments: argparse.Namespace) -> int:
    """Play, summarise, write JSON and report.html."""
    from tqdm import tqdm

    from mivla_ros.evaluation.campaign import Plan, campaign, read_results, results_in
    from mivla_ros.evaluation.conditions import condition
    from mivla_ros.evaluation.html_report import write_report
    from mivla_ros.evaluation.summary import as_json, compare, summarise, table
    from mivla_ros.model.checkpoint_files import read_description
    from mivla_ros.policies.options import split_options
    from mivla_ros.policies.policy import PolicyError

    conditions = tuple(condition(name.strip()).name for name in arguments.conditions.split(","))
    policy = arguments.policy
    try:
        options = split_options(policy, arguments.option)
        digest = ""
        if arguments.checkpoint is not None:
            policy = "mivla" if policy == "scripted" else policy
            options["checkpoint"] = str(arguments.checkpoint)
            digest = read_description(arguments.checkpoint).manifest.hash
        plan = Plan(
            arguments.robot, policy, options, conditions, seeds(arguments.seeds), arguments.latency, arguments.limit,
            arguments.instruction, arguments.task, digest,
        )  # fmt: skip
        before = len(read_results(arguments.out, plan))
        todo = len(plan.seeds) * len(conditions)
        with tqdm(total=todo, unit="episode", disable=None, file=sys.stderr) as bar:
            won = 0
            for rollout, done, _ in campaign(plan, arguments.out, arguments.workers, arguments.films):
                bar.update(done - bar.n)
                won += rollout.success
                bar.set_postfix(succeeded=won, refresh=False)
    except PolicyError as error:
        raise CommandError(str(error), 2) from error
    played = read_results(arguments.out, plan)
    rollouts = [played[c, s] for c in conditions for s in plan.seeds]
    summaries = summarise(rollouts)
    differences = {}
    if arguments.against is not None:
        differences = compare(rollouts, results_in(arguments.against))
    report = arguments.out / "report.html"
    write_report(report, plan, rollouts, summaries, str(arguments.against or ""), differences)
    summary = {
        "robot": plan.robot, "policy": policy, "options": options, "seeds": len(plan.seeds),
        "conditions": as_json(summaries),
        "against": {n: {k: asdict(v) for k, v in d.items()} for n, d in differences.items()},
    }  # fmt: skip
    text = json.dumps(summary, indent=2) + "\n"
    if arguments.json is not None and str(arguments.json) != "-":
        arguments.json.write_text(text)
    print(text if str(arguments.json) == "-" else table(summaries))
    print(f"{len(rollouts) - before if before < len(rollouts) else 0} played now; {report}", file=sys.stderr)
    return 0


def seeds(text: str) -> tuple[int, ...]:
    """``50`` to 0..49, ``100-149`` to those. Raises ValueError."""
    first, dash, last = text.partition("-")
    try:
        found = tuple(range(int(first), int(last) + 1)) if dash else tuple(range(int(first)))
    except ValueError as error:
        raise ValueError(f"--seeds {text!r} must be a number or FIRST-LAST") from error
    if not found:
        raise ValueError(f"--seeds {text!r} names no seed")
    return found
