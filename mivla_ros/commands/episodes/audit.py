"""Check recorded episodes: gaps, frozen, dark or blurred cameras, jumps, missing words, streams that do not meet.

Status 1 where something bad was found. Limits: `mivla_ros/episodes/inspection.py`.
"""

import argparse
import sys
from dataclasses import asdict
from functools import partial

from mivla_ros.commands.episodes.arguments import add_paths, add_workers, print_json, refs_of, topics_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla episodes audit`."""
    add_paths(parser)
    add_workers(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what was found."""
    from mivla_ros.episodes.inspection import inspect_ref
    from mivla_ros.episodes.parallel import map_unordered

    refs, errors = refs_of(arguments.paths)
    look = partial(inspect_ref, robot=arguments.robot, topics=topics_of(arguments))
    workers = arguments.workers if len(refs) > 2 else 1
    where = "ray" if arguments.ray else "processes"
    results = dict(map_unordered(look, refs, workers, where, "audit"))
    found = [results[i] for i in range(len(refs))]
    bad = [one for one in found if not one.good]
    rates = {(one.figures["robot"], name): set[float]() for one in found for name in one.figures.get("rates", {})}
    for one in found:
        for name, rate in one.figures.get("rates", {}).items():
            rates[one.figures["robot"], name].add(round(rate, 1))
    mixed = [f"{r} {n}: {sorted(v)} Hz" for (r, n), v in rates.items() if v and max(v) > 1.1 * max(min(v), 1e-9)]
    if arguments.json:
        data = [asdict(one) | {"good": one.good} for one in found]
        print_json({"episodes": data, "errors": errors, "mixed_rates": mixed})
        return 1 if bad or errors else 0
    for one in found:
        print(f"{'ok ' if one.good else 'BAD'} {one.path}")
        for finding in one.findings:
            limit = f" (limit: {finding.limit})" if finding.limit else ""
            print(f"      {finding.level}: {finding.subject}: {finding.text}{limit}")
    for error in errors:
        print(f"mivla: {error}", file=sys.stderr)
    for line in mixed:
        print(f"note: rates differ between episodes: {line}")
    print(f"{len(found) - len(bad)} good, {len(bad)} bad, {len(errors)} of no known format")
    return 1 if bad or errors else 0
