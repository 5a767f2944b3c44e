"""Convert episodes of any known format to bags, a LeRobot v3 data set or the EgoDex layout.

Episodes that stand in the target already are passed over: an interrupted run goes on, a second run does nothing.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mivla_ros.commands.episodes.arguments import add_paths, add_workers, print_json, refs_of, topics_of
from mivla_ros.commands.errors import CommandError

if TYPE_CHECKING:
    from mivla_ros.episodes.formats import EpisodeRef

TARGETS = ("bag", "lerobot", "egodex")


@dataclass(frozen=True)
class _Job:
    index: int
    ref: "EpisodeRef"
    source: str
    out: Path
    to: str
    rate: float
    robot: str
    topics: dict[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla episodes convert`."""
    add_paths(parser)
    add_workers(parser)
    parser.add_argument("--to", choices=TARGETS, required=True, help="the format to write")
    parser.add_argument("--out", type=Path, required=True, help="folder of the result")
    parser.add_argument("--rate", type=float, default=0.0, help="frames a second (lerobot); 0: the first episode's")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be written")


def _target(job: _Job) -> Path:
    if job.to == "egodex":
        return job.out / f"{job.index}.hdf5"
    return job.out / f"episode_{job.index:06d}"


def _is_done(job: _Job) -> bool:
    from mivla_ros.episodes.lerobot_writer import LeRobotWriter

    if job.to == "lerobot":
        return LeRobotWriter(job.out, job.rate).is_written(job.index, job.source)
    marker = job.out / ".sources" / str(job.index)
    return _target(job).exists() and marker.is_file() and marker.read_text("utf-8") == job.source


def _convert(job: _Job) -> str:
    """Convert one episode; the error in words, empty where it went well."""
    from mivla_ros.episodes import egodex
    from mivla_ros.episodes.bag_writer import RecordingError
    from mivla_ros.episodes.episode_bag import write_bag
    from mivla_ros.episodes.errors import EpisodeError
    from mivla_ros.episodes.formats import read_episode
    from mivla_ros.episodes.lerobot_writer import LeRobotWriter
    from mivla_ros.robots.profile import load_profile

    try:
        with read_episode(job.ref, job.robot, job.topics) as episode:
            if job.to == "lerobot":
                LeRobotWriter(job.out, job.rate).write(job.index, episode, job.source)
                return ""
            target = _target(job)
            if job.to == "egodex":
                egodex.write(episode, target)
            else:
                unfinished = job.out / ".unfinished" / target.name
                _remove(unfinished)
                _remove(target)
                write_bag(episode, unfinished, load_profile(job.robot or episode.info.robot))
                unfinished.rename(target)
            marker = job.out / ".sources" / str(job.index)
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.write_text(job.source, "utf-8")
    except (EpisodeError, RecordingError, ValueError, OSError) as error:
        return str(error)
    return ""


def _remove(folder: Path) -> None:
    """Remove a bag that an earlier run left (only files a bag has)."""
    if folder.is_dir():
        for file in folder.iterdir():
            if file.suffix not in (".mcap", ".yaml") and not file.name.startswith("."):
                raise OSError(f"{folder}: holds {file.name}, which no bag has; not removed")
            file.unlink()
        folder.rmdir()


def run(arguments: argparse.Namespace) -> int:
    """Convert what is not converted yet."""
    from mivla_ros.episodes.formats import read_episode
    from mivla_ros.episodes.lerobot_writer import LeRobotWriter
    from mivla_ros.episodes.parallel import map_unordered
    from mivla_ros.episodes.statistics import StatisticsOptions, part_key

    refs, errors = refs_of(arguments.paths, strict=True)
    rate, topics = arguments.rate, topics_of(arguments)
    if arguments.to == "lerobot" and rate <= 0:
        with read_episode(refs[0], arguments.robot, topics) as first:
            rate = round(first.info.rate)
    if rate < 0 or rate > 1000:
        raise CommandError(f"--rate is {rate}, must be 0 to 1000")
    options = StatisticsOptions(max(rate, 1.0))
    keys = [part_key(ref, options, arguments.robot, topics) for ref in refs]
    jobs = [
        _Job(i, ref, key, arguments.out, arguments.to, rate, arguments.robot, topics)
        for i, (ref, key) in enumerate(zip(refs, keys, strict=True))
    ]
    open_jobs = [job for job in jobs if not _is_done(job)]
    if arguments.dry_run:
        for job in open_jobs:
            print(f"{job.ref} -> {_target(job)}")
        print(f"{len(open_jobs)} of {len(jobs)} episodes would be written")
        return 0
    where = "ray" if arguments.ray else "processes"
    errors += [e for _, e in map_unordered(_convert, open_jobs, arguments.workers, where, "convert") if e]
    written = len(open_jobs) - len(errors)
    info = arguments.out / "meta/info.json"
    if arguments.to == "lerobot" and not errors and (open_jobs or not info.exists()):
        LeRobotWriter(arguments.out, rate, arguments.robot).finish()
    if arguments.json:
        print_json({"written": written, "passed_over": len(jobs) - len(open_jobs), "errors": errors})
    else:
        for error in errors:
            print(f"mivla: {error}", file=sys.stderr)
        words = f"{written} written, {len(jobs) - len(open_jobs)} stood there already, {len(errors)} failed"
        print(f"{arguments.out}: {words}")
    return 1 if errors else 0
