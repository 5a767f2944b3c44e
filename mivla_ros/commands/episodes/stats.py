"""Statistics of the unified values by robot and space: range, mean, deviation, quantiles.

They carry a hash of what they describe. Only episodes that are new or changed are read; those that have gone are left
out. A second run does nothing.
"""

import argparse
import sys
from pathlib import Path

from mivla_ros.commands.episodes.arguments import add_paths, add_workers, print_json, refs_of, topics_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla episodes stats`."""
    add_paths(parser)
    add_workers(parser)
    parser.add_argument("--out", type=Path, default=Path("statistics.json"), help="the result (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=30.0, help="rows a second that are looked at")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be read")


def run(arguments: argparse.Namespace) -> int:
    """Compute and store them."""
    from mivla_ros.episodes.statistics import StatisticsOptions, make_statistics, part_key

    if not 0 < arguments.rate <= 1000:
        raise ValueError(f"--rate is {arguments.rate}, must be above 0 and at most 1000")
    refs, errors = refs_of(arguments.paths)
    options = StatisticsOptions(arguments.rate)
    folder = arguments.out.with_suffix(".parts")
    topics = topics_of(arguments)
    keys = [part_key(ref, options, arguments.robot, topics) for ref in refs]
    new = [key for key in keys if not (folder / f"{key}.npz").exists()]
    if arguments.dry_run:
        print(f"{len(new)} of {len(refs)} episodes would be read")
        return 0
    where = "ray" if arguments.ray else "processes"
    result, failed = make_statistics(
        refs, arguments.out, options, arguments.robot, arguments.workers, where, "statistics", topics
    )
    errors += failed
    if arguments.json:
        print_json({"statistics": result, "read": len(new), "errors": errors})
    else:
        for error in errors:
            print(f"mivla: {error}", file=sys.stderr)
        for robot, spaces in result["robots"].items():
            for space, entry in spaces.items():
                print(f"{robot} {space}: {len(entry['columns'])} values, {entry['state']['count']} rows")
        words = f"{len(result['episodes'])} episodes, {len(new)} read now"
        print(f"{arguments.out}: {words}, hash {result['hash'][:12]}")
    return 1 if errors else 0
