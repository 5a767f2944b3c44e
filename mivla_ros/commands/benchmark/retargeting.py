"""Measure retargeting: speed beside other solvers, reach, smoothness, and the node's own share.

The other solvers get an environment of their own in .environment/extra/peers, made when it is missing, and the same
poses to the same tolerance; all take turns on one core. Prints Markdown; --out writes it between the marks of a
document. Other work on the machine makes every figure larger; the ratios suffer less.
"""

import argparse
from pathlib import Path
from typing import Any

SOLVERS = ("exact", "damped", "savgol", "smoothed")
EVERY_SEED = ("savgol", "smoothed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla benchmark retargeting`."""
    parser.add_argument("--out", type=Path, help="document whose marked part is replaced, such as docs/benchmarks.md")
    parser.add_argument("--quick", action="store_true", help="few rounds, for a look; never written to --out")
    parser.add_argument("--no-peers", action="store_true", help="leave the other solvers out")
    parser.add_argument("--rounds", type=int, default=10, help="turns of every solver (default %(default)s)")
    parser.add_argument("--cold", type=int, default=10_000, help="random poses an arm (default %(default)s)")
    parser.add_argument("--chunks", type=int, default=50, help="noisy chunks an arm and seed (default %(default)s)")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of the smoothness table (default %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, and write where asked to."""
    import os

    from mivla_ros.commands.errors import CommandError
    from mivla_ros.retargeting.benchmarks import overhead, speed, tables
    from mivla_ros.retargeting.benchmarks.arms import arms
    from mivla_ros.retargeting.benchmarks.peers_environment import peers_python

    if arguments.quick and arguments.out:
        raise CommandError("--quick measures too little to be written with --out")
    if arguments.quick:
        arguments.rounds, arguments.cold, arguments.chunks, arguments.seeds = 2, 500, 10, 1
    python = None if arguments.no_peers else peers_python()
    load = os.getloadavg()[0]
    with speed.one_core():
        solvers = speed.compare_solvers(python, arguments.rounds)
        chunks = speed.time_chunks(arguments.rounds)
        cold = [speed.cold_share(name, chain, arguments.cold) for name, chain in arms().items()]
        node = overhead.measure(20 * arguments.rounds)
    parts = [
        f"{os.cpu_count()} cores, one used; load {load:.1f} when it began.",
        tables.solver_table(solvers),
        tables.chunk_table(chunks),
        node,
        tables.cold_table(cold),
        tables.smoothness_table(_smoothness(arguments.chunks, arguments.seeds)),
    ]
    text = "\n\n".join(part for part in parts if part)
    print(text)
    if arguments.out:
        tables.write_between_marks(arguments.out, text)
    return 0


def _smoothness(chunks: int, seeds: int) -> list[tuple[str, str, Any]]:
    from tqdm import tqdm

    from mivla_ros.retargeting.benchmarks import smoothness
    from mivla_ros.retargeting.benchmarks.arms import arms

    rows = []
    jobs = [(name, solver, seed) for name in arms() for solver in SOLVERS for seed in range(seeds)]
    for name, solver, seed in tqdm(jobs, desc="smoothness", unit="run", disable=None):
        if solver not in EVERY_SEED and seed:
            continue
        chain = arms()[name]
        words = f"{solver}, seed {seed}" if solver in EVERY_SEED else solver
        rows.append((name, words, smoothness.measure(chain, getattr(smoothness, solver), chunks, seed)))
    return rows
