"""Smooth errors of an arm, so that demonstrations also show the way back to the expert's path (DART, Laskey 2017)."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WAVES = 3
PERIODS = (1.5, 5.0)  # s, of the waves
JOINTS = 16
FADE_SECONDS = 1.0  # an arm begins where it is


class Disturbance:
    """A sum of waves a joint, drawn from the seed; standard deviation ``size`` rad, 0 for none."""

    def __init__(self, seed: int, size: float, begin_ns: int) -> None:
        random = np.random.default_rng([seed, 0xD157])
        self.size, self._begin_ns = size, begin_ns
        self._rate = 2 * np.pi / random.uniform(*PERIODS, (WAVES, JOINTS))
        self._phase = random.uniform(0, 2 * np.pi, (WAVES, JOINTS))

    def at(self, times_ns: NDArray[np.int64], joints: int) -> tuple[Array, Array]:
        """Offsets (N, joints) rad and their speeds rad/s at times (N,)."""
        seconds = ((times_ns - self._begin_ns) / 1e9)[:, None, None]
        angle = seconds * self._rate[:, :joints] + self._phase[:, :joints]
        scale = self.size * np.sqrt(2 / WAVES)
        offset = scale * np.sin(angle).sum(axis=1)
        speed = scale * (self._rate[:, :joints] * np.cos(angle)).sum(axis=1)
        fade = np.clip(seconds[:, 0] / FADE_SECONDS, 0.0, 1.0)
        return fade * offset, fade * speed + offset * (fade < 1) / FADE_SECONDS
