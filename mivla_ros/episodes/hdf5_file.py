"""HDF5 data sets with every size checked before it is read, and every fault named by file and key."""

from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from mivla_ros.episodes.episode import Array
from mivla_ros.episodes.errors import EpisodeError

MAX_NUMBERS_BYTES = 512 * 1024 * 1024  # of one numeric data set: an hour of 70 joints' 4x4 at 30 Hz has 0.5 GB
MAX_ROWS = 50_000_000


class Hdf5File:
    """An open file."""

    def __init__(self, path: Path) -> None:
        """Raises EpisodeError where it is no sound HDF5 file."""
        self.path = path
        if not path.is_file():
            raise EpisodeError(path, "file", "is missing")
        try:
            self.root = h5py.File(path, "r")
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise EpisodeError(path, "file", f"is no sound HDF5 file: {str(error).splitlines()[0]}") from error

    def __enter__(self) -> "Hdf5File":
        """The file itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self.root.close()

    def has(self, key: str) -> bool:
        """True where there is such a group or data set."""
        try:
            return key in self.root
        except Exception:
            return False

    def names(self, key: str) -> tuple[str, ...]:
        """Names inside a group; empty where it is none."""
        try:
            group = self.root[key]
            return tuple(group) if isinstance(group, h5py.Group) else ()
        except Exception as error:
            raise EpisodeError(self.path, key, f"cannot be read: {error}") from error

    def dataset(self, key: str) -> h5py.Dataset:
        """A data set. Raises EpisodeError where it is missing or something else."""
        try:
            found = self.root[key]
        except Exception as error:
            raise EpisodeError(self.path, key, "is missing" if isinstance(error, KeyError) else str(error)) from error
        if not isinstance(found, h5py.Dataset):
            raise EpisodeError(self.path, key, "is a group", limit="a data set")
        return found

    def numbers(self, key: str, shape: tuple[int | None, ...], rows: int | None = None) -> Array:
        """A numeric data set as float64; ``shape``: None for any length, the first being rows.

        Raises EpisodeError for another shape, another number of rows, another type, too many bytes, NaN or infinity.
        """
        data = self.dataset(key)
        try:
            have, kind = tuple(int(n) for n in data.shape), np.dtype(data.dtype)
        except Exception as error:
            raise EpisodeError(self.path, key, f"cannot be read: {error}") from error
        wanted = (rows if rows is not None else shape[0], *shape[1:]) if shape else ()
        if len(have) != len(wanted) or any(w is not None and h != w for h, w in zip(have, wanted, strict=True)):
            words = ", ".join("any" if w is None else str(w) for w in wanted)
            raise EpisodeError(self.path, key, f"has shape {have}", limit=f"({words})")
        if kind.kind not in "fiu":
            raise EpisodeError(self.path, key, f"has type {kind}", limit="numbers")
        size = int(np.prod(have, dtype=object)) * 8 if have else 8
        if size > MAX_NUMBERS_BYTES:
            raise EpisodeError(self.path, key, f"claims {size} bytes", limit=f"{MAX_NUMBERS_BYTES}")
        if have and have[0] == 0:
            raise EpisodeError(self.path, key, "has no rows", limit="1 or more")
        values = np.asarray(self._read(data, key), dtype=np.float64)
        good = np.isfinite(values).reshape(len(values), -1).all(axis=1) if values.ndim else np.isfinite(values)
        if not np.all(good):
            row = int(np.argmin(good)) if values.ndim else None
            raise EpisodeError(self.path, key, "holds NaN or infinity", row, "finite numbers")
        return values

    def bytes_of(self, key: str, row: int) -> bytes:
        """One row of a data set of bytes (fixed or variable length, or uint8), without the padding."""
        data = self.dataset(key)
        value = self._read(data, key, row)
        return value.tobytes() if isinstance(value, np.ndarray) else bytes(value)

    def text(self, key: str) -> str:
        """A string. Raises EpisodeError."""
        data = self.dataset(key)
        if data.shape != ():
            raise EpisodeError(self.path, key, f"has shape {data.shape}", limit="one string")
        value = self._read(data, key, ())
        return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)

    def rows(self, key: str, most: int = MAX_ROWS) -> int:
        """Number of rows of a data set. Raises EpisodeError for none or too many."""
        try:
            shape = self.dataset(key).shape
        except EpisodeError:
            raise
        except Exception as error:
            raise EpisodeError(self.path, key, f"cannot be read: {error}") from error
        count = int(shape[0]) if shape else 0
        if not 0 < count <= most:
            raise EpisodeError(self.path, key, f"has {count} rows", limit=f"1 to {most}")
        return count

    def attribute(self, name: str, default: str = "") -> str:
        """A text attribute of the file; the default where it is missing or unreadable."""
        try:
            value = self.root.attrs.get(name, default)
        except Exception:
            return default
        return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)

    def _read(self, data: h5py.Dataset, key: str, where: Any = ...) -> Any:  # noqa: ANN401
        chunks = data.chunks
        if chunks is not None and int(np.prod(chunks, dtype=object)) * data.dtype.itemsize > MAX_NUMBERS_BYTES:
            raise EpisodeError(self.path, key, f"has chunks of shape {chunks}", limit=f"{MAX_NUMBERS_BYTES} bytes")
        if data.dtype.itemsize > MAX_NUMBERS_BYTES:
            raise EpisodeError(
                self.path, key, f"has values of {data.dtype.itemsize} bytes", limit=f"{MAX_NUMBERS_BYTES}"
            )
        try:
            return data[where]
        except Exception as error:
            row = where if isinstance(where, int) else None
            raise EpisodeError(self.path, key, f"cannot be read: {error}", row) from error
