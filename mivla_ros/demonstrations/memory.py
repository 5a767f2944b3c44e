"""An episode that is written like a bag but stays in memory, for demonstrations that become training data at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mivla_ros.episodes.bag_reader import arm_layouts, eef_pose_of
from mivla_ros.episodes.episode import Array, Episode, EpisodeInfo, Stamps, Stream, check_stream, nominal_rate
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.robots.profile import RobotProfile

FORMAT = "memory"


@dataclass(eq=False)
class MemoryCamera:
    """Pictures as they were drawn."""

    name: str
    frame_id: str
    path: Path
    stamps: list[int] = field(default_factory=list)
    pictures: list[NDArray[np.uint8]] = field(default_factory=list)
    intrinsics: Array | None = None

    @property
    def stamps_ns(self) -> Stamps:
        """(N,) capture times."""
        return np.array(self.stamps, dtype=np.int64)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.pictures[0].shape[:2]
        return height, width

    def rgb(self, index: int, at_least: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """One picture. Raises EpisodeError where there is none such."""
        if not -len(self.pictures) <= index < len(self.pictures):
            raise EpisodeError(self.path, self.name, "no such picture", index, f"{len(self.pictures)}")
        return self.pictures[index]

    def encoded(self, index: int) -> bytes | None:
        """None: nothing is encoded."""
        return None


class MemoryEpisode:
    """Takes what an ``EpisodeBag`` takes; ``episode()`` is then what reading that bag would give."""

    def __init__(self, path: Path, profile: RobotProfile, instruction: str, **metadata: str) -> None:
        self._path, self._profile, self._instruction, self._metadata = path, profile, instruction, metadata
        self._label = ""
        self._cameras = {c.name: MemoryCamera(c.name, c.frame, path) for c in profile.cameras}
        self._rows: dict[str, list[tuple[int, Array]]] = {"joints": [], "commands": []}
        self._place = {name: i for i, name in enumerate(profile.joint_names)}

    def set_label(self, label: str) -> None:
        """How it went."""
        self._label = label

    def add_camera_info(self, camera: str, stamp_ns: int, size: tuple[int, int], matrix: Array) -> None:
        """Intrinsics (3, 3) in pixels."""
        self._cameras[camera].intrinsics = matrix

    def add_rgb(self, camera: str, stamp_ns: int, rgb: NDArray[np.uint8]) -> None:
        """A picture (height, width, 3)."""
        self._cameras[camera].stamps.append(stamp_ns)
        self._cameras[camera].pictures.append(rgb)

    def add_joints(
        self, stamp_ns: int, names: Sequence[str], positions: Sequence[float], velocities: Sequence[float] = ()
    ) -> None:
        """Measured joints (rad, m)."""
        self._add("joints", stamp_ns, names, positions)

    def add_commands(self, due_ns: int, names: Sequence[str], positions: Sequence[float]) -> None:
        """Joints as commanded for a moment."""
        self._add("commands", due_ns, names, positions)

    def close(self) -> None:
        """Nothing to give back."""

    def episode(self) -> Episode:
        """What was taken. Raises EpisodeError where that is nothing."""
        grippers = {arm.gripper.joint for arm in self._profile.arms if arm.gripper}
        names = self._profile.joint_names
        units = tuple("m" if name in grippers else "rad" for name in names)
        streams = {}
        for kind, rows in self._rows.items():
            values = np.array([row for _, row in rows]).reshape(len(rows), len(names))
            stream = Stream(kind, np.array([stamp for stamp, _ in rows], dtype=np.int64), values, names, units)
            streams[kind] = check_stream(self._path, stream, may_be_nan=True)
        cameras = {name: camera for name, camera in self._cameras.items() if camera.stamps}
        stamps = min((c.stamps_ns for c in cameras.values()), key=len) if cameras else streams["joints"].stamps_ns
        info = EpisodeInfo(
            name=self._path.name, path=self._path, format=FORMAT, embodiment="robot", robot=self._profile.name,
            instructions=(self._instruction,) if self._instruction else (), rate=nominal_rate(stamps),
            start_ns=int(stamps[0]), end_ns=int(stamps[-1]), label=self._label, metadata=dict(self._metadata),
        )  # fmt: skip
        return Episode(info, cameras, streams, arm_layouts(self._profile), eef_pose_of(self._profile))

    def _add(self, kind: str, stamp_ns: int, names: Sequence[str], positions: Sequence[float]) -> None:
        row = np.full(len(self._place), np.nan)
        for name, position in zip(names, positions, strict=True):
            if name in self._place:
                row[self._place[name]] = position
        self._rows[kind].append((stamp_ns, row))
