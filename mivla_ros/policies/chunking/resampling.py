"""One chunk's values at another's due times: linear for positions and joints, on SO(3) for rotations, held for
grippers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from mivla_ros import action_space
from mivla_ros.action_chunk import ActionChunk
from mivla_ros.action_space import Kind

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Places:
    """Where due times lie among a chunk's steps: between ``step`` and the next, by ``share`` 0 to 1, each (K,).
    inside: (K,) whether the chunk says anything about that time; elsewhere step and share are those of its nearest end.
    """

    step: NDArray[np.int64]
    share: Array
    inside: Mask


def places(first_ns: int, step_ns: int, horizon: int, due_ns: NDArray[np.int64]) -> Places:
    """Places of due times (K,) in ns in a chunk of ``horizon`` steps from first_ns on."""
    behind = due_ns - first_ns
    inside = (behind >= 0) & (behind <= (horizon - 1) * step_ns)
    held = np.clip(behind, 0, (horizon - 1) * step_ns)
    step = np.minimum(held // step_ns, max(horizon - 2, 0))
    return Places(step, (held - step * step_ns) / step_ns, inside)


def due_times(chunk: ActionChunk) -> NDArray[np.int64]:
    """Due times (H,) of a chunk's steps, ns."""
    return chunk.first_step_ns + chunk.step_ns * np.arange(chunk.horizon, dtype=np.int64)


def linear(values: Array, where: Places) -> Array:
    """(H, n) at places (K,)."""
    if len(values) == 1:
        return np.repeat(values, len(where.step), axis=0)
    share = where.share[:, None]
    return (1 - share) * values[where.step] + share * values[where.step + 1]


def rotations(quaternions: Array, where: Places) -> Array:
    """Quaternions wxyz (H, 4) at places (K,), by the shortest way on SO(3)."""
    if len(quaternions) == 1:
        return np.repeat(quaternions, len(where.step), axis=0)
    turns = Slerp(np.arange(len(quaternions)), Rotation.from_quat(quaternions, scalar_first=True))
    return turns(where.step + where.share).as_quat(scalar_first=True)


def poses(values: Array, where: Places) -> Array:
    """Poses (H, 7), xyz and wxyz, at places (K,)."""
    return np.concatenate([linear(values[:, :3], where), rotations(values[:, 3:], where)], axis=1)


def held(values: Array, where: Places) -> Array:
    """Grippers (H,) or (H, n) at places (K,): what is due between two steps is decided by the later one, never a mean
    of both."""
    later = where.step + (where.share > 1e-9)
    return values[np.minimum(later, len(values) - 1)]


def rows(values: Array, where: Places) -> Array:
    """Rows (H, 76) of the unified action at places (K,), each value by its kind. Quaternions are canonical."""
    found = linear(values, where)
    grippers = [i for i, value in enumerate(action_space.VALUES) if value.kind is Kind.GRIPPER]
    found[:, grippers] = held(values[:, grippers], where)
    for side in action_space.SIDES:
        turn = slice(action_space.pose_slice(side).start + 3, action_space.pose_slice(side).stop)
        known = np.isfinite(values[:, turn]).all() and (np.linalg.norm(values[:, turn], axis=1) > 1e-6).all()
        if known:
            found[:, turn] = action_space.canonical_quaternion(rotations(values[:, turn], where))
    columns = [i for i, value in enumerate(action_space.VALUES) if value.kind is Kind.ROTATION_6D]
    for six in np.array(columns).reshape(-1, 6):
        found[:, six] = _orthonormal(found[:, six])
    return found


def _orthonormal(six: Array) -> Array:
    """6-D rotations (K, 6), first two columns, back onto SO(3) after a linear mean; NaN and zeros stay."""
    first, second = six[:, :3].copy(), six[:, 3:].copy()
    with np.errstate(invalid="ignore", divide="ignore"):
        first /= np.linalg.norm(first, axis=1, keepdims=True)
        second -= (first * second).sum(axis=1, keepdims=True) * first
        second /= np.linalg.norm(second, axis=1, keepdims=True)
        turned = np.concatenate([first, second], axis=1)
    return np.where(np.isfinite(turned).all(axis=1, keepdims=True), turned, six)
