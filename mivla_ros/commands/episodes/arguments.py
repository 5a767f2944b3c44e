"""Arguments that the episode commands share, and the episodes they mean."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mivla_ros.commands.errors import CommandError

if TYPE_CHECKING:
    from mivla_ros.episodes.episode import Episode
    from mivla_ros.episodes.formats import EpisodeRef


def add_paths(parser: argparse.ArgumentParser) -> None:
    """Paths, --robot, --topics, --json."""
    parser.add_argument("paths", nargs="+", type=Path, help="episodes, or folders that hold them, of any known format")
    parser.add_argument("--robot", default="", help="robot profile (name or YAML), where the files do not name one")
    parser.add_argument("--topics", default="", help="for foreign bags: joint_states=/a/joints,head_camera=/b/image")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def add_workers(parser: argparse.ArgumentParser) -> None:
    """--workers, --ray."""
    parser.add_argument("--workers", type=int, default=max((os.cpu_count() or 2) - 1, 1), help="processes")
    parser.add_argument("--ray", action="store_true", help="work on a Ray cluster (the extra `ray` must be installed)")


def topics_of(arguments: argparse.Namespace) -> dict[str, str]:
    """Topics by relative name. Raises CommandError for a pair without `=`."""
    found = {}
    for pair in filter(None, arguments.topics.split(",")):
        name, mark, topic = pair.partition("=")
        if not mark:
            raise CommandError(f"--topics: {pair!r} is no NAME=/TOPIC")
        found[name.strip()] = topic.strip()
    return found


def refs_of(paths: list[Path], *, strict: bool = False) -> "tuple[list[EpisodeRef], list[str]]":
    """Episodes under the paths, and the errors of files that cannot be told (raised where ``strict``).

    A path of the form FOLDER#NUMBER means one episode of a LeRobot data set.
    """
    from mivla_ros.episodes.formats import EpisodeRef, episodes_at

    refs: list[EpisodeRef] = []
    errors: list[str] = []
    for path in paths:
        for found in episodes_at(path):
            if isinstance(found, EpisodeRef):
                refs.append(found)
            else:
                errors.append(str(found))
    if strict and errors:
        raise CommandError(errors[0])
    if not refs and not errors:
        raise CommandError(f"{', '.join(map(str, paths))}: holds no episode of a known format")
    return refs, errors


def one_episode(arguments: argparse.Namespace) -> "Episode":
    """The one episode the paths mean. Raises CommandError where they mean several."""
    from mivla_ros.episodes.formats import read_episode

    refs, errors = refs_of(arguments.paths)
    if errors and not refs:
        raise CommandError(errors[0])
    if len(refs) != 1:
        raise CommandError(f"{len(refs)} episodes are meant, name one: {refs[0]} ... {refs[-1]}")
    return read_episode(refs[0], arguments.robot, topics_of(arguments))


def print_json(data: Mapping[str, Any] | list[Any]) -> None:
    """JSON on standard output."""
    json.dump(data, sys.stdout, indent=1, default=str)
    print()
