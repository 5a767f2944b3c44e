"""Both directions of alignment on torch tensors, for labels made while training (MiVLA, Eq. 5 to 7).

The same equations, constants and options as ``human_to_robot`` and ``robot_to_human``; tensors keep their dtype
(float32 or float64) and device, and may have any leading axes before time: rows (..., T, 24), poses (..., T, 7). Values
are not checked as in numpy's functions, since that would wait for the device at every call; shapes are. An episode's
files are to be checked once, when they are read.
"""

from typing import TYPE_CHECKING

import numpy as np

from mivla_ros import action_space
from mivla_ros.alignment.errors import AlignmentError
from mivla_ros.alignment.frames import ARKIT_WRIST_FROM_HAND
from mivla_ros.alignment.gripper_rule import GripperRule
from mivla_ros.alignment.hand_rows import check_side
from mivla_ros.alignment.hand_template import finger_tips, thumb_knuckle
from mivla_ros.alignment.options import AlignmentOptions, Reference
from mivla_ros.alignment.relative_motion import carry

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT = AlignmentOptions()
_THUMB, _INDEX = action_space.FINGERS.index("thumb"), action_space.FINGERS.index("index")


def eef_from_rows(
    rows: "Tensor",
    side: str,
    initial_eef: "Tensor",
    initial_hand: "Tensor | None" = None,
    thumb_knuckle_positions: "Tensor | None" = None,
    options: AlignmentOptions = DEFAULT,
) -> "tuple[Tensor, Tensor]":
    """Eq. 2: end-effector poses (..., T, 7) and openings (..., T) for one hand's rows (..., T, 24).

    initial_eef and initial_hand: (..., 7), where arm and hand began; without ``initial_hand``, the first row is the
    beginning. thumb_knuckle_positions: (..., T, 3) where known. Quaternions keep their sign along time, the first has
    w >= 0. Raises AlignmentError for wrong shapes.
    """
    reference, rotation = reference_from_rows(rows, side, thumb_knuckle_positions, options)
    _check("initial eef", initial_eef, 7)
    if initial_hand is None:
        first_position, first_rotation = reference[..., :1, :], rotation[..., :1, :, :]
    else:
        _check("initial hand", initial_hand, 7)
        first_position = initial_hand[..., None, :3]
        first_rotation = matrix_from_quaternion(initial_hand[..., None, 3:])
    position, turned = carry(
        reference,
        rotation,
        first_position,
        first_rotation,
        initial_eef[..., None, :3],
        matrix_from_quaternion(initial_eef[..., None, 3:]),
        _like(options.robot_from_human, rows),
        options.scale,
    )
    return _poses(position, turned), opening_from_rows(rows, options.gripper)


def rows_from_eef(
    eef: "Tensor",
    opening: "Tensor",
    side: str,
    options: AlignmentOptions = DEFAULT,
    initial: "tuple[Tensor, Tensor] | None" = None,
) -> "Tensor":
    """Eq. 3: one hand's rows (..., T, 24) from end-effector poses (..., T, 7) and openings (..., T).

    initial: hand and end effector (..., 7) where both began, for the exact inverse of Eq. 2; without it the robot's
    pose itself becomes the hand's. Openings are clipped to 0 to 1. Raises AlignmentError for wrong shapes.
    """
    check_side(side)
    _check("eef", eef, 7)
    if opening.shape != eef.shape[:-1]:
        words = f"has shape {tuple(opening.shape)}, the poses ask for {tuple(eef.shape[:-1])}"
        raise AlignmentError("gripper opening", words)
    human_from_robot = _like(options.robot_from_human.T, eef)
    position, rotation = eef[..., :3], matrix_from_quaternion(eef[..., 3:])
    if initial is None:
        tool_from_wrist = _like(options.tool_from_hand @ ARKIT_WRIST_FROM_HAND[side].T, eef)
        reference = position @ human_from_robot.T / options.scale
        wrist_rotation = human_from_robot @ rotation @ tool_from_wrist
    else:
        hand, robot = initial
        _check("initial hand", hand, 7)
        _check("initial eef", robot, 7)
        reference, wrist_rotation = carry(
            position,
            rotation,
            robot[..., None, :3],
            matrix_from_quaternion(robot[..., None, 3:]),
            hand[..., None, :3],
            matrix_from_quaternion(hand[..., None, 3:]),
            human_from_robot,
            1 / options.scale,
        )
    import torch

    hand_rotation = wrist_rotation @ _like(ARKIT_WRIST_FROM_HAND[side], eef)
    wrist = reference
    if options.reference is Reference.THUMB_KNUCKLE:
        wrist = reference - hand_rotation @ _like(thumb_knuckle(side), eef)
    tips = wrist[..., None, :] + template_tips(opening, side, options.gripper) @ hand_rotation.swapaxes(-1, -2)
    return torch.cat([wrist, rotation_6d_from_matrix(wrist_rotation), tips.flatten(-2)], dim=-1)


def reference_from_rows(
    rows: "Tensor", side: str, thumb_knuckle_positions: "Tensor | None" = None, options: AlignmentOptions = DEFAULT
) -> "tuple[Tensor, Tensor]":
    """Positions (..., T, 3) of the hand's reference point and rotations (..., T, 3, 3) of its wrist."""
    check_side(side)
    _check(f"{side} hand", rows, action_space.HAND_SIZE)
    wrist = rows[..., action_space.WRIST_POSITION]
    rotation = matrix_from_rotation_6d(rows[..., action_space.WRIST_ROTATION])
    if options.reference is Reference.WRIST:
        return wrist, rotation
    if thumb_knuckle_positions is not None:
        _check(f"{side} hand thumb knuckle", thumb_knuckle_positions, 3)
        return thumb_knuckle_positions, rotation
    return wrist + rotation @ _like(ARKIT_WRIST_FROM_HAND[side] @ thumb_knuckle(side), rows), rotation


def opening_from_rows(rows: "Tensor", rule: GripperRule | None = None) -> "Tensor":
    """Openings (...), 0 closed to 1 open, from the pinch of a hand's rows (..., 24)."""
    rule = rule or GripperRule()
    tips = rows[..., action_space.FINGER_TIPS].unflatten(-1, (len(action_space.FINGERS), 3))
    distance = (tips[..., _INDEX, :] - tips[..., _THUMB, :]).norm(dim=-1)
    return ((distance - rule.closed) / (rule.open - rule.closed)).clamp(0, 1)


def template_tips(opening: "Tensor", side: str, rule: GripperRule | None = None) -> "Tensor":
    """Five finger tips (..., 5, 3) of the hand template from the wrist, in the hand frame of that side.

    The template is linear in the opening, so its two ends say all of it.
    """
    closed, opened = (_like(finger_tips(end, side, rule), opening) for end in (0.0, 1.0))
    return closed + opening.clamp(0, 1)[..., None, None] * (opened - closed)


def matrix_from_rotation_6d(rotation: "Tensor") -> "Tensor":
    """(..., 6) to the nearest (..., 3, 3) rotation matrices, as ``action_space`` has it."""
    import torch

    first, second = rotation[..., :3], rotation[..., 3:]
    x = first / first.norm(dim=-1, keepdim=True)
    rest = second - (x * second).sum(dim=-1, keepdim=True) * x
    y = rest / rest.norm(dim=-1, keepdim=True)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=-1)


def rotation_6d_from_matrix(matrix: "Tensor") -> "Tensor":
    """(..., 3, 3) rotation matrices to (..., 6): first column, then second column."""
    import torch

    return torch.cat([matrix[..., :, 0], matrix[..., :, 1]], dim=-1)


def matrix_from_quaternion(quaternion: "Tensor") -> "Tensor":
    """Rotation matrices (..., 3, 3) from quaternions wxyz (..., 4) of about unit length."""
    import torch

    w, x, y, z = (quaternion / quaternion.norm(dim=-1, keepdim=True)).unbind(-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def quaternion_from_matrix(matrix: "Tensor") -> "Tensor":
    """Unit quaternions wxyz (..., T, 4) without a jump of sign along time; the first has w >= 0."""
    import torch

    m = [[matrix[..., i, j] for j in range(3)] for i in range(3)]
    xx, yy, zz = m[0][0], m[1][1], m[2][2]
    # four ways to the same quaternion, each times four of its components: the largest component is the safe one
    ways = torch.stack(
        [
            torch.stack([1 + xx + yy + zz, m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]], dim=-1),
            torch.stack([m[2][1] - m[1][2], 1 + xx - yy - zz, m[1][0] + m[0][1], m[0][2] + m[2][0]], dim=-1),
            torch.stack([m[0][2] - m[2][0], m[1][0] + m[0][1], 1 - xx + yy - zz, m[2][1] + m[1][2]], dim=-1),
            torch.stack([m[1][0] - m[0][1], m[0][2] + m[2][0], m[2][1] + m[1][2], 1 - xx - yy + zz], dim=-1),
        ],
        dim=-2,
    )
    best = ways.diagonal(dim1=-2, dim2=-1).argmax(dim=-1)
    picked = ways.gather(-2, best[..., None, None].expand(*best.shape, 1, 4)).squeeze(-2)
    unit = picked / picked.norm(dim=-1, keepdim=True)
    unit = torch.where(unit[..., :1] < 0, -unit, unit)
    steps = (unit[..., 1:, :] * unit[..., :-1, :]).sum(dim=-1)
    signs = torch.ones_like(unit[..., 0])
    signs[..., 1:] = torch.where(steps < 0, -1.0, 1.0).to(unit.dtype).cumprod(dim=-1)
    return unit * signs[..., None]


def _poses(position: "Tensor", matrix: "Tensor") -> "Tensor":
    import torch

    return torch.cat([position, quaternion_from_matrix(matrix)], dim=-1)


def _like(values: "np.ndarray", tensor: "Tensor") -> "Tensor":
    import torch

    return torch.as_tensor(np.array(values), dtype=tensor.dtype, device=tensor.device)


def _check(subject: str, tensor: "Tensor", size: int) -> None:
    if tensor.ndim == 0 or tensor.shape[-1] != size:
        raise AlignmentError(subject, f"has shape {tuple(tensor.shape)}, must be (..., {size})")
