"""How much each step of a new chunk has to agree with the plan under way."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def agreement(horizon: int, frozen: int, overlap: int) -> Array:
    """Weights (horizon,): 1 for the ``frozen`` first steps, then falling from step to step, 0 from ``overlap`` on, the
    number of steps that the plan under way still says anything about.

    The fall is that of real-time chunking (arXiv 2506.07339, Eq. 5): c (e^c - 1) / (e - 1) with c linear.
    """
    frozen = min(frozen, overlap)
    steps = np.arange(horizon)
    share = np.clip((overlap - steps) / (overlap - frozen + 1), 0.0, 1.0)
    weights = share * np.expm1(share) / np.expm1(1.0)
    return np.where(steps < frozen, 1.0, np.where(steps < overlap, weights, 0.0))
