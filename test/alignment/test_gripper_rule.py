"""Pinch distance and gripper opening turn into one another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mivla_ros.alignment import AlignmentError, GripperRule, pinch_distance
from test.alignment.motions import quick

RULE = GripperRule()


def test_two_centimetres_is_closed_and_fifteen_open() -> None:
    assert RULE.opening([0.02, 0.15, 0.085]).tolist() == pytest.approx([0.0, 1.0, 0.5])
    assert RULE.distance([0.0, 1.0]).tolist() == pytest.approx([0.02, 0.15])


def test_distances_outside_are_clipped() -> None:
    assert RULE.opening([0.0, 0.3]).tolist() == [0.0, 1.0]


@quick
@given(st.floats(0, 1))
def test_opening_comes_back(opening: float) -> None:
    assert RULE.opening(RULE.distance(opening)) == pytest.approx(opening, abs=1e-12)


@quick
@given(st.floats(0.02, 0.15))
def test_distance_comes_back_inside_the_range(distance: float) -> None:
    assert RULE.distance(RULE.opening(distance)) == pytest.approx(distance, abs=1e-12)


def test_pinch_is_between_thumb_and_index() -> None:
    tips = np.zeros((2, 5, 3))
    tips[:, 0] = [3, 0, 0]
    tips[:, 1] = [0, 4, 0]
    tips[:, 2:] = 99
    assert pinch_distance(tips).tolist() == [5, 5]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_kept(dtype: type) -> None:
    values = np.array([0.03, 0.1], dtype)
    assert RULE.opening(values).dtype == RULE.distance(values).dtype == dtype
    assert pinch_distance(np.zeros((2, 5, 3), dtype)).dtype == dtype


def test_nan_is_named_by_row() -> None:
    with pytest.raises(AlignmentError, match="pinch distance: row 1: holds NaN"):
        RULE.opening([0.1, np.nan])


def test_an_opening_in_percent_is_refused_with_its_value() -> None:
    with pytest.raises(AlignmentError, match=r"row 1: 50 is outside 0 to 1") as caught:
        RULE.distance([0.5, 50.0])
    assert (caught.value.row, caught.value.value, caught.value.limit) == (1, 50.0, 1.0)


@pytest.mark.parametrize(("closed", "wide"), [(0.1, 0.1), (0.2, 0.1), (-0.1, 0.1), (0.0, np.inf), (np.nan, 0.1)])
def test_a_rule_that_is_none_is_refused(closed: float, wide: float) -> None:
    with pytest.raises(AlignmentError, match="gripper rule"):
        GripperRule(closed, wide)
