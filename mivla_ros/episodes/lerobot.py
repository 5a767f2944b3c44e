"""LeRobot v3 data sets, read: parquet rows, videos or embedded pictures, and what meta/ says of them.

Rows are numbers without units or frames. Where the set was written by this suite, ``meta/mivla.json`` says the rest;
otherwise a robot profile does, when its joints are among the names of the columns.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mivla_ros.episodes.bag_reader import arm_layouts, eef_pose_of
from mivla_ros.episodes.egodex import HAND_COLUMNS, HAND_UNITS
from mivla_ros.episodes.episode import (
    Array,
    Camera,
    Episode,
    EpisodeInfo,
    LazyMapping,
    Stamps,
    Stream,
    check_stream,
)
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.video_file import VideoCamera, VideoFile
from mivla_ros.observations.compressed_image import ImageError, rgb_from_compressed, rgb_size
from mivla_ros.robots.profile import RobotProfile, load_profile, profile_names

FORMAT = "lerobot"
INFO, EXTRA, TASKS, EPISODES = "meta/info.json", "meta/mivla.json", "meta/tasks.parquet", "meta/episodes"
STATE, ACTION = "observation.state", "action"
MAX_JSON_BYTES = 64 * 1024 * 1024
MAX_TABLE_BYTES = 2 * 1024 * 1024 * 1024
_OPEN_VIDEOS = 32


def is_dataset(path: Path) -> bool:
    """True for the folder of a LeRobot data set of any version."""
    return (path / INFO).is_file()


def _json(root: Path, name: str) -> dict[str, Any]:
    file = root / name
    if file.stat().st_size > MAX_JSON_BYTES:
        raise EpisodeError(file, "file", f"holds {file.stat().st_size} bytes", limit=f"{MAX_JSON_BYTES}")
    try:
        data = json.loads(file.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise EpisodeError(file, "file", f"is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise EpisodeError(file, "file", f"holds {type(data).__name__}", limit="an object")
    return data


def _table(path: Path, columns: Sequence[str] | None = None, episode: int | None = None) -> pa.Table:
    """Columns of a parquet file, of one episode's rows. Raises EpisodeError; sizes are checked before reading."""
    try:
        file = pq.ParquetFile(path)
        size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
        if not 0 <= size <= MAX_TABLE_BYTES or file.metadata.num_rows > 100_000_000:
            raise EpisodeError(path, "footer", f"claims {size} bytes", limit=f"{MAX_TABLE_BYTES}")
        filters = None if episode is None else [("episode_index", "=", episode)]
        return pq.read_table(path, columns=None if columns is None else list(columns), filters=filters)
    except EpisodeError:
        raise
    except FileNotFoundError as error:
        raise EpisodeError(path, "file", "is missing") from error
    except Exception as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EpisodeError(path, "file", f"is no sound parquet file: {text}") from error


class LeRobotDataset:
    """An open data set; ``len`` episodes. Videos are opened when first asked for and shared by their episodes."""

    def __init__(self, root: Path, robot: str | RobotProfile = "") -> None:
        """Raises EpisodeError where meta/ is missing, damaged or of another version."""
        self.root = root
        if not is_dataset(root):
            raise EpisodeError(root, INFO, "is missing: no LeRobot data set")
        info = _json(root, INFO)
        version = str(info.get("codebase_version", ""))
        if not version.startswith("v3."):
            raise EpisodeError(root / INFO, "codebase_version", f"is {version!r}", limit="v3.x")
        self.rate = self._number(info, "fps", 0.1, 1000.0)
        self.features: dict[str, dict[str, Any]] = info.get("features") or {}
        if not isinstance(self.features, dict) or not all(isinstance(f, dict) for f in self.features.values()):
            raise EpisodeError(root / INFO, "features", "is no object of objects")
        self.data_path = self._pattern(info, "data_path", "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet")
        video = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
        self.video_path = self._pattern(info, "video_path", video)
        self.robot_type = str(info.get("robot_type") or "")
        self.extra = _json(root, EXTRA) if (root / EXTRA).is_file() else {}
        self.profile = self._profile(robot)
        self.tasks = self._tasks()
        self.rows = self._episodes()
        self._videos: dict[Path, VideoFile] = {}

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.rows)

    def close(self) -> None:
        """Give every video back."""
        for video in self._videos.values():
            video.close()
        self._videos.clear()

    def _number(self, info: Mapping[str, Any], key: str, low: float, high: float) -> float:
        value = info.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise EpisodeError(self.root / INFO, key, f"is {value!r}", limit=f"{low:g} to {high:g}")
        return float(value)

    def _pattern(self, info: Mapping[str, Any], key: str, default: str) -> str:
        value = info.get(key) or default
        if not isinstance(value, str) or len(value) > 1000:
            raise EpisodeError(self.root / INFO, key, "is no pattern of a path")
        return value

    def _file(self, pattern: str, chunk: int, file: int, key: str = "") -> Path:
        """The file a pattern means; never outside the data set."""
        for value in (chunk, file):
            if not 0 <= value < 10_000_000:
                raise EpisodeError(self.root / EPISODES, "chunk_index, file_index", f"is {value}", limit="0 to 10^7")
        values = {"chunk_index": chunk, "file_index": file, "video_key": key}

        def field(match: re.Match[str]) -> str:
            if match[1] not in values:
                raise EpisodeError(self.root / INFO, "path pattern", f"{pattern!r} names {match[1]!r}")
            value = values[match[1]]
            return f"{value:0{int(match[2])}d}" if match[2] and isinstance(value, int) else str(value)

        name = re.sub(r"\{(\w+)(?::0(\d)d)?\}", field, pattern)
        path = (self.root / name).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise EpisodeError(self.root / INFO, "path pattern", f"leads outside the data set: {name!r}")
        return path

    def _profile(self, robot: str | RobotProfile) -> RobotProfile | None:
        if isinstance(robot, RobotProfile):
            return robot
        name = robot or self.robot_type
        if not robot and name not in profile_names():
            return None
        try:
            return load_profile(name)
        except ValueError as error:
            raise EpisodeError(self.root / INFO, "robot_type", str(error)) from error

    def _tasks(self) -> dict[int, str]:
        table = _table(self.root / TASKS)
        words = next((n for n in ("task", "__index_level_0__") if n in table.column_names), None)
        if words is None or "task_index" not in table.column_names:
            raise EpisodeError(self.root / TASKS, "task, task_index", "is missing")
        pairs = zip(table["task_index"].to_pylist(), table[words].to_pylist(), strict=True)
        return {int(i): str(text) for i, text in pairs if i is not None}

    def _episodes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        files = sorted((self.root / EPISODES).glob("*/*.parquet"))
        if not files:
            raise EpisodeError(self.root / EPISODES, "file", "is missing")
        for file in files:
            try:
                names = [n for n in pq.read_schema(file).names if not n.startswith("stats/")]
            except Exception as error:
                raise EpisodeError(file, "file", f"is no sound parquet file: {error}") from error
            missing = {"episode_index", "length", "data/chunk_index", "data/file_index"} - set(names)
            if missing:
                raise EpisodeError(file, ", ".join(sorted(missing)), "is missing")
            found += _table(file, names).to_pylist()
        found.sort(key=lambda row: row["episode_index"])
        for index, row in enumerate(found):
            if row["episode_index"] != index:
                raise EpisodeError(
                    self.root / EPISODES, "episode_index", f"is {row['episode_index']}", index, f"{index}"
                )
            if not isinstance(row["length"], int) or not 0 < row["length"] <= 10_000_000:
                raise EpisodeError(self.root / EPISODES, "length", f"is {row['length']}", index, "1 to 10^7")
        return found

    def episode(self, index: int) -> Episode:
        """Open one episode. Raises EpisodeError."""
        if not 0 <= index < len(self.rows):
            raise EpisodeError(self.root, "episode", "no such episode", index, f"{len(self.rows)}")
        row = self.rows[index]
        extra = (self.extra.get("episodes") or {}).get(str(index), {})
        extra = extra if isinstance(extra, dict) else {}
        path = self._file(self.data_path, row["data/chunk_index"], row["data/file_index"])
        plain = [n for n, f in self.features.items() if f.get("dtype") not in ("image", "video", "string")]
        table = _table(path, [n for n in plain if n in _names(path)], index)
        count = table.num_rows
        if count != row["length"]:
            raise EpisodeError(
                path, "episode_index", f"holds {count} rows of episode {index}", limit=f"{row['length']}"
            )
        start = extra.get("start_ns", 0)
        start = start if isinstance(start, int) and 0 <= start < 2**62 else 0
        stamps = self._stamps(path, table, start)
        streams = self._streams(path, table, stamps)
        cameras: dict[str, Callable[[], Camera]] = {}
        for key, feature in self.features.items():
            name = key.removeprefix("observation.images.").removeprefix("observation.")
            if feature.get("dtype") == "video" and not (feature.get("info") or {}).get("is_depth_map"):
                cameras[name] = partial(self._video_camera, key, name, row, stamps)
            elif feature.get("dtype") == "image":
                cameras[name] = partial(ParquetCamera, path, key, name, index, stamps)
        profile = self.profile if self._fits(streams) else None
        human = any(name.startswith("hand.") for name in streams)
        info = EpisodeInfo(
            name=f"{self.root.name}/{index}",
            path=self.root,
            format=FORMAT,
            embodiment="human" if human else "robot",
            robot="human" if human else profile.name if profile else self.robot_type or "unknown",
            instructions=self._instructions(row, table),
            rate=self.rate,
            start_ns=int(stamps[0]),
            end_ns=int(stamps[-1]),
            label=str(extra.get("label", "")),
            metadata={"episode": str(index)},
        )
        layouts = arm_layouts(profile) if profile else ()
        pose = eef_pose_of(profile) if profile else None
        return Episode(info, LazyMapping(cameras), LazyMapping(streams), layouts, pose)

    def _instructions(self, row: Mapping[str, Any], table: pa.Table) -> tuple[str, ...]:
        texts = row.get("tasks")
        if isinstance(texts, list) and texts:
            return tuple(str(text) for text in texts)
        if "task_index" not in table.column_names:
            return ()
        numbers = dict.fromkeys(table["task_index"].to_pylist())
        return tuple(self.tasks[i] for i in numbers if i in self.tasks)

    def _stamps(self, path: Path, table: pa.Table, start_ns: int) -> Stamps:
        if "timestamp" not in table.column_names:
            raise EpisodeError(path, "timestamp", "is missing")
        seconds = np.asarray(table["timestamp"].to_numpy(), dtype=np.float64)
        exact = np.arange(len(seconds)) / self.rate
        off = ~(np.abs(seconds - seconds[0] - exact) <= 0.5 / self.rate)
        if off.any():
            row = int(np.argmax(off))
            text = f"is {seconds[row]:g} s, a frame rate of {self.rate:g} Hz makes it {exact[row]:g} s"
            raise EpisodeError(path, "timestamp", text, row, "half a frame")
        return start_ns + np.round(exact * 1e9).astype(np.int64)  # float32 on disk: the rate is what is meant

    def _streams(self, path: Path, table: pa.Table, stamps: Stamps) -> dict[str, Callable[[], Stream]]:
        makers: dict[str, Callable[[], Stream]] = {}
        skipped = {"timestamp", "frame_index", "episode_index", "index", "task_index"}
        for name in table.column_names:
            if name in skipped:
                continue
            makers[name] = partial(self._column, path, table, name, stamps)
        names = {key: self._columns(key) for key in (STATE, ACTION)}
        for key, target, later in ((STATE, "joints", 0), (ACTION, "commands", round(1e9 / self.rate))):
            if key not in makers:
                continue
            found = False
            for side, columns in HAND_COLUMNS.items() if key == STATE else ():
                if all(column in names[key] for column in columns):
                    picked = [names[key].index(column) for column in columns]
                    makers[f"hand.{side}"] = partial(self._hand, path, table, key, side, picked, stamps)
                    found = True
            if not found and not any(name.startswith("hand.") for name in makers):
                makers[target] = partial(self._column, path, table, key, stamps + later, target)
        return makers

    def _hand(self, path: Path, table: pa.Table, key: str, side: str, picked: list[int], stamps: Stamps) -> Stream:
        values = self._values(path, table, key)[:, picked]
        stream = Stream(
            f"hand.{side}", stamps, values, HAND_COLUMNS[side], HAND_UNITS, str(self.extra.get("frame", ""))
        )
        return check_stream(path, stream)

    def _columns(self, key: str) -> tuple[str, ...]:
        feature = self.features.get(key, {})
        names = feature.get("names")
        if isinstance(names, dict):
            names = [n for group in names.values() if isinstance(group, list) for n in group]
        shape = feature.get("shape") or [1]
        count = int(np.prod([n for n in shape if isinstance(n, int)], dtype=object)) if isinstance(shape, list) else 1
        if not isinstance(names, list) or len(names) != count:
            names = [str(i) for i in range(min(count, 100_000))]
        return tuple(str(n).removesuffix(".pos") for n in names)

    def _values(self, path: Path, table: pa.Table, key: str) -> Array:
        try:
            column = table[key].combine_chunks()
            rows = column.to_numpy(zero_copy_only=False)
            if rows.dtype == object:
                rows = np.stack([np.asarray(row, dtype=np.float64).ravel() for row in rows])
            return np.asarray(rows, dtype=np.float64).reshape(len(column), -1)
        except (ValueError, TypeError, pa.ArrowException) as error:
            raise EpisodeError(path, key, f"is no table of numbers: {error}") from error

    def _column(self, path: Path, table: pa.Table, key: str, stamps: Stamps, name: str = "") -> Stream:
        values = self._values(path, table, key)
        columns = self._columns(key)
        if len(columns) != values.shape[1]:
            raise EpisodeError(
                path, key, f"has {values.shape[1]} columns", limit=f"{len(columns)} as meta/info.json says"
            )
        said = self.extra.get("units")
        units = [str(said.get(c, "?")) for c in columns] if isinstance(said, dict) else self._units(columns)
        return check_stream(path, Stream(name or key, stamps, values, columns, tuple(units)))

    def _units(self, columns: Sequence[str]) -> list[str]:
        grippers = {arm.gripper.joint for arm in self.profile.arms if arm.gripper} if self.profile else set()
        known = set(self.profile.joint_names) if self.profile else set()
        return ["m" if c in grippers else "rad" if c in known else "?" for c in columns]

    def _fits(self, streams: Mapping[str, object]) -> bool:
        return (
            self.profile is not None
            and "joints" in streams
            and set(self.profile.joint_names) <= set(self._columns(STATE))
        )

    def _video_camera(self, key: str, name: str, row: Mapping[str, Any], stamps: Stamps) -> VideoCamera:
        prefix = f"videos/{key}"
        try:
            chunk, file = int(row[f"{prefix}/chunk_index"]), int(row[f"{prefix}/file_index"])
            begin = float(row[f"{prefix}/from_timestamp"])
        except (KeyError, TypeError, ValueError) as error:
            text = f"is missing for episode {row['episode_index']}"
            raise EpisodeError(self.root / EPISODES, prefix, text) from error
        path = self._file(self.video_path, chunk, file, key)
        if path not in self._videos:
            if len(self._videos) >= _OPEN_VIDEOS:
                self._videos.pop(next(iter(self._videos)))
            self._videos[path] = VideoFile(path, key)
        video = self._videos[path]
        first = int(np.searchsorted(video.seconds - video.seconds[0], begin - 0.5 / self.rate))
        return VideoCamera(name, video, stamps, first)


def _names(path: Path) -> list[str]:
    try:
        return list(pq.read_schema(path).names)
    except FileNotFoundError as error:
        raise EpisodeError(path, "file", "is missing") from error
    except Exception as error:
        raise EpisodeError(path, "file", f"is no sound parquet file: {error}") from error


class ParquetCamera:
    """Pictures embedded in a parquet file, read with the first one asked for."""

    def __init__(self, path: Path, key: str, name: str, episode: int, stamps: Stamps) -> None:
        self.name, self.frame_id, self.stamps_ns, self.intrinsics = name, "", stamps, None
        self._path, self._key, self._episode = path, key, episode
        self._rows: list[Any] | None = None

    def _bytes(self, index: int) -> bytes:
        if self._rows is None:
            self._rows = _table(self._path, [self._key], self._episode)[self._key].to_pylist()
        row = self._rows[index] if 0 <= index < len(self._rows) else None
        data = row.get("bytes") if isinstance(row, dict) else None
        if not isinstance(data, bytes):
            raise EpisodeError(self._path, self._key, "holds no picture", index)
        return data

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        try:
            return rgb_size(self._bytes(0))
        except ImageError as error:
            raise EpisodeError(self._path, self._key, str(error), 0) from error

    def rgb(self, index: int, at_least: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """One picture in RGB."""
        try:
            return rgb_from_compressed(self._bytes(index), at_least)
        except ImageError as error:
            raise EpisodeError(self._path, self._key, str(error), index) from error

    def encoded(self, index: int) -> bytes | None:
        """PNG or JPEG bytes as stored."""
        return self._bytes(index)
