"""Which checkpoint is the best: the one that succeeds most often; among equals, the one with the lowest loss."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Best:
    """A checkpoint's worth. step: of training. loss: on validation, None without episodes for it. success: closed-loop
    (0 to 1), None where it was not played."""

    step: int
    loss: float | None = None
    success: float | None = None

    def replaces(self, other: "Best | None") -> bool:
        """Whether to keep this one, the later, instead of the other: by success, one that was not played having none;
        then by loss, if both have it; the later of two equals."""
        if other is None:
            return True
        mine, others = self.success or 0.0, other.success or 0.0
        if mine != others or self.loss is None or other.loss is None:
            return mine >= others
        return self.loss <= other.loss

    def __str__(self) -> str:
        """For people."""
        parts = [] if self.success is None else [f"success {100 * self.success:.0f} %"]
        parts += [] if self.loss is None else [f"validation loss {self.loss:.4f}"]
        return ", ".join([f"step {self.step}", *parts])
