"""One episode, whatever file it comes from: cameras, numeric streams and events, by capture stamp, read when asked for.

Streams every reader names alike, each row by its stamp:

    joints              measured joints, a column a joint (rad, m) or a gripper (the layout says which values are
                        closed and open); NaN where a message does not name the joint
    commands            joints as commanded, same columns
    eef.ARM             pose of an arm's end effector, xyz m + wxyz, in the stream's frame; command.eef.ARM commanded
    hand.left, .right   the 24 values of a human hand, see ``action_space``
    thumb_knuckle.SIDE  pose (7,) of a human thumb's first joint
    head                pose (7,) of the head camera

Anything else a file holds keeps the file's own name.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_chunk import ActionChunk
from mivla_ros.episodes.errors import EpisodeError

Array = NDArray[np.float64]
Stamps = NDArray[np.int64]

POSE_COLUMNS = ("x", "y", "z", "qw", "qx", "qy", "qz")
POSE_UNITS = ("m", "m", "m", "1", "1", "1", "1")


@dataclass(frozen=True, eq=False)
class Stream:
    """Numbers over time: ``values`` (N, columns) at ``stamps_ns`` (N,), not decreasing. ``units``: one a column.
    ``frame_id``: of poses and positions, else empty.
    """

    name: str
    stamps_ns: Stamps
    values: Array
    columns: tuple[str, ...]
    units: tuple[str, ...]
    frame_id: str = ""

    def __len__(self) -> int:
        """Rows."""
        return len(self.stamps_ns)

    def before(self, stamp_ns: int) -> int:
        """Row of the newest sample at or before a stamp; -1 where there is none."""
        return int(np.searchsorted(self.stamps_ns, stamp_ns, side="right")) - 1


class Camera(Protocol):
    """Pictures of one camera, decoded when asked for."""

    @property
    def name(self) -> str:
        """As in the robot profile, or in the file."""
        ...

    @property
    def frame_id(self) -> str:
        """Optical frame, empty where the file does not say."""
        ...

    @property
    def stamps_ns(self) -> Stamps:
        """(N,) capture times, increasing."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        ...

    @property
    def intrinsics(self) -> Array | None:
        """(3, 3) camera matrix in pixels; None where not known."""
        ...

    def rgb(self, index: int, at_least: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """(height, width, 3) RGB of picture ``index``; ``at_least`` (height, width) allows a faster, smaller decoding.

        Raises EpisodeError, also for an index out of range.
        """
        ...

    def encoded(self, index: int) -> bytes | None:
        """JPEG or PNG bytes as they are stored, of true colours; None where there are none such."""
        ...


@dataclass(frozen=True)
class Event:
    """Something that happened: ``kind`` is chunk, instruction, status, stop, task or mark."""

    stamp_ns: int
    kind: str
    text: str


@dataclass(frozen=True)
class GripperLayout:
    """Which joint column is the gripper and its values (rad or m) when closed and open."""

    joint: str
    closed: float
    open: float

    def opening(self, position: Array | float) -> Array:
        """0 closed to 1 open, clipped."""
        return np.clip((np.asarray(position) - self.closed) / (self.open - self.closed), 0.0, 1.0)

    def position(self, opening: Array | float) -> Array:
        """Joint values of openings 0 to 1."""
        return self.closed + (self.open - self.closed) * np.clip(opening, 0.0, 1.0)


@dataclass(frozen=True)
class ArmLayout:
    """One arm of the robot an episode is of. ``base_frame``: frame of the poses of ``forward``."""

    name: str
    side: str
    joints: tuple[str, ...]
    gripper: GripperLayout | None
    base_frame: str = ""
    eef_frame: str = ""


EefPose = Callable[[str, Array], Array]
"""Forward kinematics: arm name and joints (J,) or (N, J) to (7,) or (N, 7) in the arm's base frame."""


class LazyMapping[T](Mapping[str, T]):
    """Values by name, each made when first asked for."""

    def __init__(self, makers: Mapping[str, Callable[[], T]]) -> None:
        self._makers = dict(makers)
        self._made: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        """The value; KeyError names what there is."""
        if name not in self._makers:
            raise KeyError(f"no {name!r}, there are {', '.join(self._makers) or 'none'}")
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        """Names, without making anything."""
        return iter(self._makers)

    def __len__(self) -> int:
        """Number of names."""
        return len(self._makers)

    def __contains__(self, name: object) -> bool:
        """True for a known name, without making its value."""
        return name in self._makers


@dataclass(frozen=True)
class EpisodeInfo:
    """What is known without reading the streams.

    format: bag, egodex, robotwin, robotwin_2026, lerobot or human2locoman. robot: name of a robot profile or of the
    file's own embodiment. rate: frames a second of the slowest camera (of the rows where there is none). label:
    success, failure or the operator's own word, empty where nobody said. instructions: the first one was meant.
    metadata: everything else the file says of itself.
    """

    name: str
    path: Path
    format: str
    embodiment: Literal["robot", "human"]
    robot: str
    instructions: tuple[str, ...]
    rate: float
    start_ns: int
    end_ns: int
    label: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def instruction(self) -> str:
        """The first instruction, empty where there is none."""
        return self.instructions[0] if self.instructions else ""

    @property
    def seconds(self) -> float:
        """From the first to the last frame."""
        return (self.end_ns - self.start_ns) / 1e9


@dataclass(eq=False)
class Episode:
    """An open episode. Close it, or use it in a ``with``, to give back its files."""

    info: EpisodeInfo
    cameras: Mapping[str, Camera]
    streams: Mapping[str, Stream]
    arms: tuple[ArmLayout, ...] = ()
    eef_pose: EefPose | None = None
    make_events: Callable[[], tuple[Event, ...]] = tuple
    make_chunks: Callable[[], tuple[ActionChunk, ...]] = tuple
    close: Callable[[], None] = lambda: None

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """What happened, in order of time."""
        return tuple(sorted(self.make_events(), key=lambda event: event.stamp_ns))

    @cached_property
    def chunks(self) -> tuple[ActionChunk, ...]:
        """Recorded action chunks in order of arrival; empty where the file has none."""
        return self.make_chunks()

    @cached_property
    def frame_stamps_ns(self) -> Stamps:
        """(N,) moments at which an observation may be taken: of the slowest camera, else of the rows."""
        if self.cameras:
            return min((camera.stamps_ns for camera in self.cameras.values()), key=len)
        for name in ("joints", "hand.right", "hand.left", "commands", *self.streams):
            if name in self.streams:
                return np.unique(self.streams[name].stamps_ns)
        raise EpisodeError(self.info.path, "streams", "there is neither a camera nor a stream")

    def __len__(self) -> int:
        """Number of frames, see ``frame_stamps_ns``."""
        return len(self.frame_stamps_ns)

    def __enter__(self) -> "Episode":
        """The episode itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def check_stream(path: Path | str, stream: Stream, may_be_nan: bool = False) -> Stream:
    """The stream itself, once it is sound. Raises EpisodeError: wrong shape, no rows, a stamp that goes back, a value
    that is not finite (NaN is let through where ``may_be_nan``), a quaternion that has no unit length.
    """
    rows, columns = stream.values.shape if stream.values.ndim == 2 else (-1, -1)
    if rows != len(stream.stamps_ns) or columns != len(stream.columns) or columns != len(stream.units):
        raise EpisodeError(
            path,
            stream.name,
            f"has shape {stream.values.shape}",
            limit=f"({len(stream.stamps_ns)}, {len(stream.columns)})",
        )
    if rows == 0:
        raise EpisodeError(path, stream.name, "has no rows", limit="1 or more")
    check_stamps(path, stream.name, stream.stamps_ns, strictly=False)
    good = ~np.isinf(stream.values) if may_be_nan else np.isfinite(stream.values)
    if not good.all():
        row = int(np.argmin(good.all(axis=1)))
        column = stream.columns[int(np.argmin(good[row]))]
        raise EpisodeError(path, f"{stream.name}.{column}", "is NaN or infinite", row, "finite numbers")
    if stream.columns == POSE_COLUMNS:
        length = np.linalg.norm(stream.values[:, 3:], axis=1)
        bad = np.abs(length - 1) > 1e-2
        if bad.any():
            row = int(np.argmax(bad))
            raise EpisodeError(path, stream.name, f"quaternion of length {length[row]:.4g}", row, "1 within 0.01")
    return stream


def check_stamps(path: Path | str, key: str, stamps_ns: Stamps, strictly: bool = True) -> None:
    """Raise EpisodeError where a stamp does not lie after the one before (or, not strictly, lies before it)."""
    steps = np.diff(stamps_ns)
    bad = steps <= 0 if strictly else steps < 0
    if bad.any():
        index = int(np.argmax(bad)) + 1
        raise EpisodeError(path, key, f"stamp goes {steps[index - 1] / 1e9:g} s from the one before", index, "forward")


def nominal_rate(stamps_ns: Stamps) -> float:
    """Samples a second from the middle interval; 0 where there are fewer than two."""
    steps = np.diff(stamps_ns)
    middle = float(np.median(steps)) if len(steps) else 0.0
    return 1e9 / middle if middle > 0 else 0.0


def frame_stamps(count: int, rate: float) -> Stamps:
    """(count,) stamps of frames of a fixed rate, from zero."""
    return np.round(np.arange(count) * (1e9 / rate)).astype(np.int64)
