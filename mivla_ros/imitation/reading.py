"""Any file to a ``Recording``: what it is, is found from its content; its name says nothing."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mivla_ros.alignment.frames import ROS_FROM_FACING_CAMERA, ROS_FROM_OPENCV_CAMERA
from mivla_ros.imitation.camera_hands import CameraOptions, hands_from_landmarks
from mivla_ros.imitation.egodex_hands import read_egodex
from mivla_ros.imitation.errors import ImitationError
from mivla_ros.imitation.landmark_process import find_landmarks
from mivla_ros.imitation.landmarks import load_landmarks, npz_arrays
from mivla_ros.imitation.recording import Coverage, HandChoice, Kind, Recording, coverage
from mivla_ros.imitation.video_file import video_facts
from mivla_ros.policies.motion_file import HandMotion, load_motion
from mivla_ros.policies.policy import PolicyError

HDF5, ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
KINDS = (
    "a video, hand landmarks (.npz with world_landmarks), an end effector's motion (.npz with position), "
    "hands (.npz with hand) or an EgoDex episode (HDF5 with transforms)"
)


@dataclass(frozen=True)
class ReadingOptions:
    """camera: of videos and landmarks. facing: the person looks into the camera, else the camera looks where the person
    does. video: the video that landmarks were found in, to show it. landmarks_file: where to keep what is found in a
    video. landmark_command: gives the command that finds hands; called for videos only.
    """

    landmark_command: Callable[[], Sequence[str]]
    camera: CameraOptions = field(default_factory=CameraOptions)
    choice: HandChoice = field(default_factory=HandChoice)
    facing: bool = True
    video: Path | None = None
    landmarks_file: Path | None = None


def kind_of(path: Path) -> Kind:
    """What a file holds. Raises ImitationError naming the file and what it may be."""
    if not path.is_file():
        raise ImitationError(path, "is a folder, must be a file" if path.is_dir() else "there is no such file")
    with open(path, "rb") as file:
        begin = file.read(8)
    if not begin:
        raise ImitationError(path, "is empty")
    if begin == HDF5:
        return _kind_of_hdf5(path)
    if begin[:4] == ZIP:
        arrays = npz_arrays(path)
        for key, kind in (("world_landmarks", Kind.LANDMARKS), ("hand", Kind.HANDS), ("position", Kind.EEF)):
            if key in arrays:
                return kind
        raise ImitationError(path, f"holds {', '.join(sorted(arrays)) or 'nothing'}; must be {KINDS}")
    if video_facts(path) is not None:
        return Kind.VIDEO
    raise ImitationError(path, f"is of no known kind, must be {KINDS}")


def read(path: Path, options: ReadingOptions) -> Recording:
    """The motion in a file. Raises ImitationError naming file, key, row and limit of the first thing wrong."""
    kind = kind_of(path)
    if kind is Kind.EGODEX:
        return read_egodex(path, options.choice)
    if kind is Kind.VIDEO:
        return _read_video(path, options)
    if kind is Kind.LANDMARKS:
        return _read_landmarks(path, options, path, Kind.LANDMARKS, options.video)
    try:
        motion = load_motion(str(path))
    except PolicyError as error:
        raise ImitationError(path, str(error).partition(f"{path}")[2].lstrip(": ") or str(error)) from error
    seen: dict[str, Coverage] = {}
    if isinstance(motion, HandMotion):
        motion = _chosen(motion, options.choice, path)
        period = float(np.median(np.diff(motion.time)))
        seen = {side: coverage(motion.time, period) for side in motion.hands}
    return Recording(kind, path, motion, np.eye(3), seen, video=options.video)


def _read_video(path: Path, options: ReadingOptions) -> Recording:
    facts = video_facts(path)
    assert facts is not None  # kind_of has seen to it
    command = options.landmark_command()
    if options.landmarks_file is not None:
        find_landmarks(path, facts, command, options.landmarks_file)
        return _read_landmarks(options.landmarks_file, options, path, Kind.VIDEO, path)
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "landmarks.npz"
        find_landmarks(path, facts, command, found)
        return _read_landmarks(found, options, path, Kind.VIDEO, path)


def _read_landmarks(file: Path, options: ReadingOptions, path: Path, kind: Kind, video: Path | None) -> Recording:
    """``path`` is the file that the user named, ``file`` the one with the landmarks."""
    found = load_landmarks(file)
    hands = hands_from_landmarks(found, options.camera, path, options.choice)
    return Recording(
        kind=kind,
        path=path,
        motion=hands.motion,
        robot_from_human=ROS_FROM_FACING_CAMERA if options.facing else ROS_FROM_OPENCV_CAMERA,
        coverage=hands.coverage,
        drawn=hands.drawn,
        size=(found.width, found.height),
        video=video,
        video_start=hands.start,
        notes=hands.notes,
    )


def _chosen(motion: HandMotion, choice: HandChoice, path: Path) -> HandMotion:
    sides = [side for side in choice.sides if side in motion.hands][: choice.most]
    if not sides:
        raise ImitationError(path, f"holds {' and '.join(motion.hands)}, wanted {' or '.join(choice.sides)}", "hand")
    knuckles = {side: pose for side, pose in motion.thumb_knuckles.items() if side in sides}
    return HandMotion(motion.time, {side: motion.hands[side] for side in sides}, knuckles, motion.frame)


def _kind_of_hdf5(path: Path) -> Kind:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            keys = sorted(file)
    except OSError as error:
        raise ImitationError(path, f"is not readable HDF5: {error}") from error
    if "transforms" not in keys:
        raise ImitationError(path, f"holds {', '.join(keys) or 'nothing'}; an EgoDex episode has 'transforms'")
    return Kind.EGODEX
