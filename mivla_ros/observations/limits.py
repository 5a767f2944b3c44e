"""How old, how far apart and how alike the streams of one observation may be."""

from dataclasses import dataclass, fields
from math import isfinite


@dataclass(frozen=True)
class StreamLimits:
    """Limits of the streams, in seconds unless stated.

    image_age, joint_age, object_age: oldest allowed against now. image_skew: largest spread of the images of
    one observation. joint_gap: largest gap between two joint samples to interpolate across, and the longest
    the newest one is held. object_gap: farthest an object's pose may lie from the observation's stamp.
    future: how far a stamp may lie ahead of now. frozen: how long a camera may show the same bytes while the
    arms move by more than ``frozen_motion`` (rad); 0: unchecked. image_count: images kept a camera. history:
    seconds of joint and object samples kept.
    """

    image_age: float = 0.5
    joint_age: float = 0.2
    object_age: float = 0.5
    image_skew: float = 0.05
    joint_gap: float = 0.1
    object_gap: float = 0.2
    future: float = 0.1
    frozen: float = 1.0
    frozen_motion: float = 0.1
    image_count: int = 8
    history: float = 2.0

    def __post_init__(self) -> None:
        """Refuse limits that could never be met. Raises ValueError naming the limit."""
        for f in fields(self):
            value = getattr(self, f.name)
            may_be_zero = f.name in ("frozen", "image_skew", "frozen_motion")
            if not isfinite(value) or value < 0 or (value == 0 and not may_be_zero):
                raise ValueError(f"stream limit {f.name} is {value}, must be finite and above 0")
        if self.history < self.image_age + self.joint_gap:
            raise ValueError(
                f"stream limit history is {self.history} s, must be at least image_age + joint_gap "
                f"({self.image_age + self.joint_gap:g} s), so that joints outlast images"
            )
