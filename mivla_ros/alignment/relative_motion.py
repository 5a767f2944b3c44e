"""Relative motion carried from one world into another: MiVLA's Eq. 2, with its rotation on SO(3).

Only ``@``, ``swapaxes`` and arithmetic, so that torch tensors pass through as they are (with one dtype and device);
``tensors`` calls it with them.
"""

from typing import Any

Tensor = Any  # numpy array or torch tensor


def carry(
    position: Tensor,
    rotation: Tensor,
    initial_position: Tensor,
    initial_rotation: Tensor,
    target_position: Tensor,
    target_rotation: Tensor,
    target_from_source: Tensor,
    scale: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Positions (..., 3) and rotations (..., 3, 3) of a follower that began at the target pose when the leader began
    at the initial one.

    With Q = ``target_from_source``: p_t = p_target + scale Q (p - p_0) and R_t = Q (R R_0^T) Q^T R_target.
    """
    moved = target_position + scale * ((position - initial_position) @ target_from_source.swapaxes(-1, -2))
    turn = rotation @ initial_rotation.swapaxes(-1, -2)
    return moved, target_from_source @ turn @ target_from_source.swapaxes(-1, -2) @ target_rotation
