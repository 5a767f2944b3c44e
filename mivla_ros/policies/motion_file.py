"""Recorded motions from .npz files, checked whole before anything moves.

Two formats, told apart by their keys; every array of numbers, no pickled objects:

End effector (one arm)::

    time             (N,)    s, strictly increasing
    position         (N, 3)  m, of the tool centre in the arm's base frame (x forward, y left, z up)
    quaternion_xyzw  (N, 4)  unit, same frame
    gripper_width    (N,)    m; optional, without it the gripper is left as it is

Hands (one or two)::

    time             (N,)    s, strictly increasing
    hand             (N, 48) columns as ``action_space``: left 24 then right 24, each wrist xyz (m), 6-D
                             rotation, five finger tips xyz (m, in the frame, not relative to the
                             wrist); a hand that is not there is NaN throughout
    frame            text    frame of all of it; optional, else the option ``frame`` must name one
    thumb_knuckle_left, thumb_knuckle_right  (N, 7)  xyz (m) + wxyz; optional
"""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mivla_ros import action_space
from mivla_ros.policies.policy import PolicyError

Array = NDArray[np.float64]

POLICY = "demonstration"
MAX_DISTANCE = 10.0  # m; more is millimetres taken for metres
UNIT_TOLERANCE = 0.01  # how far a quaternion's length may be from 1
KNUCKLE = "thumb_knuckle_"


@dataclass(frozen=True)
class EefMotion:
    """One end effector over time (N,) s from 0: poses (N, 7) xyz m + wxyz, gripper widths (N,) m or None."""

    time: Array
    poses: Array
    gripper_width: Array | None


@dataclass(frozen=True)
class HandMotion:
    """Hands over time (N,) s from 0, by side: values (N, 24) as ``action_space``, thumb knuckles (N, 7); in
    ``frame``.
    """

    time: Array
    hands: Mapping[str, Array]
    thumb_knuckles: Mapping[str, Array] = field(default_factory=dict)
    frame: str = ""


def load_motion(path: str) -> EefMotion | HandMotion:
    """Read a motion file. Raises PolicyError naming the file, key, row and limit of the first thing wrong
    with it.
    """
    return _File(path).motion()


class _File:
    """An open motion file and what may be wrong with it."""

    def __init__(self, path: str) -> None:
        self.path = path
        if not Path(path).is_file():
            raise self.error("", "there is no such file")
        try:
            with np.load(path, allow_pickle=False) as archive:
                if not isinstance(archive, np.lib.npyio.NpzFile):
                    raise self.error("", "is a single array, must be an .npz archive")
                self.arrays = {key: self.read(archive, key) for key in archive.files}
        except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
            raise self.error("", f"is not a readable .npz archive: {error}") from error
        except TypeError as error:  # np.load gives a bare array, which is no context manager
            raise self.error("", "is a single array, must be an .npz archive") from error

    def error(self, key: str, message: str) -> PolicyError:
        """One clear sentence; subject is ``file`` or ``file: key``."""
        subject = f"{self.path}: {key}" if key else self.path
        return PolicyError(POLICY, f"{subject}: {message}", subject)

    def read(self, archive: "np.lib.npyio.NpzFile", key: str) -> NDArray[np.generic]:
        """One array of the archive."""
        try:
            array: NDArray[np.generic] = archive[key]
        except (ValueError, zipfile.BadZipFile, OSError, EOFError) as error:
            raise self.error(key, f"cannot be read ({error}); pickled objects are never loaded") from error
        return array

    def motion(self) -> EefMotion | HandMotion:
        """What the file holds, by its keys."""
        if "hand" in self.arrays:
            return self.hand_motion()
        if "position" in self.arrays:
            return self.eef_motion()
        keys = ", ".join(sorted(self.arrays)) or "nothing"
        raise self.error("", f"holds {keys}; a motion has 'position' (end effector) or 'hand' (hands)")

    def eef_motion(self) -> EefMotion:
        """The end effector format."""
        time = self.time()
        position = self.numbers("position", (len(time), 3))
        self.check_size("position", position)
        quaternion = self.quaternions("quaternion_xyzw", self.numbers("quaternion_xyzw", (len(time), 4)))
        width = None
        if "gripper_width" in self.arrays:
            width = self.numbers("gripper_width", (len(time),))
            if width.min() < -1e-3:
                row = int(np.argmin(width))
                raise self.error("gripper_width", f"row {row} is {width[row]:g} m, must be 0 or more")
        return EefMotion(time, np.concatenate([position, quaternion[:, [3, 0, 1, 2]]], axis=1), width)

    def hand_motion(self) -> HandMotion:
        """The hand format."""
        time = self.time()
        values = self.numbers("hand", (len(time), action_space.HUMAN_SIZE), finite=False)
        hands, knuckles = {}, {}
        for side in action_space.SIDES:
            columns = action_space.hand_slice(side)
            hand = values[:, columns]
            if np.isnan(hand).all():
                continue
            self.check_finite("hand", hand, f" ({side} hand, columns {columns.start} to {columns.stop - 1})")
            self.check_size("hand", hand)
            try:
                action_space.matrix_from_rotation_6d(hand[:, action_space.WRIST_ROTATION])
            except ValueError as error:
                raise self.error("hand", f"{side} wrist: {error}") from error
            hands[side] = hand
            if f"{KNUCKLE}{side}" in self.arrays:
                key = f"{KNUCKLE}{side}"
                pose = self.numbers(key, (len(time), 7))
                self.check_size(key, pose[:, :3])
                knuckles[side] = np.concatenate([pose[:, :3], self.quaternions(key, pose[:, 3:])], axis=1)
        if not hands:
            raise self.error("hand", "is NaN throughout, there is no hand in it")
        frame = self.arrays.get("frame", np.array(""))
        if frame.dtype.kind != "U" or frame.ndim != 0:
            raise self.error("frame", f"has type {frame.dtype} and shape {frame.shape}, must be one text")
        return HandMotion(time, hands, knuckles, str(frame))

    def time(self) -> Array:
        """Times (N,) from 0."""
        if "time" not in self.arrays:
            raise self.error("time", f"is missing; the file holds {', '.join(sorted(self.arrays))}")
        time = self.numbers("time", (self.arrays["time"].size,))
        if len(time) < 2:
            raise self.error("time", f"holds {len(time)} samples, must be 2 or more")
        steps = np.diff(time)
        if steps.min() <= 0:
            row = int(np.argmin(steps)) + 1
            raise self.error("time", f"row {row} is {time[row]:g} s after {time[row - 1]:g} s, must increase")
        return time - time[0]

    def numbers(self, key: str, shape: tuple[int, ...], finite: bool = True) -> Array:
        """An array of a shape as float64."""
        if key not in self.arrays:
            raise self.error(key, f"is missing; the file holds {', '.join(sorted(self.arrays))}")
        array = self.arrays[key]
        if array.dtype.kind not in "fiu":
            raise self.error(key, f"has type {array.dtype}, must be numbers")
        if array.shape != shape:
            raise self.error(key, f"has shape {array.shape}, must be {shape}")
        values = array.astype(np.float64)
        if finite:
            self.check_finite(key, values)
        return values

    def check_finite(self, key: str, values: Array, where: str = "") -> None:
        """No NaN, no infinity."""
        good = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        if not good.all():
            raise self.error(key, f"row {int(np.argmin(good))} holds NaN or infinity{where}")

    def check_size(self, key: str, values: Array) -> None:
        """Metres, not millimetres."""
        largest = np.abs(values).reshape(len(values), -1).max(axis=1)
        if largest.max() > MAX_DISTANCE:
            row = int(np.argmax(largest))
            raise self.error(key, f"row {row} holds {largest[row]:g}, limit {MAX_DISTANCE:g} m: are these metres?")

    def quaternions(self, key: str, values: Array) -> Array:
        """Quaternions (N, 4) of length exactly 1, each on the side of the one before."""
        length = np.linalg.norm(values, axis=1)
        wrong = np.abs(length - 1)
        if wrong.max() > UNIT_TOLERANCE:
            row = int(np.argmax(wrong))
            raise self.error(key, f"row {row} has length {length[row]:.4g}, must be 1 within {UNIT_TOLERANCE:g}")
        return values / length[:, None]
