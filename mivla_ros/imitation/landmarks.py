"""Hand landmarks found in a video: the .npz that holds them, read and checked whole.

One row a hand found, in order of frames; D rows::

    frame            (D,)        number of the frame, from 0; a frame with two hands has two rows
    image_landmarks  (D, 21, 3)  x and y in px (the third is not used), MediaPipe's order
    world_landmarks  (D, 21, 3)  m, about the hand's own centre: x right, y down, z away from the camera
    handedness       (D,)        MediaPipe's "Left" or "Right"
    fps              ()          frames a second
    size             (2,)        height and width of the image, px
    score            (D,)        0 to 1, how sure MediaPipe is of the side; optional
    frame_time       (D,)        s, for videos without a constant rate; optional
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mivla_ros.alignment.mediapipe_landmarks import POINTS
from mivla_ros.imitation.errors import ImitationError

Array = NDArray[np.float64]

MOST_FPS = 1000.0
MOST_METRES = 1.0  # a hand's landmarks lie within this of its centre


@dataclass(frozen=True)
class Landmarks:
    """D hands found: frame (D,), time (D,) s, image (D, 21, 2) px, world (D, 21, 3) m, label (D,), score (D,)."""

    frame: NDArray[np.int64]
    time: Array
    image: Array
    world: Array
    label: NDArray[np.str_]
    score: Array
    fps: float
    width: int
    height: int


def load_landmarks(path: Path) -> Landmarks:
    """Read a landmarks file. Raises ImitationError naming the file, key, row and limit of the first thing wrong."""
    arrays = npz_arrays(path)

    def numbers(key: str, shape: tuple[int, ...]) -> Array:
        if key not in arrays:
            raise ImitationError(path, f"is missing; the file holds {', '.join(sorted(arrays))}", key)
        array = arrays[key]
        if array.dtype.kind not in "fiu" or array.shape != shape:
            raise ImitationError(path, f"has type {array.dtype} and shape {array.shape}, must be numbers {shape}", key)
        values = array.astype(np.float64)
        good = np.isfinite(values.reshape(max(len(values), 1) if shape else 1, -1)).all(axis=1)
        if not good.all():
            raise ImitationError(path, f"row {int(np.argmin(good))} holds NaN or infinity", key)
        return values

    count = arrays["world_landmarks"].shape[0] if arrays.get("world_landmarks", np.array(0)).ndim else 0
    if count == 0:
        raise ImitationError(path, "holds no row: no hand was found", "world_landmarks")
    world = numbers("world_landmarks", (count, POINTS, 3))
    image = numbers("image_landmarks", (count, POINTS, 3))
    frame = numbers("frame", (count,))
    fps = float(numbers("fps", ()))
    size = numbers("size", (2,))
    label = arrays.get("handedness", np.array(""))
    if label.dtype.kind != "U" or label.shape != (count,):
        words = f"has type {label.dtype} and shape {label.shape}, must be {count} texts"
        raise ImitationError(path, words, "handedness")
    wrong = ~np.isin(label, ("Left", "Right"))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ImitationError(path, f"row {row} is {str(label[row])!r}, must be Left or Right", "handedness")
    if not 0 < fps <= MOST_FPS:
        raise ImitationError(path, f"is {fps:g}, must be above 0 and at most {MOST_FPS:g} Hz", "fps")
    if size.min() < 1:
        raise ImitationError(path, f"is {size.tolist()}, must be height and width in px, 1 or more", "size")
    if np.any(np.diff(frame) < 0) or frame[0] < 0 or np.any(frame != np.round(frame)):
        raise ImitationError(path, "must be whole numbers from 0, in order", "frame")
    far = np.abs(world).max(axis=(1, 2))
    if far.max() > MOST_METRES:
        row = int(np.argmax(far))
        words = f"row {row} holds {far[row]:.4g}, limit {MOST_METRES:g} m: are these metres?"
        raise ImitationError(path, words, "world_landmarks")
    time = numbers("frame_time", (count,)) if "frame_time" in arrays else frame / fps
    if np.any(np.diff(time)[np.diff(frame) > 0] <= 0):
        raise ImitationError(path, "must increase from frame to frame", "frame_time")
    score = numbers("score", (count,)) if "score" in arrays else np.ones(count)
    return Landmarks(frame.astype(np.int64), time, image[..., :2], world, label, score, fps, int(size[1]), int(size[0]))


def npz_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """All arrays of an .npz archive; pickled objects are never loaded. Raises ImitationError naming file and key."""
    arrays = {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            for key in archive.files:
                try:
                    arrays[key] = archive[key]
                except (ValueError, zipfile.BadZipFile, OSError, EOFError) as error:
                    words = f"cannot be read ({error}); pickled objects are never loaded"
                    raise ImitationError(path, words, key) from error
    except ImitationError:
        raise
    except (OSError, ValueError, TypeError, zipfile.BadZipFile, EOFError) as error:
        raise ImitationError(path, f"is not a readable .npz archive: {error}") from error
    return arrays
