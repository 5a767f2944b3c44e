"""Rows of the action space hold hands in its order, and give them back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mivla_ros import action_space
from mivla_ros.action_chunk import HandActions
from mivla_ros.alignment import AlignmentError, hand_from_row, hands_from_rows, row_from_hand, rows_from_hands
from test.alignment.motions import SIDES, hands, matrices, quick, same_poses

NAMES = [value.name for value in action_space.VALUES]


@quick
@given(hands(knuckle=False))
def test_a_hand_comes_back_from_its_row(hand: HandActions) -> None:
    again = hand_from_row(row_from_hand(hand), "left" if hand.left else "right")
    assert same_poses(again.wrist, hand.wrist)
    assert np.allclose(again.finger_tips, hand.finger_tips)
    assert again.left == hand.left


@quick
@given(hands(), st.data())
def test_every_value_stands_where_its_name_says(hand: HandActions, data: st.DataObject) -> None:
    side = "left" if hand.left else "right"
    row = rows_from_hands({side: hand})
    step = data.draw(st.integers(0, len(row) - 1))
    turn = matrices(hand.wrist)[step]

    def at(name: str) -> float:
        return row[step, NAMES.index(f"human.{side}.{name}")]

    for i, axis in enumerate("xyz"):
        assert at(f"wrist.{axis}") == hand.wrist[step, i]
        assert at(f"wrist.rotation.x{i}") == pytest.approx(turn[i, 0], abs=1e-9)
        assert at(f"wrist.rotation.y{i}") == pytest.approx(turn[i, 1], abs=1e-9)
        for k, finger in enumerate(action_space.FINGERS):
            assert at(f"{finger}.{axis}") == hand.finger_tips[step, k, i]


@quick
@given(hands(side="left"))
def test_a_hand_that_is_not_there_is_nan_and_left_out(hand: HandActions) -> None:
    rows = rows_from_hands({"left": hand})
    assert np.isnan(rows[:, action_space.hand_slice("right")]).all()
    assert list(hands_from_rows(rows)) == ["left"]


def _rows() -> np.ndarray:
    rows = np.zeros((3, 48))
    for side in SIDES:
        rows[:, action_space.hand_slice(side)][:, 3] = 1
        rows[:, action_space.hand_slice(side)][:, 7] = 1
    return rows


def test_a_hand_that_is_there_in_part_is_refused_by_row() -> None:
    rows = _rows()
    rows[2, 30] = np.nan
    with pytest.raises(AlignmentError, match="right hand: row 2: holds NaN"):
        hands_from_rows(rows)


def test_rows_without_any_hand_are_refused() -> None:
    with pytest.raises(AlignmentError, match="hold no hand"):
        hands_from_rows(np.full((3, 48), np.nan))


def test_a_wrong_number_of_columns_is_refused() -> None:
    with pytest.raises(AlignmentError, match=r"shape \(3, 47\)"):
        hands_from_rows(np.zeros((3, 47)))
    with pytest.raises(AlignmentError, match=r"left hand: has shape \(3, 48\)"):
        hand_from_row(np.zeros((3, 48)), "left")


def test_a_side_that_is_none_is_refused() -> None:
    with pytest.raises(AlignmentError, match="middle"):
        hand_from_row(np.zeros((3, 24)), "middle")


def test_a_left_hand_under_the_name_of_the_right_is_refused() -> None:
    hand = hands_from_rows(_rows())["left"]
    with pytest.raises(AlignmentError, match="right hand: says left=True"):
        rows_from_hands({"right": hand})


def test_batches_and_precision_are_kept() -> None:
    rows = np.stack([_rows(), _rows()]).astype(np.float32)
    both = hands_from_rows(rows)
    assert both["left"].wrist.shape == (2, 3, 7)
    assert both["left"].finger_tips.shape == (2, 3, 5, 3)
    again = rows_from_hands(both)
    assert again.dtype == both["right"].wrist.dtype == np.float32
    assert np.allclose(again, rows)
