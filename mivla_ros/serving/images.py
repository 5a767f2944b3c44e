"""Camera images as models behind a server want them: size, letterbox, order of axes."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]


def fit(rgb: Picture, height: int, width: int, how: str = "pad", fill: tuple[int, int, int] = (0, 0, 0)) -> Picture:
    """An image (h, w, 3) as (height, width, 3), by bilinear interpolation with antialiasing.

    how: "pad" keeps the shape of things and fills two margins with ``fill``, as openpi's clients do, bit by bit;
    "stretch" does not; "crop" keeps it and cuts two margins off.
    """
    if rgb.shape[:2] == (height, width):
        return rgb
    image = Image.fromarray(np.ascontiguousarray(rgb))
    if how == "stretch":
        return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    across, along = image.width / width, image.height / height
    if how == "crop":
        ratio = min(across, along)
        w, h = width * ratio, height * ratio
        left, top = (image.width - w) / 2, (image.height - h) / 2
        box = (left, top, left + w, top + h)
        return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box=box))
    ratio = max(across, along)
    size = (max(int(image.width / ratio), 1), max(int(image.height / ratio), 1))
    padded = Image.new("RGB", (width, height), fill)
    padded.paste(image.resize(size, Image.Resampling.BILINEAR), ((width - size[0]) // 2, (height - size[1]) // 2))
    return np.asarray(padded)


def to_order(rgb: Picture, order: str) -> Picture:
    """An image (h, w, 3) in the order of axes "hwc" or "chw"."""
    return np.ascontiguousarray(rgb.transpose(2, 0, 1)) if order == "chw" else rgb


def from_order(values: NDArray[np.generic], order: str) -> Picture:
    """The image (h, w, 3) uint8 of values in that order of axes; floats are 0 to 1. Raises ValueError for others."""
    image = values.transpose(1, 2, 0) if order == "chw" and values.ndim == 3 else values
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        wanted = "(3, height, width)" if order == "chw" else "(height, width, 3)"
        raise ValueError(f"has shape {values.shape}, must be {wanted}")
    if image.dtype.kind == "f":
        if not (np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1):
            raise ValueError("has values outside 0 to 1")
        return (image * 255).astype(np.uint8)
    if image.dtype != np.uint8:
        raise ValueError(f"is of type {image.dtype}, must be uint8, or float from 0 to 1")
    return np.ascontiguousarray(image)
