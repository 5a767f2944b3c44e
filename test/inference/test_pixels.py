"""The buffer holds what the plain preparation makes of each image."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mivla_ros.inference.pixels import Pixels
from mivla_ros.model.config import Fit
from mivla_ros.model.errors import ModelError
from mivla_ros.model.images import prepare_image
from mivla_ros.model.presets import TINY


@pytest.mark.parametrize("fit", Fit, ids=str)
def test_it_equals_the_plain_preparation_whatever_came_before(fit: Fit) -> None:
    config = replace(TINY.vision, fit=fit)
    pixels, random = Pixels(config, 2), np.random.default_rng(0)
    for shape in ((240, 320), (480, 640), (320, 240), (128, 128), (50, 300), (240, 320)):
        image = random.integers(0, 256, (*shape, 3), dtype=np.uint8)
        found, there = pixels.put([image, None])
        assert torch.equal(found[0], prepare_image(image, config))
        assert there.tolist() == [True, False]


def test_an_image_that_may_not_be_written_is_read_where_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    expected = prepare_image(image, TINY.vision)
    sealed = np.frombuffer(image.tobytes(), np.uint8).reshape(image.shape)
    found, _ = Pixels(TINY.vision, 1).put([sealed])
    assert torch.equal(found[0], expected)


def test_what_is_no_image_and_too_many_are_named() -> None:
    with pytest.raises(ModelError, match="must be uint8"):
        Pixels(TINY.vision, 1).put([np.zeros((4, 4, 3))])
    with pytest.raises(ModelError, match="1 images are given, the network's cameras are 2"):
        Pixels(TINY.vision, 2).put([None])
