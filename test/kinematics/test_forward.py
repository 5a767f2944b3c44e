"""Forward kinematics and Jacobians, against pinocchio and finite differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mivla_ros.kinematics import (
    Chain,
    KinematicsError,
    compose_poses,
    forward_kinematics,
    jacobian,
    pose_errors,
)
from test.kinematics.chains import SEVEN_JOINTS, piper, piper_urdf, random_joints, seven_joints

pinocchio = pytest.importorskip("pinocchio")


def oracle(urdf: str, chain: Chain, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pose (7,) of the tip in the chain's base and Jacobian (6, n) in the base's axes, by pinocchio."""
    model = pinocchio.buildModelFromXML(urdf)
    data = model.createData()
    full = pinocchio.neutral(model)
    columns = []
    for name, value in zip(chain.joint_names, q, strict=True):
        joint = model.joints[model.getJointId(name)]
        full[joint.idx_q : joint.idx_q + joint.nq] = [np.cos(value), np.sin(value)] if joint.nq == 2 else [value]
        columns.append(joint.idx_v)
    pinocchio.computeJointJacobians(model, data, full)
    pinocchio.updateFramePlacements(model, data)
    base = data.oMf[model.getFrameId(chain.base)]
    tip_id = model.getFrameId(chain.tip)
    tip = base.inverse() * data.oMf[tip_id]
    pose = np.concatenate(
        [tip.translation, Rotation.from_matrix(tip.rotation).as_quat(canonical=True, scalar_first=True)]
    )
    jac = pinocchio.getFrameJacobian(model, data, tip_id, pinocchio.ReferenceFrame.LOCAL_WORLD_ALIGNED)[:, columns]
    turn = np.kron(np.eye(2), base.rotation.T)
    return pose, turn @ jac


@pytest.mark.parametrize("name", ["piper", "seven_joints"])
def test_poses_and_jacobians_are_those_of_pinocchio(name: str) -> None:
    urdf, chain = (piper_urdf(), piper()) if name == "piper" else (SEVEN_JOINTS, seven_joints())
    q = random_joints(chain, 50, 1)
    poses, jacobians = forward_kinematics(chain, q), jacobian(chain, q)
    for k in range(len(q)):
        pose, jac = oracle(urdf, chain, q[k])
        assert np.allclose(pose_errors(pose, poses[k]), 0, atol=1e-12)
        assert np.allclose(jacobians[k], jac, atol=1e-12)


@pytest.mark.parametrize("chain", [piper(), seven_joints()], ids=["piper", "seven_joints"])
@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_jacobian_is_the_slope_of_the_pose(chain: Chain, seed: int) -> None:
    q = random_joints(chain, 1, seed)[0]
    jac, small = jacobian(chain, q), 1e-6
    for j in range(chain.size):
        step = np.eye(chain.size)[j] * small
        slope = pose_errors(forward_kinematics(chain, q + step), forward_kinematics(chain, q - step)) / (2 * small)
        assert np.allclose(jac[:, j], slope, atol=1e-8)


def test_shapes_follow_the_input() -> None:
    chain = piper()
    assert forward_kinematics(chain, np.zeros(6)).shape == (7,)
    assert forward_kinematics(chain, np.zeros((2, 3, 6))).shape == (2, 3, 7)
    assert jacobian(chain, np.zeros((2, 3, 6))).shape == (2, 3, 6, 6)


unit_quaternions = st.integers(0, 2**31).map(lambda s: Rotation.random(rng=np.random.default_rng(s)))


@given(first=unit_quaternions, second=unit_quaternions, sign=st.sampled_from([1, -1]))
def test_rotation_errors_are_those_of_scipy_whatever_the_sign(first: Rotation, second: Rotation, sign: int) -> None:
    poses = [np.r_[0, 0, 0, s * r.as_quat(scalar_first=True)] for r, s in ((first, 1), (second, sign))]
    error = pose_errors(poses[0], poses[1])
    assert np.allclose(error[3:], (first * second.inv()).as_rotvec(), atol=1e-7)


@given(axis=unit_quaternions)
def test_half_a_turn_has_an_error_of_pi(axis: Rotation) -> None:
    direction = axis.apply([0, 0, 1])
    error = pose_errors(np.r_[0, 0, 0, 0, direction], [0, 0, 0, 1, 0, 0, 0])
    assert np.linalg.norm(error[3:]) == pytest.approx(np.pi, abs=1e-6)
    assert np.linalg.norm(np.cross(error[3:], direction)) < 1e-5


@given(outer=unit_quaternions, inner=unit_quaternions)
def test_poses_compose_as_rotations_and_translations_do(outer: Rotation, inner: Rotation) -> None:
    a = np.r_[1.0, 2.0, 3.0, outer.as_quat(scalar_first=True)]
    b = np.r_[-0.5, 0.25, 4.0, inner.as_quat(scalar_first=True)]
    expected = np.r_[outer.apply(b[:3]) + a[:3], (outer * inner).as_quat(scalar_first=True)]
    assert np.allclose(pose_errors(expected, compose_poses(a, b[None])[0]), 0, atol=1e-7)


def test_wrong_sizes_and_values_are_named() -> None:
    with pytest.raises(KinematicsError, match=r"joint values: have shape \(5,\), must be \(..., 6\)"):
        forward_kinematics(piper(), np.zeros(5))
    with pytest.raises(KinematicsError, match="pose 1 is"):
        pose_errors(np.tile([0, 0, 0, 1.0, 0, 0, 0], (2, 1)), [[0, 0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0]])
