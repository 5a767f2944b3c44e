"""Where the learned position embeddings start from (H-RDT, paper.md 2.2): sine and cosine of an index."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def sine_cosine(indices: NDArray[np.floating] | NDArray[np.integer], width: int) -> Array:
    """(n,) indices to (n, width): sines, then cosines, of index / 10000^(2 i / width)."""
    frequencies = 1e4 ** (-np.arange(width // 2) / (width / 2))
    angles = np.asarray(indices, dtype=np.float64)[:, None] * frequencies
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def own_positions(states: int, horizon: int, width: int) -> Array:
    """(states + horizon, width): modality (0 state, 1 action) plus place within it."""
    modality = sine_cosine(np.array([0.0] * states + [1.0] * horizon), width)
    place = sine_cosine(np.concatenate([np.arange(states), np.arange(horizon)]), width)
    return modality + place


def vision_positions(cameras: int, tokens: int, width: int) -> Array:
    """(cameras * tokens, width): the camera's place only; where a patch lies its encoder has told already."""
    return np.repeat(sine_cosine(np.arange(cameras), width), tokens, axis=0)


def language_positions(tokens: int, width: int) -> Array:
    """(tokens, width) zeros: T5 has told the order already."""
    return np.zeros((tokens, width), dtype=np.float32)


def grid_positions(grid: int, width: int) -> Array:
    """(grid * grid, width) of patches row by row: half of the channels for the row, half for the column."""
    row, column = np.divmod(np.arange(grid * grid), grid)
    return np.concatenate([sine_cosine(row, width // 2), sine_cosine(column, width // 2)], axis=1)
