"""Camera images into one buffer that is kept: no copy of a whole image is made."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mivla_ros.model.config import Fit, VisionConfig
from mivla_ros.model.errors import ModelError


class Pixels:
    """The same pixels as ``model.images.prepare_image`` makes, for all cameras at once. Not for two threads."""

    def __init__(self, config: VisionConfig, cameras: int) -> None:
        size = config.image_size
        self._config = config
        fill = torch.tensor(config.fill, dtype=torch.uint8)[:, None, None]
        self._fill = fill.expand(3, size, size)
        self._buffer = self._fill.expand(cameras, 3, size, size).clone()
        self._shapes: list[tuple[int, int] | None] = [None] * cameras

    def put(self, images: Sequence[NDArray[np.uint8] | None]) -> tuple[Tensor, NDArray[np.bool_]]:
        """RGB images (h, w, 3) uint8, None where one is missing, to (C, 3, size, size) uint8 and which are there (C,).

        The buffer is the same at every call. Raises ModelError for other arrays, and another number of them.
        """
        if len(images) != len(self._shapes):
            raise ModelError(f"{len(images)} images are given, the network's cameras are {len(self._shapes)}", "images")
        for index, image in enumerate(images):
            if image is not None:
                self._put(index, image)
        return self._buffer, np.array([image is not None for image in images], dtype=bool)

    def _put(self, index: int, rgb: NDArray[np.uint8]) -> None:
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
            raise ModelError(f"image is {rgb.dtype} {rgb.shape}, must be uint8 (height, width, 3) RGB", "image")
        size = self._config.image_size
        height, width = size, size
        if self._config.fit is Fit.LETTERBOX:
            scale = size / max(rgb.shape[:2])
            height, width = (max(1, round(side * scale)) for side in rgb.shape[:2])
        place = self._buffer[index]
        if self._shapes[index] not in (None, (height, width)):
            place.copy_(self._fill)  # the camera's images have another shape than before
        self._shapes[index] = (height, width)
        image = _shared(rgb).permute(2, 0, 1)[None]
        if (height, width) != tuple(image.shape[2:]):
            image = functional.interpolate(image, (height, width), mode="bicubic", antialias=True)
        top, left = (size - height) // 2, (size - width) // 2
        place[:, top : top + height, left : left + width] = image[0]


class _Interface:
    """An array's memory under another name; keeps the array alive."""

    def __init__(self, array: NDArray[np.uint8]) -> None:
        self._array = array
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}


def _shared(rgb: NDArray[np.uint8]) -> Tensor:
    """A tensor on the array's own memory, which is only read; torch itself takes none that may not be written."""
    return torch.from_numpy(rgb if rgb.flags.writeable else np.asarray(_Interface(rgb)))
