"""LeRobot v3 data sets, written: one parquet file and one video a camera for each episode.

Each is closed before the next begins, so a crash loses the episode being written and nothing else. meta/ is made at
the end from what stands there, and again after every run. Units, frames, labels and start times, for which the format
has no place, are in meta/mivla.json.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mivla_ros import action_space
from mivla_ros.episodes.episode import Array, Episode, Stamps
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.interpolation import numbers_at
from mivla_ros.episodes.observing import Observer
from mivla_ros.episodes.running_statistics import RunningStatistics
from mivla_ros.episodes.unified import UnifiedEpisode
from mivla_ros.episodes.video_file import VideoFile, write_video

VERSION = "v3.0"
CHUNK = 1000
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
PART = "meta/parts/{index:06d}.json"
STATISTICS_PICTURES = 30  # a camera and episode


@dataclass(frozen=True, eq=False)
class LeRobotRows:
    """One episode as rows at a fixed rate. state, action (N, columns); pictures by camera, in order of the rows."""

    columns: tuple[str, ...]
    units: tuple[str, ...]
    state: Array
    action: Array
    stamps_ns: Stamps
    observed_ns: Stamps
    frame: str


def rows_of(episode: Episode, rate: float) -> LeRobotRows:
    """An episode at a fixed rate: the observation newest at each tick, and the action of the next one.

    Robots keep their joints' names and units; hands are the unified space's human values. Raises EpisodeError where
    half a second or more of observations is missing.
    """
    observer = Observer(episode)
    found = observer.stamps()
    if not len(found):
        raise EpisodeError(episode.info.path, "frames", "there is no moment with every stream")
    period = 1e9 / rate
    count = int((found[-1] - found[0]) / period + 1e-6) + 1
    ticks = found[0] + np.round(np.arange(count) * period).astype(np.int64)
    # a quarter of a period of tolerance, for cameras that jitter around their rate
    observed = found[np.maximum(np.searchsorted(found, ticks + round(period / 4), side="right") - 1, 0)]
    old = ticks - observed
    if (old > max(5e8, 2 * period)).any():
        index = int(np.argmax(old))
        text = f"no observation for {old[index] / 1e9:.3g} s"
        raise EpisodeError(episode.info.path, "frames", text, index, "0.5 s")
    after = np.minimum(observed + round(period), UnifiedEpisode(episode).end_ns)
    if episode.info.embodiment == "human":
        unified = UnifiedEpisode(episode)
        state, action = unified.states(observed), unified.actions(after)
        used = [i for i in range(action_space.HUMAN_SIZE) if state.mask[0, i]]
        values = [action_space.VALUES[i] for i in used]
        frame = next(s.frame_id for n, s in ((n, episode.streams[n]) for n in episode.streams) if n.startswith("hand."))
        columns, units = tuple(v.name for v in values), tuple(v.unit for v in values)
        return LeRobotRows(
            columns,
            units,
            state.values[:, used].astype(np.float64),
            action.values[:, used].astype(np.float64),
            ticks,
            observed,
            frame,
        )
    joints = episode.streams.get("joints")
    if joints is None:
        raise EpisodeError(episode.info.path, "joints", "the episode has none")
    commands = episode.streams.get("commands")
    columns = joints.columns if commands is None else tuple(c for c in joints.columns if c in commands.columns)
    wanted = [joints.columns.index(c) for c in columns]
    state_rows = numbers_at(joints, wanted, observed)
    source = commands if commands is not None else joints
    action_rows = numbers_at(source, [source.columns.index(c) for c in columns], after)
    units = tuple(joints.units[i] for i in wanted)
    return LeRobotRows(columns, units, state_rows, action_rows, ticks, observed, "")


class LeRobotWriter:
    """A data set being written. Episodes come in any order and from several processes; ``finish`` makes meta/."""

    def __init__(self, root: Path, rate: float, robot: str = "") -> None:
        self.root, self.rate, self.robot = root, rate, robot

    def part(self, index: int) -> Path:
        """The file that says an episode is written."""
        return self.root / PART.format(index=index)

    def is_written(self, index: int, source: str) -> bool:
        """True where that episode stands already, made from the same source."""
        try:
            return bool(json.loads(self.part(index).read_text("utf-8")).get("source") == source)
        except (OSError, ValueError, AttributeError):
            return False

    def write(self, index: int, episode: Episode, source: str) -> None:
        """Write one episode under a number; ``source`` tells what it was made from. Raises EpisodeError."""
        rows = rows_of(episode, self.rate)
        statistics: dict[str, Any] = {}
        cameras: dict[str, list[int]] = {}
        for name, camera in episode.cameras.items():
            key = f"observation.images.{name}"
            numbers = np.maximum(np.searchsorted(camera.stamps_ns, rows.observed_ns, side="right") - 1, 0)
            path = self._file(VIDEO_PATH, index, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(".part")
            sampled = _PictureStatistics(len(numbers), index)
            write_video(unfinished, sampled.watch(camera.rgb(int(i)) for i in numbers), self.rate)
            video = VideoFile(unfinished, key)
            cameras[name] = [*video.size]
            count = video.count
            video.close()
            if count != len(numbers):
                raise EpisodeError(unfinished, key, f"{count} pictures were written", limit=f"{len(numbers)}")
            unfinished.replace(path)
            statistics[key] = sampled.to_json()
        count = len(rows.stamps_ns)
        columns: dict[str, NDArray[Any]] = {
            "observation.state": rows.state.astype(np.float32),
            "action": rows.action.astype(np.float32),
            "timestamp": (np.arange(count) / self.rate).astype(np.float32),
            "frame_index": np.arange(count, dtype=np.int64),
        }
        for key, values in columns.items():
            table = values.reshape(count, -1).astype(np.float64)
            statistics[key] = RunningStatistics.of(table, index).to_json() | {"count": [count]}
        data = self._file(DATA_PATH, index).with_suffix(".npz")
        data.parent.mkdir(parents=True, exist_ok=True)
        unfinished = data.with_suffix(".part")
        with unfinished.open("wb") as file:
            np.savez(file, **columns)  # type: ignore[arg-type]
        unfinished.replace(data)
        part = {
            "source": source,
            "length": count,
            "task": episode.info.instruction,
            "label": episode.info.label,
            "robot": episode.info.robot,
            "embodiment": episode.info.embodiment,
            "start_ns": int(rows.stamps_ns[0]),
            "columns": rows.columns,
            "units": rows.units,
            "frame": rows.frame,
            "cameras": cameras,
            "statistics": statistics,
        }
        _write_json(self.part(index), part)

    def finish(self) -> int:
        """Make the parquet files and meta/ from all written episodes; their number. Raises EpisodeError where they do
        not fit together or one in between is missing.
        """
        files = sorted((self.root / "meta/parts").glob("*.json"))
        parts = [json.loads(file.read_text("utf-8")) for file in files]
        if not parts:
            raise EpisodeError(self.root, "meta/parts", "no episode was written")
        for number, (file, part) in enumerate(zip(files, parts, strict=True)):
            if int(file.stem) != number:
                raise EpisodeError(self.root, "meta/parts", "episode is missing", number)
            for key in ("columns", "units", "cameras", "robot", "frame"):
                if part[key] != parts[0][key]:
                    limit = f"{parts[0][key]} as the first episode"
                    raise EpisodeError(self.root, key, f"is {part[key]}", number, limit)
        tasks = {text: i for i, text in enumerate(dict.fromkeys(part["task"] for part in parts))}
        first = 0
        episodes = []
        for number, part in enumerate(parts):
            self._write_rows(number, part, first, tasks[part["task"]])
            episodes.append(_episode_row(number, part, first, self.rate))
            first += part["length"]
        meta = self.root / "meta"
        _write_table(pa.Table.from_pylist(episodes), meta / "episodes/chunk-000/file-000.parquet")
        _write_table(_tasks_table(tasks), meta / "tasks.parquet")
        _write_json(meta / "stats.json", _all_statistics(parts))
        extra = {
            "units": dict(zip(parts[0]["columns"], parts[0]["units"], strict=True)),
            "frame": parts[0]["frame"],
            "episodes": {
                str(i): {key: part[key] for key in ("start_ns", "label", "source")} for i, part in enumerate(parts)
            },
        }
        _write_json(meta / "mivla.json", extra)
        _write_json(meta / "info.json", self._info(parts, first, len(tasks)))
        return len(parts)

    def _file(self, pattern: str, index: int, key: str = "") -> Path:
        return self.root / pattern.format(chunk_index=index // CHUNK, file_index=index % CHUNK, video_key=key)

    def _write_rows(self, number: int, part: Mapping[str, Any], first: int, task: int) -> None:
        count = part["length"]
        path = self._file(DATA_PATH, number)
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as data:
            if len(data["timestamp"]) != count:
                raise EpisodeError(path, "timestamp", f"has {len(data['timestamp'])} rows", limit=f"{count}")
            width = data["action"].shape[1]
            columns = {
                key: pa.FixedSizeListArray.from_arrays(pa.array(data[key].ravel()), width)
                for key in ("observation.state", "action")
            } | {key: pa.array(data[key]) for key in ("timestamp", "frame_index")}
        columns["episode_index"] = pa.array(np.full(count, number, dtype=np.int64))
        columns["index"] = pa.array(np.arange(first, first + count, dtype=np.int64))
        columns["task_index"] = pa.array(np.full(count, task, dtype=np.int64))
        _write_table(pa.table(columns), path)

    def _info(self, parts: Sequence[Mapping[str, Any]], frames: int, tasks: int) -> dict[str, Any]:
        names = list(parts[0]["columns"])
        features: dict[str, Any] = {
            key: {"dtype": "float32", "shape": [len(names)], "names": names} for key in ("observation.state", "action")
        }
        for name, (height, width) in parts[0]["cameras"].items():
            features[f"observation.images.{name}"] = {
                "dtype": "video",
                "shape": [height, width, 3],
                "names": ["height", "width", "channels"],
                "info": {
                    "video.height": height,
                    "video.width": width,
                    "video.codec": "h264",
                    "video.pix_fmt": "yuv420p",
                    "video.fps": self.rate,
                    "video.channels": 3,
                    "has_audio": False,
                    "is_depth_map": False,
                },
            }
        features["timestamp"] = {"dtype": "float32", "shape": [1], "names": None}
        for key in ("frame_index", "episode_index", "index", "task_index"):
            features[key] = {"dtype": "int64", "shape": [1], "names": None}
        return {
            "codebase_version": VERSION,
            "fps": int(self.rate) if float(self.rate).is_integer() else self.rate,
            "features": features,
            "total_episodes": len(parts),
            "total_frames": frames,
            "total_tasks": tasks,
            "chunks_size": CHUNK,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "data_path": DATA_PATH,
            "video_path": VIDEO_PATH if parts[0]["cameras"] else None,
            "robot_type": self.robot or parts[0]["robot"],
            "splits": {"train": f"0:{len(parts)}"},
        }


class _PictureStatistics:
    """Per channel, in 0 to 1, of some pictures that pass by."""

    def __init__(self, count: int, identity: int) -> None:
        self._step, self._identity = max(count // STATISTICS_PICTURES, 1), identity
        self._found: RunningStatistics | None = None
        self._pictures = 0

    def watch(self, pictures: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
        """Pass pictures on, looking at some."""
        for number, rgb in enumerate(pictures):
            if number % self._step == 0:
                stride = max(int(np.sqrt(rgb.shape[0] * rgb.shape[1] / 10_000)), 1)
                rows = rgb[::stride, ::stride].reshape(-1, 3) / 255.0
                found = RunningStatistics.of(rows, self._identity * 1_000_003 + number)
                self._found = found if self._found is None else self._found.merged(found)
                self._pictures += 1
            yield rgb

    def to_json(self) -> dict[str, Any]:
        """As LeRobot writes it: (3, 1, 1) lists, count of pictures."""
        assert self._found is not None
        found = self._found.to_json()
        shaped = {key: np.reshape(value, (3, 1, 1)).tolist() for key, value in found.items() if key != "count"}
        return shaped | {"count": [self._pictures]}


def _all_statistics(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Statistics of all episodes from each one's; quantiles are weighted means of theirs, as LeRobot does."""
    whole: dict[str, Any] = {}
    for key in parts[0]["statistics"]:
        each = [part["statistics"][key] for part in parts]
        counts = np.array([entry["count"][0] for entry in each], dtype=np.float64)
        weights = counts / counts.sum()
        mean = sum(w * np.array(e["mean"]) for w, e in zip(weights, each, strict=True))
        squares = [np.square(e["std"]) + np.square(e["mean"]) for e in each]
        square = sum(w * s for w, s in zip(weights, squares, strict=True))
        found = {
            "min": np.min([e["min"] for e in each], axis=0),
            "max": np.max([e["max"] for e in each], axis=0),
            "mean": mean,
            "std": np.sqrt(np.maximum(square - np.square(mean), 0.0)),
        }
        for name in ("q01", "q10", "q50", "q90", "q99"):
            found[name] = sum(w * np.array(e[name]) for w, e in zip(weights, each, strict=True))
        lists = {name: np.asarray(value).tolist() for name, value in found.items()}
        whole[key] = lists | {"count": [int(counts.sum())]}
    return whole


def _episode_row(number: int, part: Mapping[str, Any], first: int, rate: float) -> dict[str, Any]:
    row: dict[str, Any] = {
        "episode_index": number,
        "tasks": [part["task"]],
        "length": part["length"],
        "data/chunk_index": number // CHUNK,
        "data/file_index": number % CHUNK,
        "dataset_from_index": first,
        "dataset_to_index": first + part["length"],
        "meta/episodes/chunk_index": 0,
        "meta/episodes/file_index": 0,
    }
    for name in part["cameras"]:
        prefix = f"videos/observation.images.{name}"
        row |= {
            f"{prefix}/chunk_index": number // CHUNK,
            f"{prefix}/file_index": number % CHUNK,
            f"{prefix}/from_timestamp": 0.0,
            f"{prefix}/to_timestamp": part["length"] / rate,
        }
    for key, entry in part["statistics"].items():
        row |= {f"stats/{key}/{name}": value for name, value in entry.items()}
    return row


def _tasks_table(tasks: Mapping[str, int]) -> pa.Table:
    """Tasks with their words as the index, which LeRobot reads through pandas."""
    table = pa.table({"task_index": pa.array(list(tasks.values()), pa.int64()), "task": pa.array(list(tasks))})
    described = [
        {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy, "metadata": None}
        for name, kind, numpy in (("task_index", "int64", "int64"), ("task", "unicode", "object"))
    ]
    pandas = {"index_columns": ["task"], "column_indexes": [], "columns": described, "pandas_version": "2.3.3"}
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})


def _atomically(path: Path, write: Callable[[Path], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    write(unfinished)
    unfinished.replace(path)


def _write_table(table: pa.Table, path: Path) -> None:
    _atomically(path, lambda unfinished: pq.write_table(table, unfinished, compression="snappy"))


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    _atomically(path, lambda unfinished: unfinished.write_text(json.dumps(data, indent=1), "utf-8"))
