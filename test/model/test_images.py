"""Images as the encoders get them: colours in order, shape kept, the whole picture there."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mivla_ros.model.config import Fit
from mivla_ros.model.errors import ModelError
from mivla_ros.model.images import prepare_image
from mivla_ros.model.presets import BASE, TINY

VISION = BASE.vision


def plain(height: int, width: int, colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((height, width, 3), colour, dtype=np.uint8)


def test_red_stays_first() -> None:
    image = prepare_image(plain(224, 224, (200, 100, 50)), VISION)
    assert image.dtype == torch.uint8
    assert image.shape == (3, 224, 224)
    assert [int(channel.float().mean()) for channel in image] == [200, 100, 50]


@pytest.mark.parametrize(("height", "width"), [(240, 320), (480, 270), (100, 100), (1080, 1920)])
def test_a_letterbox_keeps_the_shape_and_fills_around_it(height: int, width: int) -> None:
    image = prepare_image(plain(height, width, (10, 20, 30)), VISION)
    inside = (image == torch.tensor([10, 20, 30], dtype=torch.uint8)[:, None, None]).all(dim=0)
    rows, columns = torch.where(inside)
    tall, wide = int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1
    assert max(tall, wide) == 224
    assert tall / wide == pytest.approx(height / width, abs=0.01)
    assert abs(int(rows.min()) - (223 - int(rows.max()))) <= 1
    assert abs(int(columns.min()) - (223 - int(columns.max()))) <= 1
    outside = image[:, ~inside]
    if outside.numel():
        assert (outside == torch.tensor(VISION.fill, dtype=torch.uint8)[:, None]).all()


def test_the_fill_is_the_mean_colour_and_so_nothing_to_the_first_encoder() -> None:
    encoder = VISION.encoders[0]
    normalised = (np.array(VISION.fill) / 255 - encoder.mean) / encoder.std
    assert np.abs(normalised).max() < 0.01


def test_up_stays_up_and_left_left() -> None:
    rgb = plain(300, 300, (0, 0, 0))
    rgb[:150, :150] = (255, 0, 0)
    image = prepare_image(rgb, TINY.vision)
    middle = TINY.vision.image_size // 2
    near, far = middle - 4, middle + 4  # the edge is blurred
    assert image[0, :near, :near].min() > 250
    assert image[0, far:, :].max() < 5
    assert image[0, :, far:].max() < 5


def test_shrinking_averages_instead_of_picking() -> None:
    """A board of single pixels becomes grey, not stripes."""
    board = (np.indices((512, 512)).sum(axis=0) % 2 * 255).astype(np.uint8)
    image = prepare_image(np.repeat(board[..., None], 3, axis=2), TINY.vision)
    assert int(image.min()) >= 120 and int(image.max()) <= 135


def test_stretching_fills_the_square() -> None:
    image = prepare_image(plain(240, 320, (9, 9, 9)), replace(VISION, fit=Fit.STRETCH))
    assert (image == 9).all()


def test_the_camera_s_own_image_is_not_changed_and_may_be_read_only() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    before = rgb.copy()
    first = prepare_image(rgb, VISION)
    rgb.flags.writeable = False
    assert torch.equal(first, prepare_image(rgb, VISION))
    assert (rgb == before).all()


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((3, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)],
    ids=["float", "grey", "channels first", "empty"],
)
def test_what_is_no_rgb_image_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ModelError, match="must be uint8"):
        prepare_image(wrong, VISION)
