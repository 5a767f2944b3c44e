"""The objective of mutual imitation (paper, Eq. 5 to 7): forecast the own actions, imitate the other body's.

    robot's demonstrations:  l_r2h = |A_r - A_r*|^2 + |A_h - A_h*|^2      A_h* from the alignment, Eq. 3
    a person's:              l_h2r = |A_h - A_h*|^2 + |A_r - A_r*|^2      A_r* from the alignment, Eq. 2
    L = l_r2h + l_h2r

(The text below Eq. 6 calls A_h* labels "in robot demonstrations"; they are the person's.) Every norm is taken as the
mean over the valid values of its space, so that neither body's number of values weighs, and on velocities, which is
where flow matching has its target (paper.md 1.5). The paper gives the end effector as an output without a term;
here it has one like the others, and its weight may be 0.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from mivla_ros.action_space import EEF, HUMAN, ROBOT

SPACES: Mapping[str, slice] = {"human": HUMAN, "robot": ROBOT, "eef": EEF}


class Loss(NamedTuple):
    """total: what to minimise. terms: mean squared errors by ``source.space.role``, such as ``robot.robot.own``,
    ``robot.human.imitated`` or ``human.eef.pose``; one without any valid value is left out."""

    total: Tensor
    terms: Mapping[str, Tensor]


def masked_error(predicted: Tensor, target: Tensor, mask: Tensor, count: Tensor | None = None) -> Tensor:
    """Mean of squared differences over the values whose mask is True, 0 where there are none; all (..., D).

    count: what the sum is divided by, where these are only a part of the batch. Values outside the mask change neither
    the error nor its gradient, also if they are NaN.
    """
    difference = torch.where(mask, predicted.float() - target.float(), torch.zeros((), device=mask.device))
    return difference.square().sum() / (mask.sum() if count is None else count).clamp(min=1)


def valid_counts(mask: Tensor, from_human: Tensor, start: int = 0) -> dict[str, Tensor]:
    """Number of valid values by ``source.space``; arguments as of ``mutual_imitation_loss``. Summed over all processes,
    they make the mean over the whole batch of what each has a part of."""
    counts = {}
    for source, rows in (("human", from_human), ("robot", ~from_human)):
        for space, columns in SPACES.items():
            part = _part(columns, start, start + mask.shape[-1])
            counts[f"{source}.{space}"] = mask[rows][..., part].sum()
    return counts


def _part(columns: slice, start: int, stop: int) -> slice:
    return slice(max(columns.start, start) - start, max(min(columns.stop, stop) - start, 0))


def mutual_imitation_loss(
    predicted: Tensor,
    target: Tensor,
    mask: Tensor,
    from_human: Tensor,
    weights: Mapping[str, float] | None = None,
    start: int = 0,
    counts: Mapping[str, Tensor] | None = None,
) -> Loss:
    """Eq. 7 for a mixed batch.

    predicted, target: (B, H, D) velocities, columns ``start`` and on of the 76. mask (B, H, D) bool: values that have
    a target (unreachable steps and absent arms have none). from_human (B,) bool: the demonstration is a person's.
    weights: of human, robot and eef, 1 each by default; 0 for the other body's space trains without imitation.
    counts: of ``valid_counts`` over the whole batch, where this is a part of it.
    """
    stop = start + predicted.shape[-1]
    total, terms = torch.zeros((), device=predicted.device), {}
    for source, rows in (("human", from_human), ("robot", ~from_human)):
        for space, columns in SPACES.items():
            weight = 1.0 if weights is None else weights.get(space, 1.0)
            part = _part(columns, start, stop)
            there = mask[rows][..., part]
            if weight == 0 or not there.any():
                continue
            count = None if counts is None else counts[f"{source}.{space}"]
            error = masked_error(predicted[rows][..., part], target[rows][..., part], there, count)
            role = "pose" if space == "eef" else "own" if space == source else "imitated"
            terms[f"{source}.{space}.{role}"] = error.detach()
            total = total + weight * error
    return Loss(total, terms)
