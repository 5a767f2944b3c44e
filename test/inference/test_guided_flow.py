"""Guidance against a flow whose answer is known: a Gaussian, conditioned on the frozen steps."""

import numpy as np
import pytest
import torch

from mivla_ros.inference.guided_flow import Guide, guidance_weight, guided_euler
from mivla_ros.policies.noisy_expert import GaussianField

HORIZON, SIZE, STEPS = 16, 2, 20
GAP = np.arange(HORIZON)[:, None] - np.arange(HORIZON)[None]
ALONG = np.exp(-0.5 * (GAP / 4.0) ** 2) + 1e-6 * np.eye(HORIZON)
MEAN = np.linspace(0.0, 1.0, HORIZON)[:, None] * np.ones(SIZE)


def field(means: np.ndarray) -> GaussianField:
    return GaussianField(means, ALONG, np.ones(SIZE))


def sample(given: GaussianField, seed: int, guide: Guide | None = None, steps: int = STEPS) -> np.ndarray:
    noise = torch.from_numpy(np.random.default_rng(seed).standard_normal((HORIZON, SIZE)))
    return guided_euler(lambda x, k: given.velocity(x, k / steps), noise, steps, guide).numpy()


def test_the_field_leads_to_samples_of_its_distribution() -> None:
    found = np.array([sample(field(MEAN[None]), seed, steps=50) for seed in range(300)])
    assert found.mean(axis=0) == pytest.approx(MEAN, abs=0.2)
    assert found.std(axis=0).mean() == pytest.approx(1.0, abs=0.1)
    away = found - MEAN
    correlation = (away[:, 4] * away[:, 6]).mean() / (away[:, 4] ** 2).mean()
    assert correlation == pytest.approx(ALONG[4, 6], abs=0.15)


def test_the_field_is_the_velocity_that_flow_matching_regresses_on() -> None:
    """Of all pairs that mix to about the same noisy actions, it is the mean of actions - noise."""
    random = np.random.default_rng(0)
    time, mean, spread = 0.6, 0.5, 0.8
    actions = mean + spread * random.standard_normal(400_000)
    noise = random.standard_normal(400_000)
    mixed = time * actions + (1 - time) * noise
    one = GaussianField(np.full((1, 1, 1), mean), np.eye(1), np.array([spread]))
    for at in (-0.3, 0.2, 0.9):
        near = np.abs(mixed - at) < 0.02
        found = float(one.velocity(torch.tensor([[at]], dtype=torch.float64), time))
        assert found == pytest.approx((actions - noise)[near].mean(), abs=0.03)


def test_a_mixture_commits_to_one_of_its_ways() -> None:
    apart = 8 * np.sin(np.linspace(0, np.pi, HORIZON))[:, None] * np.ones(SIZE)
    middles = [sample(field(np.array([MEAN + apart, MEAN - apart])), seed)[HORIZON // 2, 0] for seed in range(40)]
    ways = np.sign(np.array(middles) - MEAN[HORIZON // 2, 0])
    assert min(np.abs(middles)) > 3
    assert 8 < (ways > 0).sum() < 32


@pytest.mark.parametrize("exact", [True, False], ids=["gradient", "no gradient"])
def test_frozen_steps_are_kept_and_the_rest_joins_them(exact: bool) -> None:
    plan, weight = sample(field(MEAN[None]), 1), torch.zeros(HORIZON, SIZE, dtype=torch.float64)
    weight[:5] = 1.0
    guide = Guide(torch.from_numpy(plan), weight, exact)
    guided, free = sample(field(MEAN[None]), 2, guide), sample(field(MEAN[None]), 2)
    assert (guided[:5] == plan[:5]).all()
    jump, without = (np.abs(x[5] - plan[5]).mean() for x in (guided, free))
    assert jump < (0.35 if exact else 0.8) * without


def test_what_has_no_weight_behind_the_frozen_steps_is_not_moved_along() -> None:
    """A gripper decides anew behind what is past; nothing of the old decision is mixed in."""
    noise = torch.zeros(1, 6, 2)
    weight = torch.zeros(1, 6, 2)
    weight[:, :2] = 1.0
    weight[:, 2:, 0] = 0.5
    guide = Guide(torch.ones(1, 6, 2), weight, exact=False)
    found = guided_euler(lambda x, _: torch.zeros_like(x), noise, 4, guide)
    assert (found[0, :2] == 1).all()
    assert (found[0, 2:, 1] == 0).all()
    assert (found[0, 2:, 0] > 0).all()


def test_guidance_by_gradient_nears_what_conditioning_gives() -> None:
    plan, weight = sample(field(MEAN[None]), 1), torch.zeros(HORIZON, SIZE, dtype=torch.float64)
    weight[:5] = 1.0
    guide = Guide(torch.from_numpy(plan), weight)
    found = np.mean([sample(field(MEAN[None]), seed, guide, 50) for seed in range(2, 80)], axis=0)
    known = ALONG[5:, :5] @ np.linalg.solve(ALONG[:5, :5] + 1e-2 * np.eye(5), plan[:5] - MEAN[:5])
    conditional = MEAN[5:] + known
    assert np.abs(found[5:8] - conditional[:3]).mean() < 0.5 * np.abs(MEAN[5:8] - conditional[:3]).mean() + 0.1


def test_a_plan_chooses_between_two_ways() -> None:
    apart = 4 * np.sin(np.linspace(0, np.pi, HORIZON))[:, None] * np.ones(SIZE)
    two = field(np.array([MEAN + apart, MEAN - apart]))
    weight = torch.zeros(HORIZON, SIZE, dtype=torch.float64)
    weight[:6] = 1.0
    for way in (1, -1):
        guide = Guide(torch.from_numpy(MEAN + way * apart), weight)
        middles = np.array([sample(two, seed, guide)[HORIZON // 2, 0] for seed in range(20)])
        assert (np.sign(middles) == way).all()


def test_what_the_target_holds_where_it_does_not_count_changes_nothing() -> None:
    plan, weight = sample(field(MEAN[None]), 1), torch.zeros(HORIZON, SIZE, dtype=torch.float64)
    weight[:3] = 1.0
    other = plan.copy()
    other[3:] = np.nan
    found = [sample(field(MEAN[None]), 2, Guide(torch.from_numpy(values), weight)) for values in (plan, other)]
    assert np.array_equal(*found)


def test_the_guidances_weight_is_bounded_at_both_ends() -> None:
    weights = [guidance_weight(time) for time in np.linspace(0, 1, 11)]
    assert max(weights) == 5.0 == weights[0]
    assert min(weights) == pytest.approx(guidance_weight(0.5)) == pytest.approx(2.0)
