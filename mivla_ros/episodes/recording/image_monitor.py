"""One camera while it is recorded: what its pictures are worth, from a share of them, and whether it is frozen."""

from dataclasses import dataclass, field
from math import nan

from mivla_ros.episodes.recording.image_checks import FrozenPicture, ImageCheck
from mivla_ros.episodes.recording.limits import AuditLimits


@dataclass(frozen=True)
class CameraReport:
    """Counts of pictures looked at so far; frozen: longest time (s) of a standing picture while the robot moved. blur,
    dark, bright: of the newest picture looked at, see ImageCheck; NaN before the first."""

    looked_at: int
    invalid: int
    blurred: int
    dark: int
    bright: int
    frozen: float
    newest_blur: float
    newest_dark: float
    newest_bright: float


@dataclass
class ImageMonitor:
    """Told of every check of one camera's pictures."""

    limits: AuditLimits
    standing: FrozenPicture = field(default_factory=FrozenPicture)
    looked_at: int = 0
    invalid: int = 0
    blurred: int = 0
    dark: int = 0
    bright: int = 0
    newest: ImageCheck | None = None

    def see(self, check: ImageCheck | None) -> None:
        """One check; None: the picture could not be decoded."""
        self.looked_at += 1
        if check is None:
            self.invalid += 1
            return
        self.newest = check
        self.dark += check.dark > self.limits.dark
        self.bright += check.bright > self.limits.bright
        self.blurred += check.contrast >= self.limits.contrast and check.blur > self.limits.blur

    def report(self) -> CameraReport:
        """What is known now."""
        newest = self.newest or ImageCheck(nan, nan, nan, nan)
        return CameraReport(
            self.looked_at,
            self.invalid,
            self.blurred,
            self.dark,
            self.bright,
            self.standing.longest,
            newest.blur,
            newest.dark,
            newest.bright,
        )
