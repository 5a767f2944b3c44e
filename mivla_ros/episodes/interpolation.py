"""Values between the samples of a stream: linear, on SO(3), or the newest before, as the kind of a value asks."""

import numpy as np
from scipy.spatial.transform import Rotation

from mivla_ros import action_space
from mivla_ros.episodes.episode import Array, Stamps, Stream


def rows_around(stamps_ns: Stamps, moments_ns: Stamps) -> tuple[Stamps, Stamps, Array]:
    """Indices (M,) before and after each moment, and the share (M,) of the way; the ends are held."""
    last = len(stamps_ns) - 1
    before = np.clip(np.searchsorted(stamps_ns, moments_ns, side="right") - 1, 0, last)
    after = np.minimum(before + 1, last)
    gap = (stamps_ns[after] - stamps_ns[before]).astype(np.float64)
    passed = np.clip((moments_ns - stamps_ns[before]).astype(np.float64), 0.0, None)
    return before, after, np.divide(passed, gap, out=np.zeros_like(gap), where=gap > 0)


def numbers_at(stream: Stream, columns: list[int], moments_ns: Stamps, newest_before: bool = False) -> Array:
    """(M, len(columns)) linear between samples, or the newest before. A column's NaN rows are left out of it."""
    values = stream.values[:, columns]
    if not np.isnan(values).any():
        return _between(stream.stamps_ns, values, moments_ns, newest_before)
    found = np.full((len(moments_ns), len(columns)), np.nan)
    for i in range(len(columns)):
        there = ~np.isnan(values[:, i])
        if there.any():
            found[:, i] = _between(stream.stamps_ns[there], values[there, i : i + 1], moments_ns, newest_before)[:, 0]
    return found


def _between(stamps_ns: Stamps, values: Array, moments_ns: Stamps, newest_before: bool) -> Array:
    before, after, share = rows_around(stamps_ns, moments_ns)
    if newest_before or not share.any():
        return values[before]
    return values[before] + share[:, None] * (values[after] - values[before])


def rotations_between(first: Rotation, second: Rotation, share: Array) -> Rotation:
    """The rotation that share of the way from the first to the second, the short way round."""
    return first * Rotation.from_rotvec(share[:, None] * (first.inv() * second).as_rotvec())


def poses_at(stream: Stream, moments_ns: Stamps) -> Array:
    """(M, 7) poses xyz + wxyz of a stream of poses; quaternions of continuous sign, the first with w >= 0."""
    before, after, share = rows_around(stream.stamps_ns, moments_ns)
    a, b = stream.values[before], stream.values[after]
    poses = a.copy()
    if share.any():
        poses[:, :3] = a[:, :3] + share[:, None] * (b[:, :3] - a[:, :3])
        turn = rotations_between(_rotation(a), _rotation(b), share)
        poses[:, 3:] = turn.as_quat(scalar_first=True)
    return continuous(poses)


def hands_at(stream: Stream, moments_ns: Stamps) -> Array:
    """(M, 24) values of a hand: positions linear, the wrist's rotation on SO(3)."""
    before, after, share = rows_around(stream.stamps_ns, moments_ns)
    a, b = stream.values[before], stream.values[after]
    if not share.any():
        return a
    rows = a + share[:, None] * (b - a)
    turn = action_space.WRIST_ROTATION
    first, second = (Rotation.from_matrix(action_space.matrix_from_rotation_6d(r[:, turn])) for r in (a, b))
    between = rotations_between(first, second, share).as_matrix()
    moved = share > 0
    rows[moved, turn] = action_space.rotation_6d_from_matrix(between)[moved]
    rows[~moved] = a[~moved]
    return rows


def continuous(poses: Array) -> Array:
    """(M, 7) poses with unit quaternions whose sign does not jump; the first has w >= 0."""
    if not len(poses):
        return poses
    q = poses[:, 3:] / np.linalg.norm(poses[:, 3:], axis=1, keepdims=True)
    flips = np.where(np.sum(q[1:] * q[:-1], axis=1) < 0, -1.0, 1.0)
    first = -1.0 if q[0, 0] < 0 else 1.0
    signs = first * np.concatenate([[1.0], np.cumprod(flips)])
    return np.concatenate([poses[:, :3], q * signs[:, None]], axis=1)


def _rotation(poses: Array) -> Rotation:
    return Rotation.from_quat(poses[:, 3:], scalar_first=True)
