"""Lengths and directions."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

Values = Sequence[float] | np.ndarray
Matrix = Sequence[Sequence[float]] | np.ndarray


def unit(data: ArrayLike, axis: int | None = None) -> np.ndarray:
    """Return data divided by its length along an axis (of all values without one), as a new array."""
    values = np.asarray(data, dtype=np.float64)
    return (values / np.sqrt(np.sum(values * values, axis=axis, keepdims=True))).reshape(values.shape)


def vector_norm(data: ArrayLike, axis: int | None = None, out: np.ndarray | None = None) -> np.ndarray | float | None:
    """Return the Euclidean length along an axis (of all values without one), or write it to ``out``."""
    values = np.asarray(data, dtype=np.float64)
    norm = np.sqrt(np.sum(values * values, axis=axis))
    if out is None:
        return norm
    out[...] = norm
    return None


def unit_vector(data: ArrayLike, axis: int | None = None, out: np.ndarray | None = None) -> np.ndarray | None:
    """Return data divided by its length along an axis, as a new array or in ``out``."""
    if out is None:
        return unit(data, axis)
    out[...] = unit(data, axis)
    return None


def random_vector(size: int | tuple[int, ...]) -> np.ndarray:
    """Return uniform random values in [0, 1)."""
    return np.random.random(size)
