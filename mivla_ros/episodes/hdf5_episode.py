"""What the readers of HDF5 episodes share: the file's life, frames of a fixed rate from zero, streams of poses."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from mivla_ros.episodes.episode import (
    POSE_COLUMNS,
    POSE_UNITS,
    ArmLayout,
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
from mivla_ros.episodes.hdf5_file import Hdf5File

FARTHEST = 100.0  # m from the origin; more is millimetres


def opened(path: Path, build: Callable[[Path, Hdf5File], Episode]) -> Episode:
    """The episode that ``build`` makes of a file, which stays open with it. Raises EpisodeError."""
    file = Hdf5File(path)
    try:
        return build(path, file)
    except BaseException:
        file.close()
        raise


def episode_of_frames(
    file: Hdf5File,
    stamps: Stamps,
    cameras: Mapping[str, Callable[[], Camera]],
    streams: Mapping[str, Callable[[], Stream]],
    arms: tuple[ArmLayout, ...] = (),
    close: Callable[[], None] | None = None,
    *,
    name: str,
    format: str,
    robot: str,
    instructions: tuple[str, ...],
    rate: float,
    embodiment: Literal["robot", "human"] = "robot",
    label: str = "",
    metadata: Mapping[str, str] | None = None,
) -> Episode:
    """An episode of frames at ``stamps`` (from 0), its other values as in ``EpisodeInfo``. close: closes the file and
    what was opened with it; None where that is the file alone."""
    info = EpisodeInfo(
        name, file.path, format, embodiment, robot, instructions, rate, 0, int(stamps[-1]), label, metadata or {}
    )
    return Episode(info, LazyMapping(cameras), LazyMapping(streams), arms, close=close or file.close)


def pose_stream(file: Hdf5File, name: str, stamps: Stamps, poses: Array, frame: str) -> Stream:
    """Poses (N, 7), xyz m + wxyz, as a stream. Raises EpisodeError where they are not sound."""
    return check_stream(file.path, Stream(name, stamps, poses, POSE_COLUMNS, POSE_UNITS, frame))


def check_metres(file: Hdf5File, key: str, positions: Array) -> None:
    """Raises EpisodeError for the first of the positions (N, 3) that is too far away to be in metres."""
    distances = np.abs(positions).max(axis=1)
    if (distances > FARTHEST).any():
        row = int(np.argmax(distances > FARTHEST))
        text = f"lies {distances[row]:.4g} from the origin: metres are expected"
        raise EpisodeError(file.path, key, text, row, f"{FARTHEST:g} m")
