"""Which samples a step sees: a function of the seed and the step's number, so that nothing needs to be stored."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mivla_ros.training.errors import TrainingError


class BatchOrder:
    """Endless passes through one or more pools of samples (a person's, robots'), each pass in a new order; every
    batch takes the same number from each pool, the last one what is left."""

    def __init__(self, pools: Sequence[NDArray[np.int64]], batch: int, seed: int) -> None:
        """Raises TrainingError for no pool, an empty one, or more pools than a batch has samples."""
        if not pools or any(not len(pool) for pool in pools):
            raise TrainingError("data", "there is nothing to train on")
        if batch < len(pools):
            raise TrainingError("batch", f"is {batch}, must be {len(pools)} or more to mix the demonstrations")
        self._pools, self._seed = [np.asarray(pool) for pool in pools], seed
        each = batch // len(pools)
        self._sizes = [each] * (len(pools) - 1) + [batch - each * (len(pools) - 1)]
        self._known: dict[int, tuple[int, NDArray[np.int64]]] = {}

    def batch(self, step: int) -> NDArray[np.int64]:
        """Numbers of the samples of one step."""
        parts = []
        for number, (pool, size) in enumerate(zip(self._pools, self._sizes, strict=True)):
            places = np.arange(step * size, (step + 1) * size)
            passes, within = np.divmod(places, len(pool))
            part = np.empty(size, dtype=np.int64)
            for one in np.unique(passes):
                part[passes == one] = pool[self._shuffled(number, int(one))[within[passes == one]]]
            parts.append(part)
        return np.concatenate(parts)

    def _shuffled(self, pool: int, number: int) -> NDArray[np.int64]:
        if self._known.get(pool, (-1,))[0] != number:
            random = np.random.default_rng([self._seed, pool, number])
            self._known[pool] = number, random.permutation(len(self._pools[pool]))
        return self._known[pool][1]
