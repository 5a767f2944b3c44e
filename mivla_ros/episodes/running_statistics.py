"""Statistics of rows that come one part after the other: count, range, mean, deviation and quantiles, mergeable.

Quantiles come from a sample of rows chosen by a hash of where they are, so that neither the order of the parts nor the
number of processes changes it; below ``SAMPLE_ROWS`` rows they are exact.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mivla_ros.episodes.episode import Array

SAMPLE_ROWS = 50_000
QUANTILES = (0.01, 0.1, 0.5, 0.9, 0.99)


def row_keys(identity: int, count: int) -> NDArray[np.uint64]:
    """Well mixed 64-bit keys of the rows of one part (splitmix64 of its identity and the row)."""
    with np.errstate(over="ignore"):
        z = np.uint64(identity % 2**64) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


@dataclass(frozen=True, eq=False)
class RunningStatistics:
    """Of columns: count of rows, minimum, maximum, mean, sum of squared deviations; sampled rows and their keys."""

    count: int
    minimum: Array
    maximum: Array
    mean: Array
    squares: Array
    sample: Array
    keys: NDArray[np.uint64]

    @classmethod
    def of(cls, rows: Array, identity: int) -> "RunningStatistics":
        """Of the rows (N, columns) of one part; ``identity`` tells parts apart. Raises ValueError for none or NaN."""
        values = np.asarray(rows, dtype=np.float64)
        if values.ndim != 2 or not len(values) or not np.isfinite(values).all():
            raise ValueError(f"statistics: rows of shape {values.shape} must be (N, columns), N above 0, finite")
        mean = values.mean(axis=0)
        keys = row_keys(identity, len(values))
        chosen = np.argsort(keys, kind="stable")[:SAMPLE_ROWS]
        return cls(
            len(values),
            values.min(axis=0),
            values.max(axis=0),
            mean,
            ((values - mean) ** 2).sum(axis=0),
            values[chosen],
            keys[chosen],
        )

    def merged(self, other: "RunningStatistics") -> "RunningStatistics":
        """Of both parts together."""
        count = self.count + other.count
        delta = other.mean - self.mean
        keys = np.concatenate([self.keys, other.keys])
        chosen = np.argsort(keys, kind="stable")[:SAMPLE_ROWS]
        return RunningStatistics(
            count,
            np.minimum(self.minimum, other.minimum),
            np.maximum(self.maximum, other.maximum),
            self.mean + delta * (other.count / count),
            self.squares + other.squares + delta**2 * (self.count * other.count / count),
            np.concatenate([self.sample, other.sample])[chosen],
            keys[chosen],
        )

    @property
    def deviation(self) -> Array:
        """Standard deviation of the whole (not of a sample of something larger)."""
        return np.sqrt(self.squares / self.count)

    def quantiles(self) -> dict[str, Array]:
        """``q01`` ... ``q99`` by name."""
        found = np.quantile(self.sample, QUANTILES, axis=0)
        return {f"q{round(q * 100):02d}": row for q, row in zip(QUANTILES, found, strict=True)}

    def to_json(self) -> dict[str, Any]:
        """Plain lists: count, min, max, mean, std and the quantiles."""
        return {
            "count": self.count,
            "min": self.minimum.tolist(),
            "max": self.maximum.tolist(),
            "mean": self.mean.tolist(),
            "std": self.deviation.tolist(),
            **{name: row.tolist() for name, row in self.quantiles().items()},
        }
