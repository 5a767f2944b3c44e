"""Flow matching that agrees with a plan under way: inpainting by guidance, for any velocity field."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mivla_ros.model.flow import step_times

GREATEST = 5.0
"""Limit of the guidance's weight; without one it is infinite at time 0 (real-time chunking, arXiv 2506.07339)."""
FADE = 4
"""Steps over which what guidance has left of a jump behind the frozen steps is taken out (not in that paper)."""


@dataclass(frozen=True)
class Guide:
    """What actions (B, H, D) shall agree with, in the flow's own units, and how much: weight 0 to 1 of the same
    shape; what ``target`` holds where the weight is 0 changes nothing.

    exact: pull errors back through the velocity field by its gradient; else as if what the flow is heading for moved
    along with its argument, which needs no gradient and is as strong for every field. By the gradient, guidance is
    much too strong for fields that were trained with less noise than 1, see ``guidance_weight`` and docs/chunking.md.
    """

    target: Tensor
    weight: Tensor
    exact: bool = True
    greatest: float = GREATEST


def guidance_weight(time: float, greatest: float = GREATEST) -> float:
    """min(greatest, (1 - t) / (t r^2)) with r^2 = (1 - t)^2 / (t^2 + (1 - t)^2): pseudo-inverse guidance at flow time
    t, 0 noise to 1 actions, for noise of size 1."""
    left = 1 - time
    if time <= 0 or left <= 0:
        return greatest
    return min(greatest, (time**2 + left**2) / (time * left))


def guided_euler(velocity: Callable[[Tensor, int], Tensor], noise: Tensor, steps: int, guide: Guide | None) -> Tensor:
    """Actions from noise in ``steps`` equal steps; ``velocity(x, k)`` at time k / steps. None: not guided.

    At every step the actions that the flow is heading for are compared with the guide's, and the velocity is turned
    towards agreement; steps of weight 1 are the guide's own in the end, and the few behind them are moved along with
    the last of these, less and less.
    """
    actions = noise
    if guide is None:
        for index in range(steps):
            actions = actions + velocity(actions, index) / steps
        return actions
    target = torch.where(guide.weight > 0, guide.target, torch.zeros_like(noise))
    for index, time in enumerate(step_times(steps)):
        speed, pull = _pull(velocity, actions, index, 1 - time, target, guide)
        actions = actions + (speed + guidance_weight(time, guide.greatest) * pull) / steps
    return torch.where(guide.weight >= 1, target, actions + _carried(target - actions, guide.weight))


def _carried(error: Tensor, weight: Tensor) -> Tensor:
    """The error (B, H, D) at the last step of weight 1, fading over the next steps that have any weight."""
    frozen = torch.cumprod((weight >= 1).to(error), dim=-2).sum(dim=-2, keepdim=True).long()
    last = torch.gather(error, -2, (frozen - 1).clamp(min=0))
    steps = torch.arange(error.shape[-2], device=error.device)[:, None]
    share = (1 - (steps - frozen + 1) / (FADE + 1)).clamp(0, 1)
    return torch.where((frozen > 0) & (weight > 0), share * last, torch.zeros_like(error))


def _pull(
    velocity: Callable[[Tensor, int], Tensor], actions: Tensor, index: int, left: float, target: Tensor, guide: Guide
) -> tuple[Tensor, Tensor]:
    """The velocity, and the weighted error of where it leads, pulled back to ``actions``."""
    if not guide.exact:
        speed = velocity(actions, index)
        return speed, guide.weight * (target - (actions + left * speed))
    with torch.enable_grad():
        given = actions.detach().requires_grad_(True)
        speed = velocity(given, index)
        heading = given + left * speed
        error = guide.weight * (target - heading.detach())
        (pull,) = torch.autograd.grad(heading, given, error)
    return speed.detach(), pull
