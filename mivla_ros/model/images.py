"""Camera images to what the encoders take: the one place where this is done, for training and on the robot."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mivla_ros.model.config import Fit, VisionConfig
from mivla_ros.model.errors import ModelError


def prepare_image(rgb: NDArray[np.uint8], config: VisionConfig) -> Tensor:
    """An RGB image (height, width, 3) uint8 to (3, size, size) uint8: resized (bicubic with antialiasing) and, for a
    letterbox, padded evenly with the fill colour. Red stays first.

    Raises ModelError for another type or shape.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise ModelError(f"image is {rgb.dtype} {rgb.shape}, must be uint8 (height, width, 3) RGB", "image")
    size = config.image_size
    height, width = size, size
    if config.fit is Fit.LETTERBOX:
        scale = size / max(rgb.shape[:2])
        height, width = (max(1, round(side * scale)) for side in rgb.shape[:2])
    if not rgb.flags.writeable:
        rgb = rgb.copy()  # torch shares memory only with arrays that may be written
    image = torch.from_numpy(rgb).permute(2, 0, 1)[None]  # a view; torch resizes uint8 in this layout fastest
    if (height, width) != tuple(image.shape[2:]):
        image = functional.interpolate(image, (height, width), mode="bicubic", antialias=True)
    if height == width == size:
        return image[0].contiguous()
    fill = torch.tensor(config.fill, dtype=torch.uint8)[:, None, None]
    padded = fill.expand(3, size, size).clone()
    top, left = (size - height) // 2, (size - width) // 2
    padded[:, top : top + height, left : left + width] = image[0]
    return padded
