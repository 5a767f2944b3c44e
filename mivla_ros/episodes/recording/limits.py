"""From when on a stream is doubtful, and from when on an episode has to be done again."""

from dataclasses import dataclass, fields
from math import isfinite


@dataclass(frozen=True)
class AuditLimits:
    """Limits of the audit. Where there are two values the first makes an episode doubtful, the second makes it one to
    do again.

    rate: shares of the profile's rate below which a stream is too slow. gap: s without a message. loss: shares of the
    messages lost. skew: s from an image to the nearest stamp of another stream, skew_share: of the images beyond it.
    latency: s from capture to arrival, 95 % of the images. frozen: s of a standing picture while the robot moved by
    more than frozen_motion (rad). blur: 0 to 1, above it a picture is blurred. dark, bright: shares of pixels without
    detail above which a picture counts as such. contrast: grey levels below which blur means nothing. bad_images:
    shares of the pictures looked at that are blurred, dark or bright. seconds: a shorter episode is none.
    """

    rate: tuple[float, float] = (0.9, 0.6)
    gap: tuple[float, float] = (0.3, 1.0)
    loss: tuple[float, float] = (0.002, 0.05)
    skew: float = 0.05
    skew_share: tuple[float, float] = (0.05, 0.5)
    latency: tuple[float, float] = (0.3, 1.0)
    frozen: tuple[float, float] = (0.5, 1.0)
    frozen_motion: float = 0.1
    blur: float = 0.6
    dark: float = 0.7
    bright: float = 0.4
    contrast: float = 8.0
    bad_images: tuple[float, float] = (0.2, 0.6)
    seconds: float = 1.0

    def __post_init__(self) -> None:
        """Refuse values that mean nothing. Raises ValueError naming the limit."""
        for field in fields(self):
            value = getattr(self, field.name)
            for number in value if isinstance(value, tuple) else (value,):
                if not isfinite(number) or number < 0:
                    raise ValueError(f"audit limit {field.name} is {value}, must be finite and 0 or more")
