"""Normalisation: there and back, per value, also for constant values and such as have no data."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mivla_ros.action_space import ACTION_SIZE, EEF, HUMAN, ROBOT, VALUES, Kind, arm_slice, hand_slice
from mivla_ros.model.egodex import MAXIMUM, MINIMUM, human_normalisation, raw_normalisation
from mivla_ros.model.errors import ModelError
from mivla_ros.model.json_fields import dump, from_json
from mivla_ros.model.statistics import Method, Normalisation, check_normalisation, statistics_of


def some_rows(seed: int = 0, count: int = 200) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, ACTION_SIZE)) * 0.3 + np.arange(ACTION_SIZE) / 50


def normalisation(rows: np.ndarray, mask=None, method: Method = Method.MIN_MAX, **changes) -> Normalisation:
    found = statistics_of(rows, mask)
    return Normalisation("a test", found, found, dict.fromkeys(Kind, method), **changes)


@pytest.mark.parametrize("method", list(Method))
@given(seed=st.integers(0, 1000))
def test_there_and_back(method: Method, seed: int) -> None:
    rows = some_rows(seed, 30)
    scaled = normalisation(rows, method=method)
    assert scaled.restore_actions(scaled.normalise_actions(rows)) == pytest.approx(rows, abs=1e-9)


def test_each_method_scales_as_it_says() -> None:
    rows = some_rows()
    least = normalisation(rows).normalise_state(rows)
    assert least.min(axis=0) == pytest.approx(-1) and least.max(axis=0) == pytest.approx(1)
    quantiles = normalisation(rows, method=Method.QUANTILES).normalise_state(rows)
    assert np.quantile(quantiles, 0.01, axis=0) == pytest.approx(-1)
    assert np.quantile(quantiles, 0.99, axis=0) == pytest.approx(1)
    assert quantiles.max() > 1
    mean = normalisation(rows, method=Method.MEAN_STD).normalise_state(rows)
    assert mean.mean(axis=0) == pytest.approx(0, abs=1e-9) and mean.std(axis=0) == pytest.approx(1)
    assert normalisation(rows, method=Method.IDENTITY).normalise_state(rows) == pytest.approx(rows)


@pytest.mark.parametrize("method", [Method.MIN_MAX, Method.QUANTILES, Method.MEAN_STD])
def test_a_value_that_never_changes_is_zero_and_comes_back_as_it_was(method: Method) -> None:
    rows = some_rows()
    rows[:, 50] = 0.7
    scaled = normalisation(rows, method=method, margin=-1.0)
    normalised = scaled.normalise_actions(rows)
    assert (normalised[:, 50] == 0).all()
    assert np.isfinite(normalised).all()
    noise = np.random.default_rng(1).normal(size=rows.shape)
    assert scaled.restore_actions(noise)[:, 50] == pytest.approx(0.7)


def test_values_without_data_pass_as_they_are() -> None:
    rows, mask = some_rows(), np.ones((200, ACTION_SIZE), dtype=bool)
    left = hand_slice("left")
    mask[:, left], rows[:, left] = False, np.nan
    scaled = normalisation(rows, mask)
    assert scaled.state.count[left.start] == 0
    assert scaled.state.minimum[left.start] is None
    row = np.full(ACTION_SIZE, 3.0)
    assert scaled.normalise_state(row)[left] == pytest.approx(3.0)
    assert scaled.restore_actions(row)[left] == pytest.approx(3.0)
    assert from_json(Normalisation, json.loads(dump(scaled)), "x") == scaled


def test_actions_stay_within_what_the_data_did() -> None:
    rows = some_rows()
    low, high = rows.min(axis=0), rows.max(axis=0)
    wild = np.full((2, ACTION_SIZE), 50.0) * np.array([[1], [-1]])
    assert normalisation(rows, margin=0.0).restore_actions(wild) == pytest.approx(np.stack([high, low]))
    given_back = normalisation(rows, margin=0.1).restore_actions(wild)
    assert given_back == pytest.approx(np.stack([high + 0.1 * (high - low), low - 0.1 * (high - low)]))
    assert normalisation(rows, margin=-1.0).restore_actions(wild).max() > 40
    assert np.isnan(normalisation(rows).restore_actions(np.full(ACTION_SIZE, np.nan))).all()


def test_rotations_are_left_alone_unless_told() -> None:
    rows = some_rows()
    found = statistics_of(rows)
    scaled = Normalisation("x", found, found).normalise_state(rows)
    for index, value in enumerate(VALUES):
        same = np.allclose(scaled[:, index], rows[:, index])
        assert same == (value.kind in (Kind.ROTATION_6D, Kind.QUATERNION)), value.name


def test_infinite_values_and_wrong_shapes_are_named() -> None:
    rows = some_rows()
    rows[3, 49] = np.inf
    with pytest.raises(ModelError, match=r"robot\.left\.joint2 holds NaN or infinity"):
        statistics_of(rows)
    with pytest.raises(ModelError, match=r"\(N, 76\)"):
        statistics_of(rows[:, :14])


def test_statistics_upside_down_or_too_few_are_named() -> None:
    good = normalisation(some_rows())
    data = json.loads(dump(good))
    data["actions"]["minimum"][48] = 99.0
    with pytest.raises(ModelError, match=r"actions robot\.left\.joint1: minimum 99"):
        check_normalisation(from_json(Normalisation, data, "s"), "s")
    data = json.loads(dump(good))
    data["state"]["q01"].pop()
    with pytest.raises(ModelError, match=r"state\.q01 has 75 values, must have 76"):
        check_normalisation(from_json(Normalisation, data, "s"), "s")
    data = json.loads(dump(good))
    del data["methods"]["joint"]
    with pytest.raises(ModelError, match=r"methods\.joint is missing"):
        check_normalisation(from_json(Normalisation, data, "s"), "s")


def test_h_rdts_human_values_are_min_max_and_held_in_range() -> None:
    assert len(MINIMUM) == len(MAXIMUM) == 48
    human = human_normalisation()
    check_normalisation(human, "egodex")
    row = np.zeros(ACTION_SIZE)
    row[HUMAN] = MINIMUM
    assert human.normalise_state(row)[HUMAN] == pytest.approx(-1)
    row[HUMAN] = np.array(MAXIMUM) + 5
    assert human.normalise_state(row)[HUMAN] == pytest.approx(1)
    # left wrist, left index tip and right ring tip as published
    left, right = hand_slice("left").start, hand_slice("right").start
    assert MINIMUM[left : left + 3] == (-0.98555, -0.41956, -1.24242)
    assert MAXIMUM[left + 12 : left + 15] == (1.28464, 2.08305, 1.38842)
    assert MAXIMUM[right + 18 : right + 21] == (1.35352, 2.17237, 1.40920)


def test_h_rdts_robot_values_are_raw() -> None:
    """Not by quantiles, as another suite's adapter of it does."""
    raw = raw_normalisation()
    check_normalisation(raw, "raw")
    rows = 3 * some_rows()
    for columns in (ROBOT, EEF, arm_slice("left")):
        assert raw.normalise_state(rows)[:, columns] == pytest.approx(rows[:, columns])
        assert raw.restore_actions(rows)[:, columns] == pytest.approx(rows[:, columns])
