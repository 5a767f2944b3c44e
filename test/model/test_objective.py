"""Eq. 5 to 7: on a robot's demonstrations robot is own and human imitated, on a person's the other way."""

import pytest
import torch

from mivla_ros.action_space import EEF, HUMAN, ROBOT
from mivla_ros.model.objective import masked_error, mutual_imitation_loss

TARGET = torch.zeros(2, 4, 76)
EVERYTHING = torch.ones(2, 4, 76, dtype=torch.bool)
FROM_HUMAN = torch.tensor([True, False])


def off_by(human=(0.0, 0.0), robot=(0.0, 0.0), eef=(0.0, 0.0)):
    predicted = TARGET.clone()
    for row in range(2):
        predicted[row, :, HUMAN], predicted[row, :, ROBOT], predicted[row, :, EEF] = human[row], robot[row], eef[row]
    return predicted


def test_both_directions_are_summed_with_equal_weight():
    loss = mutual_imitation_loss(off_by(human=(1, 2), robot=(3, 4), eef=(5, 6)), TARGET, EVERYTHING, FROM_HUMAN)
    assert {name: float(term) for name, term in loss.terms.items()} == {
        "human.human.own": 1,
        "human.robot.imitated": 9,
        "human.eef.pose": 25,
        "robot.human.imitated": 4,
        "robot.robot.own": 16,
        "robot.eef.pose": 36,
    }
    assert float(loss.total) == 91


def test_48_human_values_do_not_outweigh_14_of_the_robot():
    human = mutual_imitation_loss(off_by(human=(1, 1)), TARGET, EVERYTHING, FROM_HUMAN)
    robot = mutual_imitation_loss(off_by(robot=(1, 1)), TARGET, EVERYTHING, FROM_HUMAN)
    assert float(human.total) == float(robot.total) == 2


def test_weights_leave_terms_out():
    only_own = {"human": 0.0, "robot": 1.0, "eef": 0.0}
    loss = mutual_imitation_loss(off_by(human=(1, 1), robot=(2, 2)), TARGET, EVERYTHING, ~FROM_HUMAN, only_own)
    assert set(loss.terms) == {"human.robot.imitated", "robot.robot.own"}


def test_unreachable_steps_and_absent_arms_have_no_part_not_even_in_the_gradient():
    predicted = off_by(robot=(1, 1)).requires_grad_()
    mask = EVERYTHING.clone()
    mask[:, 2:] = False
    target = TARGET.clone()
    target[:, 2:] = float("nan")
    loss = mutual_imitation_loss(predicted, target, mask, FROM_HUMAN)
    loss.total.backward()
    assert float(loss.total.detach()) == 2
    assert torch.isfinite(predicted.grad).all()
    assert torch.equal(predicted.grad[:, 2:], torch.zeros(2, 2, 76))


def test_a_batch_of_one_kind_has_only_its_direction():
    loss = mutual_imitation_loss(off_by(robot=(1, 1)), TARGET, EVERYTHING, torch.tensor([False, False]))
    assert all(name.startswith("robot.") for name in loss.terms)
    nothing = mutual_imitation_loss(TARGET, TARGET, ~EVERYTHING, FROM_HUMAN)
    assert not nothing.terms
    assert float(nothing.total) == 0


def test_columns_of_one_space_alone_are_found():
    """H-RDT's robot network predicts columns 48 to 62 only."""
    predicted = torch.full((2, 4, 14), 2.0)
    loss = mutual_imitation_loss(predicted, torch.zeros(2, 4, 14), EVERYTHING[..., :14], ~FROM_HUMAN, start=48)
    assert {name: float(term) for name, term in loss.terms.items()} == {
        "human.robot.imitated": 4,
        "robot.robot.own": 4,
    }


def test_the_error_is_the_mean_over_valid_values():
    mask = torch.tensor([True, True, False, False])
    error = masked_error(torch.tensor([1.0, 3.0, 9.0, float("nan")]), torch.zeros(4), mask)
    assert float(error) == pytest.approx(5.0)
