"""Rotations of both precisions, one or many at once, and quaternions without a jump of sign."""

import numpy as np
import pytest
from hypothesis import given
from scipy.spatial.transform import Rotation

from mivla_ros.alignment import AlignmentError, poses
from test.alignment.motions import pose_paths, quick


@quick
@given(pose_paths())
def test_quaternions_and_matrices_turn_into_one_another(path: np.ndarray) -> None:
    matrix = poses.matrix_from_quaternion(path[:, 3:])
    assert np.allclose(matrix, Rotation.from_quat(path[:, 3:], scalar_first=True).as_matrix())
    assert np.allclose(poses.matrix_from_quaternion(poses.quaternion_from_matrix(matrix)), matrix, atol=1e-9)


def test_a_full_turn_has_no_jump_of_sign() -> None:
    turn = Rotation.from_rotvec(np.linspace(0, 2 * np.pi, 33)[:, None] * [0.6, 0.0, 0.8])
    quaternions = poses.quaternion_from_matrix(turn.as_matrix())
    assert quaternions[0].tolist() == pytest.approx([1, 0, 0, 0])
    assert quaternions[-1].tolist() == pytest.approx([-1, 0, 0, 0], abs=1e-9)
    assert np.linalg.norm(np.diff(quaternions, axis=0), axis=1).max() < 0.11


def test_signs_of_each_motion_in_a_batch_are_its_own() -> None:
    turn = Rotation.from_rotvec(np.linspace(0, 2 * np.pi, 9)[:, None] * [0, 0, 1.0]).as_matrix()
    batch = poses.quaternion_from_matrix(np.stack([turn, turn[::-1], turn[:1].repeat(9, 0)]))
    assert np.all(batch[:, 0, 0] >= 0)
    assert np.all(np.sum(batch[:, 1:] * batch[:, :-1], axis=-1) > 0)


def test_one_pose_and_one_step_work_like_many() -> None:
    matrix = Rotation.from_rotvec([[0, 0, 0.5]]).as_matrix()
    assert poses.quaternion_from_matrix(matrix).shape == (1, 4)
    assert poses.quaternion_from_matrix(matrix[0]).shape == (4,)


@pytest.mark.parametrize(("quaternion", "value"), [([0, 0, 0, 0], 0.0), ([2, 0, 0, 0], 2.0), ([90, 0, 0, 0], 90.0)])
def test_a_quaternion_that_is_not_of_unit_length_is_named(quaternion: list[float], value: float) -> None:
    path = np.array([[0, 0, 0, 1, 0, 0, 0], [0, 0, 0, *quaternion]], float)
    with pytest.raises(AlignmentError, match="tool: row 1: quaternion of length") as caught:
        poses.checked_poses("tool", path)
    assert (caught.value.row, caught.value.value) == (1, value)


@pytest.mark.parametrize(
    ("rotation", "words"),
    [
        ([0, 0, 0, 0, 1, 0], "column of length 0"),
        ([1, 0, 0, 0, 0, 0], "column of length 0"),
        ([1, 2, 3, 2, 4, 6], "parallel columns"),
        ([1, 0, 0, np.inf, 0, 0], "NaN or infinity"),
    ],
)
def test_a_6d_rotation_that_is_none_is_named_by_row(rotation: list[float], words: str) -> None:
    rows = np.array([[1, 0, 0, 0, 1, 0], rotation], float)
    with pytest.raises(AlignmentError, match=words) as caught:
        poses.matrix_from_rotation_6d("wrist", rows)
    assert caught.value.row == 1


def test_rows_of_a_batch_are_named_by_both_indices() -> None:
    batch = np.zeros((2, 3, 7))
    batch[..., 3] = 1
    batch[1, 2, 0] = np.nan
    with pytest.raises(AlignmentError, match=r"row \(1, 2\)") as caught:
        poses.checked_poses("tool", batch)
    assert caught.value.row == (1, 2)


def test_a_wrong_shape_is_named() -> None:
    with pytest.raises(AlignmentError, match=r"has shape \(2, 6\), must be \(..., 7\)"):
        poses.checked_poses("tool", np.zeros((2, 6)))
