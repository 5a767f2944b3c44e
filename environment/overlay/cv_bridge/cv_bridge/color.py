"""Conversions between colour orders and element depths."""

import cv2
import numpy as np

from .encodings import CvBridgeError, Encoding, read

_NAMES = {"mono": "GRAY", "rgb": "RGB", "bgr": "BGR", "rgba": "RGBA", "bgra": "BGRA"}
_FULL_SCALE = {("8U", "16U"): 65535.0 / 255.0, ("16U", "8U"): 255.0 / 65535.0}


def _with_depth(image: np.ndarray, source: Encoding, target: Encoding) -> np.ndarray:
    if source.depth == target.depth:
        return image
    # Full scale stays full scale between 8 and 16 bit; every other change of depth keeps the values.
    scale = _FULL_SCALE.get((source.depth, target.depth), 1.0)
    scaled = image.astype(np.float64) * scale
    if target.dtype.kind == "f":
        return scaled.astype(target.dtype)
    limits = np.iinfo(target.dtype)
    return np.clip(np.rint(scaled), limits.min, limits.max).astype(target.dtype)


def cvtColor2(image: np.ndarray, encoding_in: str, encoding_out: str) -> np.ndarray:
    """Return a copy of an image (height, width[, channels]) in another encoding.

    Between named colours the order and number of channels change; without a colour only the depth can.
    Raises CvBridgeError where there is no such conversion.
    """
    source, target = read(encoding_in), read(encoding_out)
    if source.name == target.name:
        return image.copy()
    if source.color and target.color:
        if source.color != target.color:
            code = getattr(cv2, f"COLOR_{_NAMES[source.color]}2{_NAMES[target.color]}")
            image = cv2.cvtColor(image, code)
    elif source.channels != target.channels:
        raise CvBridgeError(
            f"no conversion from '{encoding_in}' ({source.channels} channels) to '{encoding_out}' "
            f"({target.channels} channels): both must name a colour order"
        )
    converted = _with_depth(image, source, target)
    return converted.copy() if converted.base is not None or converted is image else converted
