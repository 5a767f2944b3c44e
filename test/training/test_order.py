import numpy as np
import pytest

from mivla_ros.training.errors import TrainingError
from mivla_ros.training.order import BatchOrder


def test_every_sample_is_seen_once_a_pass_and_passes_differ():
    order = BatchOrder([np.arange(10)], 4, seed=1)
    seen = np.concatenate([order.batch(step) for step in range(5)])
    assert sorted(seen[:10]) == list(range(10))
    assert sorted(seen[10:]) == list(range(10))
    assert not np.array_equal(seen[:10], seen[10:])


def test_a_step_has_the_same_samples_whatever_was_asked_before():
    order = BatchOrder([np.arange(7), 7 + np.arange(30)], 6, seed=1)
    [order.batch(step) for step in range(9)]
    assert np.array_equal(order.batch(4), BatchOrder([np.arange(7), 7 + np.arange(30)], 6, seed=1).batch(4))


def test_both_bodies_have_the_same_share_of_every_batch():
    order = BatchOrder([np.arange(5), 5 + np.arange(100)], 8, seed=0)
    for step in range(20):
        assert (order.batch(step) < 5).sum() == 4


def test_no_data_is_refused():
    with pytest.raises(TrainingError, match="nothing to train on"):
        BatchOrder([], 4, seed=0)
