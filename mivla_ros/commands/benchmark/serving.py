"""Round trips to a policy server: milliseconds beside the policy itself, and openpi's own client in the same run.

Server and clients are processes on this machine; a message has three images. openpi's client runs in the environment
that `environment/extra.bash openpi_client` makes; without it only ours is measured. Prints Markdown.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla benchmark serving`."""
    parser.add_argument("--rounds", type=int, default=10, help="turns that each client has (default: 10)")
    parser.add_argument("--count", type=int, default=50, help="round trips in a turn (default: 50)")
    parser.add_argument(
        "--size", type=int, nargs=2, default=(224, 224), metavar=("HEIGHT", "WIDTH"), help="of the images (224 224)"
    )
    parser.add_argument("--openpi-python", default="", metavar="FILE", help="Python that has openpi_client")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print a table."""
    from pathlib import Path

    import numpy as np

    from mivla_ros.commands.errors import CommandError
    from mivla_ros.serving.benchmarks.round_trip import measure

    if arguments.rounds < 1 or arguments.count < 1 or min(arguments.size) < 1:
        raise CommandError("--rounds, --count and --size must be 1 or more", 2)
    made = Path(__file__).resolve().parents[3] / ".environment" / "extra" / "openpi_client" / "bin" / "python"
    python: Path | None = Path(arguments.openpi_python) if arguments.openpi_python else made
    if python is not None and not python.is_file():
        if arguments.openpi_python:
            raise CommandError(f"--openpi-python: there is no {python}")
        python = None
        print("openpi_client is not here (environment/extra.bash openpi_client makes its environment)\n")
    found = measure(arguments.rounds, arguments.count, tuple(arguments.size), python)
    print(f"three images of {arguments.size[0]}x{arguments.size[1]}, {found.frame_bytes / 1e3:.0f} kB a request\n")
    print("| client | round trips | median ms | 95 % ms | 99 % ms |")
    print("| --- | --: | --: | --: | --: |")
    for name, seconds in (("ours", found.ours), ("openpi_client", found.theirs)):
        if seconds:
            middle, p95, p99 = (1e3 * np.percentile(seconds, q) for q in (50, 95, 99))
            print(f"| {name} | {len(seconds)} | {middle:.2f} | {p95:.2f} | {p99:.2f} |")
    if found.theirs:
        print(f"\nratio of the medians, ours to theirs: {np.median(found.ours) / np.median(found.theirs):.2f}")
    return 0
