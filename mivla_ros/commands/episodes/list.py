"""List episodes of any known format: robot, length, cameras, instruction.

Files that cannot be read are named with what is wrong; the status is then 1.
"""

import argparse
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mivla_ros.commands.episodes.arguments import add_paths, add_workers, print_json, refs_of, topics_of

if TYPE_CHECKING:
    from mivla_ros.episodes.formats import EpisodeRef


@dataclass(frozen=True)
class _Job:
    ref: "EpisodeRef"
    robot: str
    topics: dict[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla episodes list`."""
    add_paths(parser)
    add_workers(parser)


def _look(job: _Job) -> dict[str, Any]:
    from mivla_ros.episodes.errors import EpisodeError
    from mivla_ros.episodes.formats import read_episode

    try:
        with read_episode(job.ref, job.robot, job.topics) as episode:
            info = episode.info
            return {
                "episode": str(job.ref),
                "format": info.format,
                "robot": info.robot,
                "embodiment": info.embodiment,
                "seconds": round(info.seconds, 3),
                "frames": len(episode),
                "rate": round(info.rate, 3),
                "cameras": list(episode.cameras),
                "streams": list(episode.streams),
                "instruction": info.instruction,
                "label": info.label,
            }
    except EpisodeError as error:
        return {"episode": str(job.ref), "error": str(error)}


def run(arguments: argparse.Namespace) -> int:
    """Print the table or JSON."""
    from mivla_ros.episodes.parallel import map_unordered

    refs, errors = refs_of(arguments.paths)
    jobs = [_Job(ref, arguments.robot, topics_of(arguments)) for ref in refs]
    workers = arguments.workers if len(jobs) > 20 else 1
    where = "ray" if arguments.ray else "processes"
    rows = [row for _, row in sorted(map_unordered(_look, jobs, workers, where, "episodes"))]
    errors += [row["error"] for row in rows if "error" in row]
    good = [row for row in rows if "error" not in row]
    if arguments.json:
        print_json({"episodes": good, "errors": errors})
        return 1 if errors else 0
    for row in good:
        cameras = ",".join(row["cameras"]) or "no camera"
        print(
            f"{row['episode']}\t{row['format']}\t{row['robot']}\t{row['seconds']:.2f} s\t{row['frames']} frames at "
            f"{row['rate']:.3g} Hz\t{cameras}\t{row['label'] or '-'}\t{row['instruction'] or '-'}"
        )
    for error in errors:
        print(f"mivla: {error}", file=sys.stderr)
    seconds = sum(row["seconds"] for row in good)
    print(f"{len(good)} episodes, {seconds / 60:.1f} min, {sum(row['frames'] for row in good)} frames")
    return 1 if errors else 0
