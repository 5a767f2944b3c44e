"""Statistics of the unified values of many episodes, by robot and space, stored with a hash of what they describe.

Each episode's part is kept in a folder beside the result, under a key of its files' sizes and times and of the
options. A later run computes the parts that are missing, leaves out those of episodes that have gone, and merges anew:
in the order of the episodes' content hashes, so that neither the number of workers nor their order changes a bit of it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mivla_ros import action_space
from mivla_ros.episodes.episode import Episode
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.formats import EpisodeRef, read_episode
from mivla_ros.episodes.parallel import map_unordered
from mivla_ros.episodes.running_statistics import QUANTILES, RunningStatistics
from mivla_ros.episodes.unified import ActionSource, Rows, UnifiedEpisode
from mivla_ros.robots.profile import load_profile

VERSION = 1
SPACES = {"human": action_space.HUMAN, "robot": action_space.ROBOT, "eef": action_space.EEF}
ROLES = ("state", "action")
DEFAULT_RATE = 30.0


@dataclass(frozen=True)
class StatisticsOptions:
    """rate: rows a second that are looked at. source: what counts as a robot's action."""

    rate: float = DEFAULT_RATE
    source: ActionSource = ActionSource.AUTO


@dataclass(frozen=True, eq=False)
class EpisodePart:
    """One episode's statistics by space and role. content: SHA-256 of the rows they describe; columns: by space."""

    robot: str
    content: str
    frames: int
    columns: Mapping[str, tuple[int, ...]]
    statistics: Mapping[str, RunningStatistics]


def episode_part(episode: Episode, options: StatisticsOptions) -> EpisodePart:
    """Statistics of one episode at a fixed rate. Raises EpisodeError."""
    unified = UnifiedEpisode(episode, options.source)
    end = min(unified.end_ns, episode.info.end_ns)
    start = episode.info.start_ns
    count = int((end - start) / 1e9 * options.rate + 1e-6) + 1
    stamps = start + np.round(np.arange(count) * (1e9 / options.rate)).astype(np.int64)
    rows: dict[str, Rows] = {"state": unified.states(stamps), "action": unified.actions(stamps)}
    digest = hashlib.sha256(episode.info.robot.encode())
    for role in ROLES:
        digest.update(np.ascontiguousarray(rows[role].values).tobytes())
        digest.update(np.packbits(rows[role].mask).tobytes())
    identity = int.from_bytes(digest.digest()[:8], "little")
    columns: dict[str, tuple[int, ...]] = {}
    found: dict[str, RunningStatistics] = {}
    for space, where in SPACES.items():
        used = [i for i in range(where.start, where.stop) if all(rows[role].mask[:, i].any() for role in ROLES)]
        if not used:
            continue
        columns[space] = tuple(used)
        for role in ROLES:
            good = rows[role].mask[:, used].all(axis=1)
            found[f"{space}.{role}"] = RunningStatistics.of(
                rows[role].values[good][:, used].astype(np.float64), identity
            )
    if not found:
        raise EpisodeError(episode.info.path, "streams", "nothing of it is in the unified space; name the robot")
    return EpisodePart(episode.info.robot, digest.hexdigest(), count, columns, found)


def files_of(ref: EpisodeRef) -> list[Path]:
    """Files an episode is made of."""
    if ref.path.is_dir():
        return sorted(file for file in ref.path.rglob("*") if file.is_file() and file.suffix != ".mp4")
    return [ref.path]


def part_key(ref: EpisodeRef, options: StatisticsOptions, robot: str, topics: Mapping[str, str] | None = None) -> str:
    """A name for an episode's part: it changes with the files' names, sizes and times, with the options, the robot's
    profile where one is named, and the topics."""
    words = [str(VERSION), json.dumps(asdict(options)), robot, ref.format, str(ref.index), ref.path.name]
    words += [load_profile(robot).hash] if robot else []
    words += [json.dumps(dict(topics), sort_keys=True)] if topics else []
    for one in files_of(ref):
        found = one.stat()
        words += [one.name, str(found.st_size), str(found.st_mtime_ns)]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class _Job:
    ref: EpisodeRef
    file: Path
    options: StatisticsOptions
    robot: str
    topics: Mapping[str, str]


def _make_part(job: _Job) -> str:
    """Compute and store one part; the error in words, empty where it went well."""
    try:
        with read_episode(job.ref, job.robot, job.topics) as episode:
            save_part(episode_part(episode, job.options), job.file)
    except (EpisodeError, ValueError) as error:
        return str(error)
    return ""


def save_part(part: EpisodePart, file: Path) -> None:
    """Store a part as npz without pickles."""
    head = {"robot": part.robot, "content": part.content, "frames": part.frames, "columns": part.columns}
    arrays: dict[str, Any] = {"head": np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)}
    for name, one in part.statistics.items():
        for key in ("minimum", "maximum", "mean", "squares", "sample", "keys"):
            arrays[f"{name}.{key}"] = getattr(one, key)
        arrays[f"{name}.count"] = np.int64(one.count)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part")
    with unfinished.open("wb") as stream:
        np.savez(stream, **arrays)
    unfinished.replace(file)


def load_part(file: Path) -> EpisodePart:
    """A stored part. Raises EpisodeError where it is damaged."""
    try:
        with np.load(file, allow_pickle=False) as data:
            head = json.loads(data["head"].tobytes())
            found = {}
            for name in sorted({key.rsplit(".", 1)[0] for key in data.files if key != "head"}):
                arrays = {k: data[f"{name}.{k}"] for k in ("minimum", "maximum", "mean", "squares", "sample", "keys")}
                found[name] = RunningStatistics(int(data[f"{name}.count"]), **arrays)
            columns = {space: tuple(int(i) for i in used) for space, used in head["columns"].items()}
            return EpisodePart(str(head["robot"]), str(head["content"]), int(head["frames"]), columns, found)
    except Exception as error:
        raise EpisodeError(file, "part", f"is damaged, delete it: {error}") from error


def merged(parts: Iterable[EpisodePart], options: StatisticsOptions) -> dict[str, Any]:
    """The result as JSON: ``robots`` by name, then by space, then state and action; ``hash`` of all contents.

    Raises EpisodeError where episodes of one robot have different columns.
    """
    ordered = sorted(parts, key=lambda part: part.content)
    contents = [part.content for part in ordered]
    description = json.dumps([VERSION, asdict(options), contents])
    robots: dict[str, dict[str, Any]] = {}
    running: dict[tuple[str, str], RunningStatistics] = {}
    columns: dict[tuple[str, str], tuple[int, ...]] = {}
    for part in ordered:
        for name, one in part.statistics.items():
            space = name.partition(".")[0]
            if columns.setdefault((part.robot, space), part.columns[space]) != part.columns[space]:
                raise EpisodeError(part.robot, space, "episodes of this robot have different values in this space")
            key = (part.robot, name)
            running[key] = running[key].merged(one) if key in running else one
    for (robot, name), one in sorted(running.items()):
        space, _, role = name.partition(".")
        entry = robots.setdefault(robot, {}).setdefault(space, {})
        entry["columns"] = [action_space.VALUES[i].name for i in columns[robot, space]]
        entry["units"] = [action_space.VALUES[i].unit for i in columns[robot, space]]
        entry[role] = one.to_json()
    return {
        "version": VERSION,
        "hash": hashlib.sha256(description.encode()).hexdigest(),
        "options": asdict(options),
        "quantiles": list(QUANTILES),
        "episodes": contents,
        "frames": sum(part.frames for part in ordered),
        "robots": robots,
    }


def make_statistics(
    refs: Sequence[EpisodeRef],
    out: Path,
    options: StatisticsOptions | None = None,
    robot: str = "",
    workers: int = 1,
    where: str = "processes",
    words: str = "",
    topics: Mapping[str, str] | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """Statistics of episodes into ``out`` (JSON), and the errors of those that could not be read, which are left out.

    Parts are kept in ``OUT.parts``; nothing is written where nothing has changed. Raises EpisodeError where no episode
    can be read.
    """
    chosen = options or StatisticsOptions()
    folder = out.with_suffix(".parts")
    named = dict(topics or {})
    files = [folder / f"{part_key(ref, chosen, robot, named)}.npz" for ref in refs]
    jobs = [_Job(r, f, chosen, robot, named) for r, f in zip(refs, files, strict=True) if not f.exists()]
    errors = [text for _, text in map_unordered(_make_part, jobs, workers, where, words) if text]
    known = [file for file in files if file.exists()]
    if not known:
        raise EpisodeError(out, "episodes", errors[0] if errors else "there are none")
    result = merged([load_part(file) for file in known], chosen)
    text = json.dumps(result, indent=1)
    if not out.exists() or out.read_text("utf-8") != text:
        unfinished = out.with_suffix(".json.part")
        unfinished.write_text(text, "utf-8")
        unfinished.replace(out)
    for file in set(folder.glob("*.npz")) - set(known):
        file.unlink()  # of an episode that has gone or changed
    return result, sorted(errors)


def load_statistics(path: Path) -> dict[str, Any]:
    """Stored statistics. Raises EpisodeError where the file is damaged or of another version."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise EpisodeError(path, "file", f"cannot be read: {error}") from error
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise EpisodeError(path, "version", "is not of this version", limit=str(VERSION))
    return data


def vectors(statistics: Mapping[str, Any], robot: str, role: str = "action", kind: str = "min") -> np.ndarray:
    """(76,) of one kind (min, max, mean, std, q01 ...) for one robot; NaN where it has no such value.

    Raises EpisodeError naming the robots there are.
    """
    found = np.full(action_space.ACTION_SIZE, np.nan)
    if robot not in statistics["robots"]:
        raise EpisodeError("statistics", robot, "is not in them", limit=", ".join(statistics["robots"]))
    place = {value.name: i for i, value in enumerate(action_space.VALUES)}
    for entry in statistics["robots"][robot].values():
        for name, value in zip(entry["columns"], entry[role][kind], strict=True):
            found[place[name]] = value
    return found
