import math

import numpy as np
import pytest

from mivla_ros.evaluation.intervals import mean_interval, paired_difference, rate_interval


def test_the_interval_of_a_mean_covers_it_about_as_often_as_it_says():
    random = np.random.default_rng(1)
    covered = 0
    for trial in range(100):
        found = mean_interval(random.normal(3.0, 1.0, 40).tolist(), seed=trial)
        covered += found.lower <= 3.0 <= found.upper
    assert 86 <= covered <= 100


def test_a_rate_of_all_or_none_still_has_an_interval():
    all_won = rate_interval([True] * 20)
    assert all_won.mean == 1.0
    assert 0.8 < all_won.lower < 0.9  # Wilson's lower end for 20 of 20 is 0.839
    assert rate_interval([False] * 20).upper == pytest.approx(1 - all_won.lower)


def test_nothing_has_no_mean():
    assert math.isnan(mean_interval([]).mean)
    assert mean_interval([]).count == 0


def test_pairs_are_made_by_seed_and_only_of_shared_ones():
    found = paired_difference({1: 1.0, 2: 1.0, 3: 0.0}, {2: 0.0, 3: 0.0, 4: 1.0})
    assert found.count == 2
    assert found.mean == 0.5


def test_evaluations_without_a_shared_seed_are_refused():
    with pytest.raises(ValueError, match="share no seed"):
        paired_difference({1: 1.0}, {2: 1.0})


def test_paired_differences_are_narrower_than_those_of_strangers():
    random = np.random.default_rng(0)
    level = random.uniform(0, 10, 50)
    first = dict(enumerate(level + 0.5))
    second = dict(enumerate(level + random.normal(0, 0.1, 50)))
    found = paired_difference(first, second)
    assert found.lower > 0
    assert found.upper - found.lower < 0.2
