"""Pictures in an HDF5 file as a camera."""

import numpy as np
from numpy.typing import NDArray

from mivla_ros.episodes.episode import Array, Stamps
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.hdf5_file import Hdf5File
from mivla_ros.observations.compressed_image import MAX_PIXELS, ImageError, rgb_from_compressed, rgb_size


class Hdf5Camera:
    """Pictures in an HDF5 data set: JPEG bytes a row with red and blue swapped, or plain RGB (T, H, W, 3)."""

    def __init__(
        self, file: Hdf5File, name: str, key: str, intrinsics_key: str, stamps: Stamps, swapped: bool = True
    ) -> None:
        self.name, self.frame_id, self.stamps_ns = name, "", stamps
        self._file, self._key, self._swapped = file, key, swapped
        self._plain = len(file.dataset(key).shape) == 4
        rows = file.rows(key)
        if rows != len(stamps):
            raise EpisodeError(file.path, key, f"has {rows} rows", limit=f"{len(stamps)}, as the joints")
        if self._plain:
            data = file.dataset(key)
            _, height, width, channels = data.shape
            if channels != 3 or data.dtype != np.uint8 or not 0 < height * width <= MAX_PIXELS:
                raise EpisodeError(
                    file.path, key, f"has shape {data.shape}, type {data.dtype}", limit="(T, H, W, 3) uint8"
                )
        self.intrinsics = self._intrinsics(intrinsics_key) if intrinsics_key and file.has(intrinsics_key) else None

    def _intrinsics(self, key: str) -> Array:
        if len(self._file.dataset(key).shape) == 2:
            return self._file.numbers(key, (3, 3))
        return self._file.numbers(key, (None, 3, 3))[0]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        if self._plain:
            _, height, width, _ = self._file.dataset(self._key).shape
            return int(height), int(width)
        try:
            return rgb_size(self._file.bytes_of(self._key, 0))
        except ImageError as error:
            raise EpisodeError(self._file.path, self._key, str(error), 0) from error

    def rgb(self, index: int, at_least: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """One picture in RGB."""
        if not 0 <= index < len(self.stamps_ns):
            raise EpisodeError(self._file.path, self._key, "no such picture", index, f"{len(self.stamps_ns)}")
        if self._plain:
            return np.asarray(self._file._read(self._file.dataset(self._key), self._key, index))
        try:
            rgb = rgb_from_compressed(self._file.bytes_of(self._key, index), at_least)
        except ImageError as error:
            raise EpisodeError(self._file.path, self._key, str(error), index) from error
        return np.ascontiguousarray(rgb[..., ::-1]) if self._swapped else rgb

    def encoded(self, index: int) -> bytes | None:
        """None: the stored bytes have red and blue swapped, or are no JPEG."""
        return None if self._plain or self._swapped else self._file.bytes_of(self._key, index)
