"""The folder that holds the recordings of one robot: new names, the newest one, throwing one away."""

import shutil
from datetime import datetime
from pathlib import Path

from mivla_ros.episodes.recording.repair import is_recording


def new_name(robot: str) -> str:
    """A name for an episode that begins now: robot, date and time to the microsecond."""
    return f"{robot}_{datetime.now().astimezone():%Y-%m-%d_%H-%M-%S_%f}"


def find(folder: Path, name: str) -> Path | None:
    """The recording of that name directly in the folder; with an empty name the newest. None where there is none."""
    if name:
        path = folder / name
        inside = path.name == name and name not in (".", "..")
        return path if inside and is_recording(path) else None
    found = [path for path in folder.glob("*") if is_recording(path)] if folder.is_dir() else []
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)


def discard(path: Path) -> None:
    """Delete one recording. Raises ValueError where the path is none, OSError where the disk refuses."""
    if path.is_symlink() or not is_recording(path):
        raise ValueError(f"{path} is no recording, it is left alone")
    shutil.rmtree(path)
