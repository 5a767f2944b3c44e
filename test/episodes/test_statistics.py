"""Statistics do not depend on how the rows come; splits stay as they are when episodes come and go."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mivla_ros.episodes import running_statistics
from mivla_ros.episodes.running_statistics import RunningStatistics
from mivla_ros.episodes.splits import split_episodes


@given(
    st.lists(
        arrays(np.float64, st.tuples(st.integers(1, 20), st.just(3)), elements=st.floats(-1e3, 1e3, width=32)),
        min_size=1,
        max_size=6,
    )
)
def test_parts_together_are_the_whole(parts: list[np.ndarray]) -> None:
    running = RunningStatistics.of(parts[0], 0)
    for i, part in enumerate(parts[1:], start=1):
        running = running.merged(RunningStatistics.of(part, i))
    whole = np.concatenate(parts)
    assert running.count == len(whole)
    np.testing.assert_array_equal(running.minimum, whole.min(0))
    np.testing.assert_array_equal(running.maximum, whole.max(0))
    np.testing.assert_allclose(running.mean, whole.mean(0), atol=1e-9)
    np.testing.assert_allclose(running.deviation, whole.std(0), atol=1e-6)
    np.testing.assert_allclose(running.quantiles()["q50"], np.quantile(whole, 0.5, axis=0))


def test_quantiles_of_more_rows_than_are_kept_are_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_statistics, "SAMPLE_ROWS", 5000)
    rows = np.random.default_rng(0).normal(size=(200_000, 1))
    parts = [RunningStatistics.of(part, i) for i, part in enumerate(np.array_split(rows, 20))]
    forward = parts[0]
    for part in parts[1:]:
        forward = forward.merged(part)
    backward = parts[-1]
    for part in parts[-2::-1]:
        backward = backward.merged(part)
    np.testing.assert_array_equal(np.sort(forward.sample[:, 0]), np.sort(backward.sample[:, 0]))
    assert forward.quantiles()["q99"][0] == pytest.approx(2.326, abs=0.15)
    assert forward.quantiles()["q50"][0] == pytest.approx(0.0, abs=0.06)


def test_rows_that_cannot_be_described_are_refused() -> None:
    for rows in (np.empty((0, 2)), np.array([[np.nan]]), np.zeros(3)):
        with pytest.raises(ValueError, match="statistics"):
            RunningStatistics.of(rows, 0)


@given(st.sets(st.text(min_size=1, max_size=8), min_size=2, max_size=60), st.integers(0, 5))
def test_an_episode_keeps_its_side(names: set[str], seed: int) -> None:
    ordered = sorted(names)
    split = split_episodes(ordered, 0.3, seed)
    assert sorted(split.training + split.validation) == list(range(len(ordered)))
    assert split.training and split.validation
    backwards = split_episodes(ordered[::-1], 0.3, seed)
    assert {ordered[i] for i in split.validation} == {ordered[::-1][i] for i in backwards.validation}


def test_the_share_holds_and_more_episodes_move_none() -> None:
    names = [str(i) for i in range(2000)]
    few, many = split_episodes(names[:1000], 0.1), split_episodes(names, 0.1)
    assert set(few.validation) <= set(many.validation)
    assert len(many.validation) == pytest.approx(200, abs=50)
    assert split_episodes(names, 0.0).validation == ()
    with pytest.raises(ValueError, match="more than once"):
        split_episodes(["a", "a"])
