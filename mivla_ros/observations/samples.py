"""A bounded list of samples in the order of their stamps."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class Samples[T]:
    """Samples by stamp (ns). Late arrivals are put in their place; a stamp seen before is ignored (the first
    one stays).
    """

    def __init__(self, count: int, history_ns: int | None = None) -> None:
        self.count = count
        self.history_ns = history_ns
        self.duplicates = 0
        self.late = 0
        self.stamps: list[int] = []
        self.values: list[T] = []

    def __len__(self) -> int:
        """Number of samples held, at most ``count``."""
        return len(self.stamps)

    def __iter__(self) -> Iterator[tuple[int, T]]:
        """Stamps and samples, oldest first."""
        return iter(zip(self.stamps, self.values, strict=True))

    @property
    def newest_ns(self) -> int:
        """Newest stamp. Raises IndexError where there is none."""
        return self.stamps[-1]

    def add(self, stamp_ns: int, value: T) -> bool:
        """Keep a sample; False where its stamp is known already or too old to be kept."""
        index = bisect_left(self.stamps, stamp_ns)
        if index < len(self.stamps):
            if self.stamps[index] == stamp_ns:
                self.duplicates += 1
                return False
            self.late += 1
            if index == 0 and len(self.stamps) >= self.count:
                return False
        self.stamps.insert(index, stamp_ns)
        self.values.insert(index, value)
        drop = max(len(self.stamps) - self.count, 0)
        if self.history_ns is not None:
            drop = max(drop, bisect_left(self.stamps, self.stamps[-1] - self.history_ns))
        if drop:
            del self.stamps[:drop], self.values[:drop]
        return True

    def before(self, stamp_ns: int) -> int | None:
        """Index of the newest sample at or before a stamp; None where there is none."""
        index = bisect_right(self.stamps, stamp_ns) - 1
        return index if index >= 0 else None

    def clear(self) -> None:
        """Forget every sample."""
        self.stamps.clear()
        self.values.clear()
