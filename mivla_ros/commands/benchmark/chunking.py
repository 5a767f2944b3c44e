"""Compare real-time chunking, temporal ensembling and plain replacement under injected delays, in simulation.

The policy is the scripted expert erring like a network (`noisy_expert`). Prints Markdown; --out writes it between the
marks of a document. --results keeps every episode, and a run that was killed goes on where it was.
"""

import argparse
from pathlib import Path

BEGIN, END = "<!-- mivla benchmark chunking: begin -->", "<!-- end -->"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla benchmark chunking`."""
    parser.add_argument("--delays", type=float, nargs="+", default=[0.0, 0.1, 0.3, 0.9], metavar="S", help="seconds")
    parser.add_argument("--seeds", type=int, default=20, help="scenes of each delay and chunking (default %(default)s)")
    parser.add_argument("--chunking", nargs="+", default=["rtc", "ensemble", "replace"], help="which (default: all)")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of noisy_expert; repeated")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default %(default)s)")
    parser.add_argument("--limit", type=float, default=40.0, help="simulated s an episode has (default %(default)s)")
    parser.add_argument("--results", type=Path, help="JSON lines of all episodes, continued where it exists")
    parser.add_argument("--out", type=Path, help="document whose marked part is replaced, such as docs/chunking.md")


def run(arguments: argparse.Namespace) -> int:
    """Play what is not played yet, print the table, and write it where asked to."""
    import json
    from concurrent.futures import ProcessPoolExecutor
    from functools import partial
    from itertools import product
    from multiprocessing import get_context

    from tqdm import tqdm

    from mivla_ros.commands.errors import CommandError
    from mivla_ros.documents import write_between_marks
    from mivla_ros.evaluation.chunk_boundaries import episode_from_json, play_anywhere, table
    from mivla_ros.policies.chunking import Chunking
    from mivla_ros.policies.options import split_options

    unknown = [name for name in arguments.chunking if name not in [str(c) for c in Chunking]]
    if unknown:
        raise CommandError(f"--chunking {unknown[0]}: there are {', '.join(Chunking)}")
    options = split_options("noisy_expert", arguments.option)
    played = {}
    if arguments.results and arguments.results.exists():
        for line in arguments.results.read_text("utf-8").splitlines():
            episode = episode_from_json(json.loads(line))
            played[episode.chunking, episode.delay, episode.seed] = episode
    jobs = list(product(arguments.delays, arguments.chunking, range(arguments.seeds)))
    todo = [(name, delay, seed) for delay, name, seed in jobs if (name, delay, seed) not in played]
    episode_of = partial(play_anywhere, options, arguments.limit)
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        for episode in tqdm(pool.map(episode_of, todo), total=len(todo), desc="episodes", disable=None):
            played[episode.chunking, episode.delay, episode.seed] = episode
            if arguments.results:
                with arguments.results.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(episode.as_json()) + "\n")
    text = table(played[name, delay, seed] for delay, name, seed in jobs)
    print(text)
    if arguments.out:
        write_between_marks(arguments.out, text, BEGIN, END)
    return 0
