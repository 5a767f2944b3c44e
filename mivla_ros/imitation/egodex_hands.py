"""An EgoDex episode's hands: HDF5 with ARKit's joint transforms, and the video beside it.

Layout as EgoDex documents it: transforms/JOINT (N, 4, 4) m in ARKit's world, transforms/camera, camera/intrinsic
(3, 3), confidences/JOINT (N,) from 0 to 1 (may be absent), 30 Hz.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mivla_ros import action_space
from mivla_ros.action_chunk import HandActions
from mivla_ros.alignment.errors import AlignmentError
from mivla_ros.alignment.frames import heading, robot_from_arkit
from mivla_ros.alignment.hand_rows import row_from_hand
from mivla_ros.alignment.poses import checked_rotations, poses_from
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.hdf5_file import Hdf5File
from mivla_ros.imitation.errors import ImitationError
from mivla_ros.imitation.recording import Coverage, Drawn, HandChoice, Kind, Recording, coverage
from mivla_ros.policies.motion_file import HandMotion

Array = NDArray[np.float64]

RATE = 30.0
LEAST_CONFIDENCE = 0.3
MAX_GAP = 2.0  # s
IMAGE_SIZE = (1920, 1080)
TIPS = ("ThumbTip", *(f"{finger.capitalize()}FingerTip" for finger in action_space.FINGERS[1:]))
_THUMB = ("ThumbKnuckle", "ThumbIntermediateBase", "ThumbIntermediateTip", "ThumbTip")
_FINGER = ("Metacarpal", "Knuckle", "IntermediateBase", "IntermediateTip", "Tip")
DRAWN = ("Hand", *_THUMB, *(f"{f.capitalize()}Finger{part}" for f in action_space.FINGERS[1:] for part in _FINGER))
LINES = ((0, 1, 2, 3, 4), *((0, *range(first, first + 5)) for first in (5, 10, 15, 20)))


def read_egodex(path: Path, choice: HandChoice) -> Recording:
    """Hands of an episode; the world is ARKit's, the person's first heading is taken out.

    Raises ImitationError naming file, key, frame and limit.
    """
    with Hdf5File(path) as file:
        camera = _numbers(file, "transforms/camera", (None, 4, 4))
        found: dict[str, _Hand] = {}
        for side in choice.sides:
            if len(found) < choice.most and file.has(f"transforms/{side}Hand"):
                found[side] = _Hand(file, side, len(camera))
        if not found:
            raise ImitationError(path, f"has no {' or '.join(f'{side}Hand' for side in choice.sides)}", "transforms")
        intrinsic = _numbers(file, "camera/intrinsic", (3, 3)) if file.has("camera/intrinsic") else None
    try:
        world = robot_from_arkit(heading(camera[0, :3, :3]))
    except AlignmentError as error:
        raise ImitationError(path, str(error), "transforms/camera") from error
    frames = np.flatnonzero(np.all([hand.seen for hand in found.values()], axis=0))
    if len(frames) < 2:
        words = f"{len(frames)} of {len(camera)} frames have every hand at {LEAST_CONFIDENCE} or more, must be 2"
        raise ImitationError(path, words, "confidences")
    longest = int(np.argmax(np.diff(frames)))
    if (frames[longest + 1] - frames[longest]) / RATE > MAX_GAP:
        words = f"frames {frames[longest]} to {frames[longest + 1]} are below {LEAST_CONFIDENCE}, limit {MAX_GAP} s"
        raise ImitationError(path, words, "confidences")
    time = (frames - frames[0]) / RATE
    hands, knuckles, drawn = {}, {}, {}
    seen: dict[str, Coverage] = {}
    for side, hand in found.items():
        hands[side], knuckles[side] = hand.rows(frames)
        seen[side] = coverage(time, 1 / RATE)
        if intrinsic is not None:
            drawn[side] = Drawn(time, hand.image_points(frames, camera, intrinsic), LINES)
    video = path.with_suffix(".mp4")
    return Recording(
        kind=Kind.EGODEX,
        path=path,
        motion=HandMotion(time, hands, knuckles, "arkit"),
        robot_from_human=world,
        coverage=seen,
        drawn=drawn,
        size=IMAGE_SIZE,
        video=video if video.is_file() else None,
        video_start=float(frames[0] / RATE),
    )


class _Hand:
    """One hand's joints in an open file."""

    def __init__(self, file: Hdf5File, side: str, count: int) -> None:
        self.path, self.side = file.path, side
        self.joints = {
            name: _numbers(file, f"transforms/{side}{name}", (count, 4, 4))
            for name in DRAWN
            if name in ("Hand", "ThumbKnuckle", *TIPS) or file.has(f"transforms/{side}{name}")
        }
        self.seen = np.ones(count, dtype=np.bool_)
        for name in ("Hand", "ThumbKnuckle", "ThumbTip", "IndexFingerTip"):
            key = f"confidences/{side}{name}"
            if not file.has(key):
                continue
            values = _numbers(file, key, (count,))
            self.seen &= values >= LEAST_CONFIDENCE

    def rows(self, frames: NDArray[np.int64]) -> tuple[Array, Array]:
        """The 24 values and the thumb knuckle's pose (7,) of frames (n,), each with n rows."""
        parts = []
        for name in ("Hand", "ThumbKnuckle"):
            values = self.joints[name][frames]
            try:
                rotation = checked_rotations(f"transforms/{self.side}{name}", values[:, :3, :3])
            except AlignmentError as error:
                raise ImitationError(self.path, str(error), f"transforms/{self.side}{name}") from error
            parts.append(poses_from(values[:, :3, 3], rotation))
        tips = np.stack([self.joints[name][frames, :3, 3] for name in TIPS], axis=1)
        return row_from_hand(HandActions(parts[0], tips, parts[1], self.side == "left")), parts[1]

    def image_points(self, frames: NDArray[np.int64], camera: Array, intrinsic: Array) -> Array:
        """Joints (n, 25, 2) px; NaN behind the camera and for joints that the file lacks."""
        points = np.full((len(frames), len(DRAWN), 2), np.nan)
        rotation, origin = camera[frames, :3, :3], camera[frames, :3, 3]
        for k, name in enumerate(DRAWN):
            if name in self.joints:
                seen = np.einsum("nji,nj->ni", rotation, self.joints[name][frames, :3, 3] - origin) @ intrinsic.T
                ahead = seen[:, 2] > 1e-3
                points[ahead, k] = seen[ahead, :2] / seen[ahead, 2:]
        return points


def _numbers(file: Hdf5File, key: str, shape: tuple[int | None, ...]) -> Array:
    try:
        return file.numbers(key, shape)
    except EpisodeError as error:
        where = "" if error.index is None else f"frame {error.index} "
        limit = f", must be {error.limit}" if error.limit else ""
        raise ImitationError(file.path, f"{where}{error.reason}{limit}", key) from error
