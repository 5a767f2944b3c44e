"""What is missing is masked, not faked: values under a False mask change nothing, whatever they are."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mivla_ros.action_space import ROBOT, arm_slice, hand_slice, pose_slice
from mivla_ros.model.errors import ModelError
from mivla_ros.model.flow import noise_like, sample_actions

from .conftest import H_RDT, MIVLA, some_conditions, with_random_weights

NETWORK = with_random_weights(MIVLA)
NAN = float("nan")
TIME = torch.tensor([0.3, 0.8])


def velocity(conditions, mask=None, noisy=None):
    everything = torch.ones(2, MIVLA.horizon, 76, dtype=torch.bool)
    if noisy is None:
        noisy = torch.randn(everything.shape, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        return NETWORK(noisy, everything if mask is None else mask, TIME, conditions)


def right_arm_only():
    mask = torch.zeros(76, dtype=torch.bool)
    for columns in (hand_slice("right"), arm_slice("right"), pose_slice("right")):
        mask[columns] = True
    return mask


@settings(max_examples=20)
@given(seed=st.integers(0, 2**31), filler=st.sampled_from([NAN, float("inf"), 1e9, -3.0]))
def test_masked_state_values_change_nothing(seed, filler):
    conditions = some_conditions(MIVLA)
    mask = torch.rand(2, 76, generator=torch.Generator().manual_seed(seed)) < 0.5
    conditions = conditions._replace(state_mask=mask)
    other = conditions._replace(state=torch.where(mask, conditions.state, torch.tensor(filler)))
    assert torch.equal(velocity(conditions), velocity(other))


def test_what_is_measured_does_change_it():
    conditions = some_conditions(MIVLA)
    for columns in (slice(0, 48), ROBOT, slice(62, 76)):
        state = conditions.state.clone()
        state[:, columns] += 0.5
        assert not torch.allclose(velocity(conditions), velocity(conditions._replace(state=state)))
    without = conditions.state_mask.clone()
    without[:, :48] = False
    assert not torch.allclose(velocity(conditions), velocity(conditions._replace(state_mask=without)))


@pytest.mark.parametrize("filler", [NAN, 1e9])
def test_masked_action_values_change_nothing_and_are_zero(filler):
    mask = right_arm_only().expand(2, MIVLA.horizon, 76).clone()
    mask[1, 3:] = False  # steps after the end of a demonstration
    noisy = torch.randn(mask.shape)
    other = torch.where(mask, noisy, torch.tensor(filler))
    found = velocity(some_conditions(MIVLA), mask, noisy)
    assert torch.equal(found, velocity(some_conditions(MIVLA), mask, other))
    assert torch.equal(found[~mask], torch.zeros_like(found[~mask]))
    assert (found[mask] != 0).any()


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_camera_changes_nothing_by_what_lies_in_its_place(missing):
    conditions = some_conditions(MIVLA)
    there = torch.ones(2, 3, dtype=torch.bool)
    there[:, missing] = False
    masked = conditions._replace(image_mask=there)
    images = conditions.images.clone()
    images[:, missing] = NAN
    assert torch.equal(velocity(masked), velocity(masked._replace(images=images)))
    assert not torch.allclose(velocity(masked), velocity(conditions))


@pytest.mark.parametrize("cameras", [0, 1, 2])
def test_fewer_cameras_are_the_same_as_missing_ones(cameras):
    conditions = some_conditions(MIVLA)
    there = torch.zeros(2, 3, dtype=torch.bool)
    there[:, :cameras] = True
    masked = velocity(conditions._replace(image_mask=there))
    fewer = velocity(conditions._replace(images=conditions.images[:, :cameras]))
    assert torch.allclose(masked, fewer, atol=1e-4)
    assert torch.isfinite(fewer).all()


def test_a_missing_instruction_adds_nothing():
    conditions = some_conditions(MIVLA)
    words = torch.tensor([[False] * 6, [True] * 6])
    one = velocity(conditions._replace(language_mask=words))
    language = conditions.language.clone()
    language[0] = NAN
    assert torch.equal(one, velocity(conditions._replace(language=language, language_mask=words)))
    # what the projections say of words that are not there does not leak through their biases either
    assert torch.isfinite(one).all()
    shorter = conditions._replace(language=conditions.language[:, :1], language_mask=torch.tensor([[False], [True]]))
    assert torch.allclose(velocity(shorter)[0], one[0], atol=1e-5)
    assert not torch.allclose(one[0], velocity(conditions)[0])


def test_nothing_but_a_state_is_enough():
    conditions = some_conditions(MIVLA)
    nothing = conditions._replace(
        image_mask=torch.zeros(2, 3, dtype=torch.bool),
        language_mask=torch.zeros(2, 6, dtype=torch.bool),
        state_mask=torch.zeros(2, 76, dtype=torch.bool),
    )
    assert torch.isfinite(velocity(nothing)).all()


def test_samples_of_a_batch_do_not_see_each_other():
    conditions = some_conditions(MIVLA)
    whole = velocity(conditions)
    swapped = type(conditions)(*(None if part is None else part.flip(0) for part in conditions))
    mask = torch.ones(2, MIVLA.horizon, 76, dtype=torch.bool)
    noisy = torch.randn(mask.shape, generator=torch.Generator().manual_seed(5)).flip(0)
    with torch.no_grad():
        found = NETWORK(noisy, mask, TIME.flip(0), swapped)
    assert torch.allclose(found.flip(0), whole, atol=1e-4)


def test_a_sample_is_repeated_by_its_seed_and_empty_where_masked():
    memory = NETWORK.memory(some_conditions(MIVLA))
    mask = right_arm_only().expand(2, MIVLA.horizon, 76)
    first = sample_actions(NETWORK, memory, mask, noise_like(mask, 7), steps=3)
    assert torch.equal(first, sample_actions(NETWORK, memory, mask, noise_like(mask, 7), steps=3))
    assert not torch.equal(first, sample_actions(NETWORK, memory, mask, noise_like(mask, 8), steps=3))
    assert torch.equal(first[~mask], torch.zeros_like(first[~mask]))


def test_more_than_there_is_room_for_is_refused_by_name():
    with pytest.raises(ModelError, match="at most 3 cameras"):
        NETWORK.memory(some_conditions(MIVLA, cameras=4))
    conditions = some_conditions(MIVLA)
    with pytest.raises(ModelError, match="41 tokens, at most 40"):
        NETWORK.memory(conditions._replace(language=torch.zeros(2, 41, MIVLA.language.width)))


def test_h_rdts_network_takes_no_masks_among_its_inputs():
    network = with_random_weights(H_RDT)
    assert network.action_projection[0].in_features == 14
    assert network.memory(some_conditions(H_RDT)).masks.own is None
