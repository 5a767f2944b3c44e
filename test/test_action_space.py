"""The unified action space states one order, and every other file asks it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from mivla_ros import action_space as space

finite = st.floats(-10, 10, allow_nan=False)


def test_sizes_are_the_papers() -> None:
    assert (space.HUMAN_SIZE, space.ROBOT_SIZE, space.EEF_SIZE, space.ACTION_SIZE) == (48, 14, 14, 76)
    assert len(space.VALUES) == 76
    assert len({value.name for value in space.VALUES}) == 76


def test_left_comes_before_right_in_every_block() -> None:
    for part in (space.hand_slice, space.arm_slice, space.pose_slice):
        left, right = part("left"), part("right")
        assert left.stop == right.start
        assert all(".left." in v.name for v in space.VALUES[left])
        assert all(".right." in v.name for v in space.VALUES[right])


def test_blocks_tile_the_vector_without_gap_or_overlap() -> None:
    parts = [f(s) for f in (space.hand_slice, space.arm_slice, space.pose_slice) for s in space.SIDES]
    covered = np.concatenate([np.arange(76)[part] for part in parts])
    assert covered.tolist() == list(range(76))


def test_kinds_follow_the_names() -> None:
    for value in space.VALUES:
        assert (value.kind is space.Kind.GRIPPER) == value.name.endswith("gripper")
        assert (value.unit == "rad") == (value.kind is space.Kind.JOINT)
        assert (value.unit == "m") == (value.kind is space.Kind.POSITION)


def test_unknown_side_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="middle"):
        space.hand_slice("middle")


@given(arrays(np.float64, 4, elements=finite).filter(lambda q: np.linalg.norm(q) > 1e-3))
def test_rotation_6d_holds_columns_and_round_trips(quaternion: np.ndarray) -> None:
    matrix = Rotation.from_quat(quaternion).as_matrix()
    rotation = space.rotation_6d_from_matrix(matrix)
    assert np.allclose(rotation[:3], matrix[:, 0])
    assert np.allclose(rotation[3:], matrix[:, 1])
    assert np.allclose(space.matrix_from_rotation_6d(rotation), matrix, atol=1e-9)


@given(arrays(np.float64, (5, 6), elements=finite))
def test_any_usable_6d_gives_a_rotation(rotation: np.ndarray) -> None:
    first, second = rotation[:, :3], rotation[:, 3:]
    if np.linalg.norm(first, axis=1).min() < 1e-3 or np.linalg.norm(np.cross(first, second), axis=1).min() < 1e-3:
        return
    matrix = space.matrix_from_rotation_6d(rotation)
    assert np.allclose(matrix @ np.swapaxes(matrix, -1, -2), np.eye(3), atol=1e-8)
    assert np.allclose(np.linalg.det(matrix), 1)


def test_parallel_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="parallel"):
        space.matrix_from_rotation_6d(np.array([1.0, 0, 0, 2.0, 0, 0]))


@given(arrays(np.float64, 4, elements=finite).filter(lambda q: np.linalg.norm(q) > 1e-3))
def test_canonical_quaternion_is_the_same_rotation_with_positive_w(quaternion: np.ndarray) -> None:
    canonical = space.canonical_quaternion(quaternion)
    assert canonical[0] >= 0
    assert np.isclose(np.linalg.norm(canonical), 1)
    same = Rotation.from_quat(quaternion, scalar_first=True) * Rotation.from_quat(canonical, scalar_first=True).inv()
    assert same.magnitude() < 1e-6


def test_zero_quaternion_is_refused() -> None:
    with pytest.raises(ValueError, match="length"):
        space.canonical_quaternion(np.zeros(4))
