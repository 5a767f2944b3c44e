"""Compressed pictures to RGB: the one decoder of the live policy, of the readers and of training.

That it is one decoder makes what was recorded and what the policy saw the same bits.
"""

import struct

import numpy as np
import simplejpeg
from numpy.typing import NDArray

MAX_PIXELS = 50_000_000  # an 8K picture has 33 million; headers beyond this are not believed
_PNG = b"\x89PNG\r\n\x1a\n"


class ImageError(ValueError):
    """Bytes that are no picture this suite reads."""


def rgb_size(data: bytes | memoryview) -> tuple[int, int]:
    """Height and width that the header of a JPEG or PNG claims. Raises ImageError, also beyond MAX_PIXELS."""
    head = bytes(data[:32])
    if head[:2] == b"\xff\xd8":
        try:
            height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        except ValueError as error:
            raise ImageError(f"JPEG header: {error}") from error
    elif head[:8] == _PNG and len(head) >= 24:
        width, height = struct.unpack(">II", head[16:24])
    else:
        raise ImageError(f"{len(data)} bytes that begin with {head[:4].hex() or 'nothing'} are neither JPEG nor PNG")
    if not 0 < height * width <= MAX_PIXELS:
        raise ImageError(f"header says {width}x{height} pixels, allowed are 1 to {MAX_PIXELS}")
    return height, width


def rgb_from_compressed(data: bytes | memoryview, at_least: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """(height, width, 3) RGB of a JPEG or PNG.

    at_least: (height, width); a JPEG may then be decoded at 1/2, 1/4 or 1/8 of its size as long as it stays that
    large, which is much faster. Raises ImageError for anything that is no whole picture.
    """
    rgb_size(data)
    if bytes(data[:2]) == b"\xff\xd8":
        height, width = at_least or (0, 0)
        try:
            return simplejpeg.decode_jpeg(data, "RGB", min_height=height, min_width=width, min_factor=1)
        except ValueError as error:
            raise ImageError(f"JPEG: {error}") from error
    import cv2

    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ImageError("PNG: OpenCV cannot read it")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
