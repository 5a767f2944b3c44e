"""Landmarks in an image to hands in the camera's frame: which side they are, and where.

MediaPipe says how a hand is held and where it is in the image, not where it is in space. With the hand's size in
metres (its world landmarks) and a pinhole camera, the hand's place t (m) is the one that projects the landmarks where
they were seen: u (Z + t_z) = f (X + t_x) for every landmark, and likewise for v. Motion across the image does not
depend on the focal length f; the distance does, and is the weakest part: it is smoothed over the whole recording, zero
phase.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from mivla_ros import action_space
from mivla_ros.action_chunk import HandActions
from mivla_ros.alignment import AlignmentError
from mivla_ros.alignment.hand_rows import row_from_hand
from mivla_ros.alignment.mediapipe_landmarks import hand_from_landmarks, side_from_label
from mivla_ros.imitation.errors import ImitationError
from mivla_ros.imitation.landmarks import Landmarks
from mivla_ros.imitation.recording import Coverage, Drawn, HandChoice, coverage
from mivla_ros.policies.motion_file import HandMotion

Array = NDArray[np.float64]

LEAST_SHARE = 0.1  # a side seen in fewer of the frames than this is a mistake of the detector
LINES = ((0, 1, 2, 3, 4), (0, 5, 6, 7, 8), (0, 9, 10, 11, 12), (0, 13, 14, 15, 16), (0, 17, 18, 19, 20), (5, 9, 13, 17))


@dataclass(frozen=True)
class CameraOptions:
    """horizontal_fov: rad, of the camera. depth_cutoff: Hz above which motion along the camera's axis counts as noise
    (0: none does). mirrored: the image is a mirror's (selfie cameras). max_gap: s a hand may be out of sight.
    """

    horizontal_fov: float = np.deg2rad(65.0)
    depth_cutoff: float = 1.0
    mirrored: bool = False
    max_gap: float = 2.0


@dataclass(frozen=True)
class CameraHands:
    """Hands in the camera's frame (OpenCV's axes); ``start`` is the video's time, s, of the motion's 0."""

    motion: HandMotion
    start: float
    coverage: dict[str, Coverage]
    drawn: dict[str, Drawn]
    notes: tuple[str, ...]


def hands_from_landmarks(found: Landmarks, options: CameraOptions, path: Path, choice: HandChoice) -> CameraHands:
    """Hands over time from landmarks.

    Samples are at one common time line: frames in which every used hand is seen. Frames without are left out, so that
    whoever plays the motion goes straight across. Raises ImitationError naming ``path`` where no hand is seen long
    enough, one is out of sight for longer than ``max_gap``, or the side cannot be right.
    """
    rows, notes = _rows_by_side(found, options, path, choice)
    frames = rows[next(iter(rows))][1]
    for _, others in rows.values():
        frames = np.intersect1d(frames, others)
    picked = {side: index[np.isin(at, frames)] for side, (index, at) in rows.items()}
    time = found.time[next(iter(picked.values()))]
    _check_gaps(time, options, path)
    start, time = float(time[0]), time - time[0]
    hands, knuckles, drawn, seen = {}, {}, {}, {}
    for side, index in picked.items():
        image, world = found.image[index], found.world[index]
        drawn[side] = Drawn(time, image, LINES)
        if options.mirrored:
            image = np.stack([found.width - 1 - image[..., 0], image[..., 1]], axis=-1)
            world = world * np.array([-1.0, 1.0, 1.0])
        place = hand_places(image, world, found.frame[index], found.width, found.height, found.fps, options)
        try:
            hand = hand_from_landmarks(world + place[:, None], side)
        except AlignmentError as error:
            raise ImitationError(path, f"{side} hand: {error}", "world_landmarks") from error
        hands[side], knuckles[side] = _as_float64(hand)
        seen[side] = coverage(time, 1.0 / found.fps)
    return CameraHands(HandMotion(time, hands, knuckles, "camera"), start, seen, drawn, tuple(notes))


def hand_places(
    image: Array, world: Array, frame: NDArray[np.int64], width: int, height: int, fps: float, options: CameraOptions
) -> Array:
    """Origins (N, 3) in m of the landmarks' frames in the camera's, from image (N, 21, 2) px and world (N, 21, 3) m.

    Least squares in every frame; then the distance alone is smoothed and the rest solved again for it.
    """
    focal = 0.5 * width / np.tan(0.5 * options.horizontal_fov)
    u, v = image[..., 0] - 0.5 * (width - 1), image[..., 1] - 0.5 * (height - 1)
    x, y, z = (world[..., k] for k in range(3))
    rows = np.zeros((*u.shape, 2, 3))
    rows[..., 0, 0] = rows[..., 1, 1] = focal
    rows[..., 0, 2], rows[..., 1, 2] = -u, -v
    right = np.stack([u * z - focal * x, v * z - focal * y], axis=-1).reshape(len(u), -1)
    matrix = rows.reshape(len(u), -1, 3)
    normal = matrix.swapaxes(1, 2) @ matrix
    place = np.linalg.solve(normal, (matrix.swapaxes(1, 2) @ right[..., None]))[..., 0]
    depth = _smoothed(place[:, 2], frame, fps, options.depth_cutoff)
    away = z + depth[:, None]
    place[:, 0] = np.mean(u * away / focal - x, axis=1)
    place[:, 1] = np.mean(v * away / focal - y, axis=1)
    place[:, 2] = depth
    return place


def _smoothed(values: Array, frame: NDArray[np.int64], fps: float, cutoff: float) -> Array:
    """Values (N,) at frames (N,) without what is faster than ``cutoff`` Hz, zero phase."""
    every = np.arange(frame[0], frame[-1] + 1)
    if not 0 < cutoff < 0.5 * fps or len(every) < 4:
        return values
    sections = butter(2, cutoff / (0.5 * fps), output="sos")
    pad = min(len(every) - 1, int(3 * fps / cutoff))
    smooth: Array = sosfiltfilt(sections, np.interp(every, frame, values), padlen=pad)
    return np.asarray(smooth[frame - frame[0]])


def _rows_by_side(
    found: Landmarks, options: CameraOptions, path: Path, choice: HandChoice
) -> tuple[dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]], list[str]]:
    """By side: rows with the likeliest hand of each frame, and their frames."""
    count = len(np.unique(found.frame))
    sides = np.array([side_from_label(str(label), options.mirrored) for label in found.label])
    rows, notes = {}, []
    for side in choice.sides:
        index = np.flatnonzero(sides == side)
        if not len(index):
            continue
        order = index[np.lexsort((-found.score[index], found.frame[index]))]
        frames, first = np.unique(found.frame[order], return_index=True)
        if len(frames) < max(2, LEAST_SHARE * count):
            notes.append(f"a {side} hand in {len(frames)} of {count} frames is taken for a mistake and left out")
            continue
        rows[side] = order[first], frames
    if not rows:
        shown = ", ".join(f"{np.sum(sides == side)} {side}" for side in action_space.SIDES)
        wanted = " or ".join(choice.sides)
        least = f"at least 2 and {LEAST_SHARE:.0%}"
        raise ImitationError(path, f"no {wanted} hand in {least} of {count} frames; rows: {shown}", "handedness")
    return dict(list(rows.items())[: choice.most]), notes


def _check_gaps(time: Array, options: CameraOptions, path: Path) -> None:
    if len(time) < 2:
        raise ImitationError(path, f"every used hand is seen in {len(time)} frames, must be 2 or more", "frame")
    gaps = np.diff(time)
    worst = int(np.argmax(gaps))
    if gaps[worst] > options.max_gap:
        words = f"no hand for {gaps[worst]:.2f} s after {time[worst]:.2f} s, limit {options.max_gap:g} s"
        raise ImitationError(path, words, "frame")


def _as_float64(hand: HandActions) -> tuple[Array, Array]:
    assert hand.thumb_knuckle is not None  # landmarks always have it
    return row_from_hand(hand).astype(np.float64), hand.thumb_knuckle.astype(np.float64)
