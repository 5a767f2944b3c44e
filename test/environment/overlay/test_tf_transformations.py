"""The overlay's tf_transformations: right by scipy, by its own inverses and by the real package's values."""

import math
from types import ModuleType

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation, Slerp

ANGLE = st.floats(-7.0, 7.0)
AXES = [
    frame + first + second + third
    for frame in "sr"
    for first in "xyz"
    for second in "xyz"
    for third in "xyz"
    if first != second != third
]
VECTOR = arrays(np.float64, 3, elements=st.floats(-10.0, 10.0))
UNIT = (
    arrays(np.float64, 4, elements=st.floats(-1.0, 1.0))
    .filter(lambda q: np.linalg.norm(q) > 1e-3)
    .map(lambda q: q / np.linalg.norm(q))
)


def same_rotation(first: np.ndarray, second: np.ndarray, tolerance: float = 1e-9) -> bool:
    return abs(abs(float(np.dot(first, second))) - 1.0) < tolerance


@given(angles=st.tuples(ANGLE, ANGLE, ANGLE))
@pytest.mark.parametrize("axes", AXES)
def test_euler_angles_name_the_rotation_that_scipy_gives_them(
    tf_transformations: ModuleType, axes: str, angles: tuple[float, float, float]
) -> None:
    sequence = axes[1:] if axes[0] == "s" else axes[1:].upper()
    expected = Rotation.from_euler(sequence, angles).as_matrix()
    np.testing.assert_allclose(tf_transformations.euler_matrix(*angles, axes)[:3, :3], expected, atol=1e-12)
    quaternion = tf_transformations.quaternion_from_euler(*angles, axes)
    np.testing.assert_allclose(tf_transformations.quaternion_matrix(quaternion)[:3, :3], expected, atol=1e-12)


@given(quaternion=UNIT)
@pytest.mark.parametrize("axes", AXES)
def test_euler_angles_of_a_rotation_give_it_back(
    tf_transformations: ModuleType, axes: str, quaternion: np.ndarray
) -> None:
    angles = tf_transformations.euler_from_quaternion(quaternion, axes)
    again = tf_transformations.quaternion_from_euler(*angles, axes)
    assert same_rotation(np.array(again), quaternion, 1e-6)


def test_euler_conventions_are_the_real_packages(tf_transformations: ModuleType) -> None:
    # Values of transforms3d 0.4.2, which the real package calls.
    matrix = tf_transformations.euler_matrix
    assert matrix(1, 2, 3, "syxz")[0].sum() == pytest.approx(-1.34786452)
    assert matrix(1, 2, 3, (0, 1, 0, 1))[0].sum() == pytest.approx(-0.383436184)
    got = tf_transformations.quaternion_from_euler(1, 2, 3, "ryxz")
    assert got == pytest.approx((0.310622, -0.718287, 0.444435, 0.435953), abs=1e-6)
    assert tf_transformations.euler_from_matrix(matrix(1, 1, 0.5, "sxzx"), "sxzx") == pytest.approx(
        (1 - math.pi, -1.0, 0.5 - math.pi)
    )


def test_gimbal_lock_leaves_the_free_angle_at_zero(tf_transformations: ModuleType) -> None:
    matrix = tf_transformations.euler_matrix(0.3, math.pi / 2, 0.1)
    roll, pitch, yaw = tf_transformations.euler_from_matrix(matrix)
    assert (pitch, yaw) == pytest.approx((math.pi / 2, 0.0))
    assert roll == pytest.approx(0.2)


def test_an_unknown_axis_sequence_is_refused(tf_transformations: ModuleType) -> None:
    with pytest.raises(KeyError, match="sxxy"):
        tf_transformations.euler_matrix(0, 0, 0, "sxxy")


@given(first=UNIT, second=UNIT)
def test_the_product_of_quaternions_is_the_product_of_their_matrices(
    tf_transformations: ModuleType, first: np.ndarray, second: np.ndarray
) -> None:
    product = tf_transformations.quaternion_multiply(first, second)
    matrix = tf_transformations.quaternion_matrix
    np.testing.assert_allclose(matrix(product), matrix(first) @ matrix(second), atol=1e-12)


@given(quaternion=UNIT, length=st.floats(0.1, 10.0))
def test_a_quaternion_times_its_inverse_is_identity(
    tf_transformations: ModuleType, quaternion: np.ndarray, length: float
) -> None:
    inverse = tf_transformations.quaternion_inverse(quaternion * length)
    product = tf_transformations.quaternion_multiply(quaternion * length, inverse)
    np.testing.assert_allclose(product, (0, 0, 0, 1), atol=1e-12)
    np.testing.assert_allclose(tf_transformations.quaternion_conjugate(quaternion), inverse * length, atol=1e-12)


@given(quaternion=UNIT)
def test_a_matrix_gives_back_its_quaternion_with_positive_w(
    tf_transformations: ModuleType, quaternion: np.ndarray
) -> None:
    matrix = tf_transformations.quaternion_matrix(quaternion)
    again = np.array(tf_transformations.quaternion_from_matrix(matrix))
    assert same_rotation(again, quaternion)
    assert again[3] >= 0.0


@given(quaternion=UNIT, scale=arrays(np.float64, 3, elements=st.floats(0.1, 10.0)))
def test_scale_does_not_turn_a_matrix(
    tf_transformations: ModuleType, quaternion: np.ndarray, scale: np.ndarray
) -> None:
    matrix = tf_transformations.quaternion_matrix(quaternion) @ np.diag([*scale, 1.0])
    assert same_rotation(np.array(tf_transformations.quaternion_from_matrix(matrix)), quaternion)


@given(first=UNIT, second=UNIT, fraction=st.floats(0.0, 1.0))
def test_slerp_follows_the_shortest_arc(
    tf_transformations: ModuleType, first: np.ndarray, second: np.ndarray, fraction: float
) -> None:
    assume(abs(float(first @ second)) > 1e-3)  # two half turns are equally short
    expected = Slerp([0.0, 1.0], Rotation.from_quat([first, second]))(fraction).as_quat()
    got = tf_transformations.quaternion_slerp(first, second, fraction)
    assert same_rotation(got, expected, 1e-6)


def test_slerp_ends_where_its_arguments_are(tf_transformations: ModuleType) -> None:
    start, end = np.array((0.0, 0.0, 0.0, 1.0)), np.array((0.0, 0.0, 1.0, 0.0))
    slerp = tf_transformations.quaternion_slerp
    np.testing.assert_array_equal(slerp(start, end, 0.0), start)
    np.testing.assert_array_equal(slerp(start, end, 1.0), end)
    long_way = slerp(start, -tf_transformations.unit_vector((0, 0, 1, 1)), 0.5, shortestpath=False)
    assert long_way[3] == pytest.approx(math.cos(math.radians(67.5)))


@given(angle=ANGLE, axis=VECTOR)
def test_a_turn_about_an_axis_of_any_length(tf_transformations: ModuleType, angle: float, axis: np.ndarray) -> None:
    assume(np.linalg.norm(axis) > 1e-3)
    expected = Rotation.from_rotvec(axis / np.linalg.norm(axis) * angle)
    got = tf_transformations.quaternion_about_axis(angle, axis)
    np.testing.assert_allclose(tf_transformations.quaternion_matrix(got)[:3, :3], expected.as_matrix(), atol=1e-9)
    np.testing.assert_allclose(tf_transformations.rotation_matrix(angle, axis)[:3, :3], expected.as_matrix(), atol=1e-9)


@given(angle=st.floats(0.01, 3.1), axis=VECTOR, point=VECTOR)
def test_a_turn_about_a_line_keeps_the_line_and_can_be_read_back(
    tf_transformations: ModuleType, angle: float, axis: np.ndarray, point: np.ndarray
) -> None:
    assume(np.linalg.norm(axis) > 1e-3)
    matrix = tf_transformations.rotation_matrix(angle, axis, point)
    np.testing.assert_allclose(matrix @ [*point, 1.0], [*point, 1.0], atol=1e-9)
    again = tf_transformations.rotation_matrix(*tf_transformations.rotation_from_matrix(matrix))
    np.testing.assert_allclose(again, matrix, atol=1e-6)


@given(quaternion=UNIT, translation=VECTOR)
def test_inverse_and_concatenation_of_a_transform(
    tf_transformations: ModuleType, quaternion: np.ndarray, translation: np.ndarray
) -> None:
    matrix = tf_transformations.concatenate_matrices(
        tf_transformations.translation_matrix(translation), tf_transformations.quaternion_matrix(quaternion)
    )
    np.testing.assert_array_equal(tf_transformations.translation_from_matrix(matrix), translation)
    product = tf_transformations.concatenate_matrices(matrix, tf_transformations.inverse_matrix(matrix))
    np.testing.assert_allclose(product, tf_transformations.identity_matrix(), atol=1e-9)


@given(
    scale=arrays(np.float64, 3, elements=st.floats(0.2, 3.0)),
    shear=arrays(np.float64, 3, elements=st.floats(-0.5, 0.5)),
    angles=st.tuples(st.floats(-3.0, 3.0), st.floats(-1.5, 1.5), st.floats(-3.0, 3.0)),
    translate=VECTOR,
)
def test_what_is_composed_comes_apart_again(
    tf_transformations: ModuleType,
    scale: np.ndarray,
    shear: np.ndarray,
    angles: tuple[float, float, float],
    translate: np.ndarray,
) -> None:
    matrix = tf_transformations.compose_matrix(scale, shear, angles, translate)
    parts = tf_transformations.decompose_matrix(matrix)
    for got, expected in zip(parts, (scale, shear, angles, translate, (0, 0, 0, 1)), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-8)


def test_lengths_and_directions(tf_transformations: ModuleType) -> None:
    values = np.array([[3.0, 4.0], [0.0, 2.0]])
    np.testing.assert_array_equal(tf_transformations.vector_norm(values, axis=1), (5.0, 2.0))
    np.testing.assert_allclose(tf_transformations.unit_vector(values, axis=1), [[0.6, 0.8], [0.0, 1.0]])
    out = np.empty(2)
    assert tf_transformations.vector_norm(values, axis=1, out=out) is None
    np.testing.assert_array_equal(out, (5.0, 2.0))
    assert tf_transformations.vector_norm((2.0, 3.0, 6.0)) == 7.0


@given(rand=arrays(np.float64, 3, elements=st.floats(0.0, 1.0)))
def test_a_random_quaternion_has_length_one(tf_transformations: ModuleType, rand: np.ndarray) -> None:
    assert np.linalg.norm(tf_transformations.random_quaternion(rand)) == pytest.approx(1.0)
