"""Finds a camera that keeps sending the same picture under new stamps."""

import zlib

import numpy as np
from numpy.typing import NDArray

HASHED_PIXELS = 65_536  # enough to see an arm move, cheap at any resolution


def image_hash(rgb: NDArray[np.uint8]) -> int:
    """Checksum of an evenly spaced subset of the pixels of an image (height, width, 3)."""
    stride = max(int(np.ceil(np.sqrt(rgb.shape[0] * rgb.shape[1] / HASHED_PIXELS))), 1)
    return zlib.crc32(np.ascontiguousarray(rgb[::stride, ::stride]))


class FrozenCamera:
    """Remembers since when a camera shows the same bytes, and where the joints were then.

    A simulated camera shows the same bytes while nothing moves, so bytes alone prove nothing: a camera is
    frozen when its picture stays the same while the arms move.
    """

    def __init__(self) -> None:
        self._hash: int | None = None
        self._since_ns = 0
        self._newest_ns = 0
        self._joints: NDArray[np.float64] | None = None

    def see(self, stamp_ns: int, rgb: NDArray[np.uint8], joints: NDArray[np.float64] | None) -> None:
        """Look at one image; joints: the arms' positions (rad) at about that time, None where not known."""
        if stamp_ns <= self._newest_ns and self._hash is not None:
            return
        digest = image_hash(rgb)
        if digest != self._hash or self._joints is None:
            self._hash, self._since_ns, self._joints = digest, stamp_ns, joints
        self._newest_ns = stamp_ns

    def frozen_seconds(self, joints: NDArray[np.float64], motion: float) -> float:
        """Seconds the picture has stayed the same if some joint has moved by more than ``motion`` (rad)
        since; else 0.
        """
        if self._joints is None or np.max(np.abs(joints - self._joints), initial=0.0) <= motion:
            return 0.0
        return (self._newest_ns - self._since_ns) / 1e9
