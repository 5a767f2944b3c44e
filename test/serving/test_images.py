import numpy as np
import pytest

from mivla_ros.serving.images import fit, from_order, to_order

RNG = np.random.default_rng(1)


def test_a_wide_image_gets_margins_above_and_below_in_the_fill_colour() -> None:
    image = np.full((240, 320, 3), 200, np.uint8)
    out = fit(image, 224, 224, "pad", (1, 2, 3))
    assert out.shape == (224, 224, 3)
    assert (out[:28] == (1, 2, 3)).all() and (out[-28:] == (1, 2, 3)).all()
    assert (out[28:-28] == 200).all()


def test_stretching_fills_all_and_cropping_cuts_off() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[:, 50:150] = 255
    assert (fit(image, 50, 50, "crop")[:, 1:-1] == 255).all()
    stretched = fit(image, 50, 50, "stretch")
    assert stretched[:, 0].max() == 0 and stretched[:, 25].min() == 255


def test_an_image_of_the_right_size_is_passed_on_as_it_is() -> None:
    image = RNG.integers(0, 256, (224, 224, 3), dtype=np.uint8)
    assert fit(image, 224, 224) is image


@pytest.mark.parametrize("order", ["hwc", "chw"])
def test_orders_of_axes_are_undone(order: str) -> None:
    image = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    wire = to_order(image, order)
    assert wire.shape == ((3, 20, 30) if order == "chw" else (20, 30, 3))
    assert wire.flags.c_contiguous
    np.testing.assert_array_equal(from_order(wire, order), image)


def test_floats_from_0_to_1_are_taken_and_everything_else_refused() -> None:
    assert from_order(np.ones((2, 2, 3), np.float32), "hwc").max() == 255
    for bad in (np.full((2, 2, 3), 2.0), np.full((2, 2, 3), np.nan), np.zeros((2, 2, 3), np.int32), np.zeros((2, 2))):
        with pytest.raises(ValueError):
            from_order(bad, "hwc")
    with pytest.raises(ValueError, match=r"must be \(3, height, width\)"):
        from_order(np.zeros((4, 5, 3), np.uint8), "chw")
