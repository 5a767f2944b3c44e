"""What a picture is worth: blurred, too dark, too bright, frozen."""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DARK, BRIGHT = 16, 250  # grey levels at or below, at or above, hold no detail
WIDTH = 320  # pixels: a picture is looked at no smaller than that, and not much larger
BLUR_FILTER = 9  # taps


@dataclass(frozen=True)
class ImageCheck:
    """blur: 0 sharp to 1 blurred (``blur``). dark, bright: shares of pixels without detail. contrast: standard
    deviation of the grey levels (0 to 255); a picture without contrast can be neither sharp nor blurred."""

    blur: float
    dark: float
    bright: float
    contrast: float


def blur(grey: NDArray[np.uint8]) -> float:
    """How blurred a grey picture (height, width) is, 0 to 1, whatever its content: a sharp one loses most of its
    differences between neighbours when it is blurred again, a blurred one hardly any (Crete et al., SPIE 6492, 2007).
    """
    picture = grey.astype(np.float32)
    worst = 0.0
    for axis in (0, 1):
        differences = np.abs(np.diff(picture, axis=axis))
        again = np.abs(np.diff(_box(picture, axis), axis=axis))
        total = float(differences.sum())
        if total > 0:
            worst = max(worst, 1.0 - float(np.maximum(differences - again, 0).sum()) / total)
    return worst


def _box(picture: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Mean over BLUR_FILTER neighbours along an axis, edges repeated."""
    half = BLUR_FILTER // 2
    widths = [(half + 1, half) if i == axis else (0, 0) for i in range(2)]
    sums = np.cumsum(np.pad(picture, widths, mode="edge"), axis=axis, dtype=np.float64)
    if axis:
        return ((sums[:, BLUR_FILTER:] - sums[:, :-BLUR_FILTER]) / BLUR_FILTER).astype(np.float32)
    return ((sums[BLUR_FILTER:] - sums[:-BLUR_FILTER]) / BLUR_FILTER).astype(np.float32)


def check_image(grey: NDArray[np.uint8]) -> ImageCheck:
    """Look at one grey picture (height, width)."""
    return ImageCheck(
        blur=blur(grey),
        dark=float(np.mean(grey <= DARK)),
        bright=float(np.mean(grey >= BRIGHT)),
        contrast=float(grey.std()),
    )


def decode_grey(jpeg: bytes | memoryview) -> NDArray[np.uint8]:
    """A JPEG as grey levels (height, width), scaled down while decoding to no less than WIDTH pixels across. Raises
    ValueError where it is no whole JPEG."""
    import simplejpeg

    grey: NDArray[np.uint8] = simplejpeg.decode_jpeg(jpeg, "GRAY", fastdct=True, min_width=WIDTH, min_height=1)
    return grey[:, :, 0]


@dataclass
class FrozenPicture:
    """Since when a camera has sent the very same bytes under new stamps, and how far the robot moved meanwhile.

    A camera that looks at a still scene in simulation rightly sends equal bytes, so that alone is no fault.
    """

    digest: int | None = None
    since_ns: int = 0
    joints: dict[str, float] | None = None
    longest: float = 0.0  # s the picture stood while the robot moved

    def see(
        self, stamp_ns: int, jpeg: bytes | memoryview, joints: dict[str, float], moved: float, limit: float
    ) -> None:
        """One image. joints: positions now; moved: how far they are from ``self.joints``; limit: rad of motion that any
        camera of the robot would show."""
        digest = zlib.crc32(jpeg)
        if digest != self.digest or self.joints is None:
            self.digest, self.since_ns, self.joints = digest, stamp_ns, dict(joints)
        elif moved > limit:
            self.longest = max(self.longest, (stamp_ns - self.since_ns) / 1e9)
