"""Flow matching runs from noise at time 0 to actions at time 1 (H-RDT's direction, not openpi's)."""

from dataclasses import replace

import pytest
import torch

from mivla_ros.model.flow import euler, noise_like, noisy_actions, step_times, target_velocity, training_times
from mivla_ros.model.presets import BASE

ACTIONS, NOISE = torch.randn(3, 5, 76), torch.randn(3, 5, 76)


def test_time_zero_is_noise_and_time_one_actions():
    assert torch.equal(noisy_actions(ACTIONS, NOISE, torch.zeros(3)), NOISE)
    assert torch.equal(noisy_actions(ACTIONS, NOISE, torch.ones(3)), ACTIONS)
    halfway = noisy_actions(ACTIONS, NOISE, torch.tensor([0.0, 0.25, 1.0]))
    assert torch.allclose(halfway[1], 0.25 * ACTIONS[1] + 0.75 * NOISE[1])


@pytest.mark.parametrize("steps", [1, 2, 5, 10])
def test_the_true_velocity_leads_from_noise_to_the_actions(steps):
    asked = []

    def velocity(noisy, time):
        asked.append(time)
        assert torch.allclose(noisy, noisy_actions(ACTIONS, NOISE, torch.full((3,), time)), atol=1e-5)
        return target_velocity(ACTIONS, NOISE)

    assert torch.allclose(euler(velocity, NOISE, steps), ACTIONS, atol=1e-5)
    assert asked == step_times(steps)
    assert asked[0] == 0.0


def test_five_steps_ask_at_a_fifth_each():
    assert step_times(5) == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8])


def test_training_times_lie_between_noise_and_almost_actions():
    times = training_times(20_000, BASE.flow, torch.Generator().manual_seed(0))
    assert times.min() >= 0 and times.max() <= 0.999
    assert times.mean() == pytest.approx(0.4995, abs=0.01)
    normal = training_times(20_000, replace(BASE.flow, time_sampling="logit_normal"), torch.Generator().manual_seed(0))
    assert normal.min() > 0 and normal.max() < 0.999
    assert normal.std() == pytest.approx(0.208, abs=0.01)


def test_noise_is_the_same_for_the_same_seed():
    mask = torch.ones(2, 3, 4)
    assert torch.equal(noise_like(mask, 3), noise_like(mask, 3))
    assert not torch.equal(noise_like(mask, 3), noise_like(mask, 4))
