"""Bootstrap intervals of means, and of differences between policies on the same seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from scipy.stats import bootstrap

LEVEL = 0.95
RESAMPLES = 5000


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % bootstrap interval (percentile method) over ``count`` values; nan where there are none."""

    mean: float
    lower: float
    upper: float
    count: int


def mean_interval(values: Sequence[float], seed: int = 0) -> Interval:
    """Interval of the mean; with one value, or all equal, it has no width.

    With all successes or all failures the bootstrap knows no spread; ``rate_interval`` is for rates.
    """
    data = np.asarray(values, dtype=np.float64)
    if len(data) == 0:
        return Interval(nan, nan, nan, 0)
    mean = float(data.mean())
    if len(data) == 1 or np.ptp(data) == 0:
        return Interval(mean, mean, mean, len(data))
    found = bootstrap(
        (data,), np.mean, n_resamples=RESAMPLES, confidence_level=LEVEL, method="percentile",
        random_state=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    return Interval(mean, float(found.low), float(found.high), len(data))


def rate_interval(successes: Sequence[bool], seed: int = 0) -> Interval:
    """Interval of a success rate: bootstrap, and Wilson's where all or none succeeded."""
    data = np.asarray(successes, dtype=np.float64)
    if len(data) == 0 or 0 < data.mean() < 1:
        return mean_interval(data.tolist(), seed)
    from scipy.stats import binomtest

    found = binomtest(int(data.sum()), len(data)).proportion_ci(LEVEL, method="wilson")
    return Interval(float(data.mean()), float(found.low), float(found.high), len(data))


def paired_difference(first: Mapping[int, float], second: Mapping[int, float], seed: int = 0) -> Interval:
    """Mean of first - second over the seeds both have. Raises ValueError where they share none."""
    shared = sorted(first.keys() & second.keys())
    if not shared:
        raise ValueError("the two evaluations share no seed")
    return mean_interval([float(first[s]) - float(second[s]) for s in shared], seed)
