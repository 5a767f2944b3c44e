"""Inverse kinematics within position limits."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from mivla_ros.kinematics import (
    Chain,
    KinematicsError,
    PathStatus,
    forward_kinematics,
    pose_errors,
    solve_path,
    solve_pose,
)
from test.kinematics.chains import piper, random_joints, seven_joints

CHAINS = pytest.mark.parametrize("chain", [piper(), seven_joints()], ids=["piper", "seven_joints"])
STEP = 0.1  # rad between two poses that a joint may move in these tests


def smooth_joints(chain: Chain, seed: int, count: int = 64, largest_step: float = 0.04) -> np.ndarray:
    """A joint path (count, n) within the limits, no joint of which moves more than largest_step between two
    poses."""
    ways = 0.8 * random_joints(chain, 4, seed) + 0.1 * (
        random_joints(chain, 1, seed + 1) + random_joints(chain, 1, seed + 2)
    )
    spline = CubicSpline(np.linspace(0, 1, 4), ways)
    step = np.abs(np.diff(spline(np.linspace(0, 1, 2001)), axis=0)).max()
    span = min(1.0, largest_step / step * count / 2001)
    return np.clip(spline(np.linspace(0, span, count)), chain.lower, chain.upper)


@CHAINS
def test_cold_solutions_meet_the_pose_within_limits(chain: Chain) -> None:
    poses = forward_kinematics(chain, random_joints(chain, 1000, 7))
    missed = 0
    for pose in poses:
        solution = solve_pose(chain, pose)
        assert (solution.q >= chain.lower).all() and (solution.q <= chain.upper).all()
        error = pose_errors(pose, forward_kinematics(chain, solution.q))
        met = np.linalg.norm(error[:3]) < 1e-4 and np.linalg.norm(error[3:]) < np.deg2rad(0.1)
        assert met or not solution.reached
        missed += not met
    assert missed <= 1


@CHAINS
def test_a_smooth_path_is_met_smoothly(chain: Chain) -> None:
    """Random paths lead through singularities too; the arm of seven may end up on the wrong side of one."""
    missed = 0
    for seed in range(100):
        truth = smooth_joints(chain, seed)
        poses = forward_kinematics(chain, truth)
        path = solve_path(chain, poses, truth[0], STEP)
        assert (path.q >= chain.lower).all() and (path.q <= chain.upper).all()
        errors = pose_errors(poses, forward_kinematics(chain, path.q))
        assert np.allclose(np.linalg.norm(errors[:, :3], axis=1), path.position_error, atol=1e-9)
        assert np.allclose(np.linalg.norm(errors[:, 3:], axis=1), path.rotation_error, atol=1e-7)
        reached = path.status == PathStatus.REACHED
        assert path.position_error[reached].max() <= 1e-3
        assert path.rotation_error[reached].max() <= 8.7e-3
        missed += (path.status == PathStatus.UNREACHABLE).any() or path.position_error.max() > 1e-2
    assert missed <= (0 if chain.size == 6 else 6)


def test_near_a_singularity_no_joint_moves_more_than_it_may() -> None:
    """A tool that hardly turns while PiPER's fourth and sixth joint would have to, against each other."""
    chain = piper()
    turn = np.concatenate([np.full(8, 0.8), np.linspace(0.8, -0.8, 4), np.full(24, -0.8)])[:, None]
    poses = forward_kinematics(chain, np.array([0, 1.2, -1.0, 0, 0.05, 0]) + turn * [0, 0, 0, 1, 0, -1])
    path = solve_path(chain, poses, [0, 1.2, -1.0, 0.8, 0.05, -0.8], STEP)
    assert np.abs(np.diff(path.q, axis=0)).max() <= STEP + 1e-9
    assert path.rotation_error[-1] < 0.05


def test_a_fast_path_away_from_singularities_is_followed_however_fast() -> None:
    chain = piper()
    truth = np.array([0, 1.3, -1.05, 0, 0.85, 0]) + np.outer(np.arange(8), [0.25, 0, 0, 0, 0, 0])
    path = solve_path(chain, forward_kinematics(chain, truth), truth[0], STEP)
    assert (path.status == PathStatus.REACHED).all()
    assert np.abs(path.q - truth).max() < 0.02


def test_piper_s_wrist_stays_calm_through_its_singularity() -> None:
    """At joint5 = 0, where noise of half a degree makes exact solutions jump by a radian."""
    chain, rng = piper(), np.random.default_rng(0)
    truth = np.array([0, 1.2, -1.0, 0, 0, 0]) + np.linspace(-0.4, 0.4, 64)[:, None] * [0.5, 0.2, 0.2, 0, 1, 0]
    poses = forward_kinematics(chain, truth)
    poses[:, :3] += rng.normal(0, 1e-3, (64, 3))
    poses[:, 4:] += 0.5 * rng.normal(0, np.deg2rad(0.5), (64, 3))
    path = solve_path(chain, poses, truth[0], STEP)
    assert np.abs(np.diff(path.q, axis=0)).max() < 0.25
    assert path.position_error.max() <= 1e-2


def test_out_of_reach_poses_are_followed_as_far_as_possible_and_held() -> None:
    chain = piper()
    start = np.array([0, 1.2, -1.0, 0, 0.4, 0])
    poses = np.tile(forward_kinematics(chain, start), (40, 1))
    poses[:, 0] += np.linspace(0, 1.0, 40)  # straight out, past the end of the arm, and back again
    poses = np.concatenate([poses, poses[::-1]])
    path = solve_path(chain, poses, start, STEP)
    bad = path.status == PathStatus.UNREACHABLE
    assert bad.any() and not bad[0]
    first = int(np.argmax(bad))
    # it holds: after the first few steps nothing moves before the pose comes back into reach
    held = path.q[first + 6 : 70][bad[first + 6 : 70]]
    assert np.abs(held - held[0]).max() < 0.1
    assert path.position_error[bad].max() > 0.3
    assert path.position_error[-1] <= 1e-3 and path.status[-1] == PathStatus.REACHED


def test_the_first_pose_may_be_far_away() -> None:
    chain = piper()
    start = np.array([0, 1.0, -1.0, 0, 0.6, 0])
    reached = 0
    for q in random_joints(chain, 100, 11):
        path = solve_path(chain, forward_kinematics(chain, q)[None], start, STEP)
        reached += path.status[0] == PathStatus.REACHED
    assert reached >= 97


def test_a_seed_outside_the_limits_comes_back_inside() -> None:
    chain = piper()
    q = np.array([0, 0.02, -0.02, 0, 0.3, 0])
    path = solve_path(chain, forward_kinematics(chain, q)[None], [0, -0.01, 0.01, 0, 0.3, 0], STEP)
    assert (path.q >= chain.lower).all() and (path.q <= chain.upper).all()


def test_the_same_problem_has_the_same_solution() -> None:
    chain = piper()
    pose = forward_kinematics(chain, random_joints(chain, 1, 5)[0])
    assert np.array_equal(solve_pose(chain, pose).q, solve_pose(chain, pose).q)


def test_wrong_sizes_are_named() -> None:
    with pytest.raises(KinematicsError, match="must be one"):
        solve_pose(piper(), np.tile([0, 0, 0.3, 1.0, 0, 0, 0], (2, 1)))
    with pytest.raises(KinematicsError, match="joint values"):
        solve_path(piper(), np.tile([0, 0, 0.3, 1.0, 0, 0, 0], (2, 1)), np.zeros(4))
