"""Another branch of an arm's inverse kinematics: taken at rest, checked on the way, never in the middle of a motion."""

import numpy as np
import pytest

from mivla_ros.action_chunk import NANOSECONDS, ActionChunk, ArmActions, Space
from mivla_ros.kinematics import PathStatus, forward_kinematics, pose_errors, solve_path
from mivla_ros.retargeting import ArmMotion, JointTrajectory, Retargeter, RetargetingOptions
from mivla_ros.retargeting.benchmarks.smoothness import clean_path
from mivla_ros.retargeting.escape import branches, other_way
from mivla_ros.retargeting.retargeter import IDENTITY
from test.kinematics.chains import piper
from test.retargeting.robots import ARM, START_NS, chunk_of, retargeter
from test.retargeting.test_retargeter import assert_legal, resting

# paths of which PiPER comes to a joint limit in the configuration given with them, but not in the path's own
CORNERED = [(110, [-0.7, 0.63, -0.98, -1.74, -0.87, 1.26]), (134, [0.54, 0.64, -0.29, 1.71, -1.13, -1.68])]


def cornered(seed: int, near: list[float]) -> tuple[np.ndarray, np.ndarray, ActionChunk]:
    """Poses, joint values where the arm is cornered, and the chunk."""
    poses = forward_kinematics(piper(), clean_path(piper(), np.random.default_rng(seed)))
    start = branches(piper(), poses[0], np.array(near))[0]
    assert np.abs(start - near).max() < 0.01
    return poses, start, chunk_of(ArmActions(ARM.name, Space.EEF, ARM.eef_frame, poses), 64, step=1 / 30)


@pytest.mark.parametrize("seed, near", CORNERED)
def test_an_arm_at_rest_goes_to_the_branch_that_reaches_all_of_it_and_says_so(seed: int, near: list[float]) -> None:
    poses, start, chunk = cornered(seed, near)
    present = solve_path(piper(), poses, start, np.array(ARM.velocity) / 30)
    assert (present.status == PathStatus.UNREACHABLE).any()
    done = retargeter().retarget(chunk, resting(start), START_NS, {ARM.name: IDENTITY})
    report, motion = done.report.arms[0], done.motions[ARM.name].arm
    assert report.elsewhere and not report.unreachable_steps and report.delay > 0.1
    assert "another configuration" in str(done.report.remark)
    assert_legal(motion)
    assert np.array_equal(motion.positions[0], start)
    error = pose_errors(poses[-1], forward_kinematics(piper(), motion.positions[-1]))
    assert np.linalg.norm(error[:3]) < 5e-3
    # once there it stays on the branch: no step of the joints is larger than the path asks for
    assert np.abs(np.diff(motion.positions, axis=0)).max() < 1.05 * max(ARM.velocity) * 0.02


@pytest.mark.parametrize("seed, near", CORNERED)
def test_an_arm_in_motion_does_not(seed: int, near: list[float]) -> None:
    _, start, chunk = cornered(seed, near)
    away = start + 0.05 * np.sign(-start)
    positions = np.linspace(start, away, 30)
    velocities = np.tile((away - start) / (29 * 0.02), (30, 1))
    moving = JointTrajectory(ARM.joints, START_NS - NANOSECONDS // 10, retargeter().period_ns, positions, velocities)
    done = retargeter().retarget(chunk, {ARM.name: ArmMotion(moving)}, START_NS, {ARM.name: IDENTITY})
    assert not done.report.arms[0].elsewhere and done.report.arms[0].unreachable_steps
    end = done.motions[ARM.name].arm.positions[-1]
    assert np.abs(end - start).max() < 2.5  # it has stayed where it was


def test_a_branch_to_which_the_way_is_barred_is_not_taken() -> None:
    poses, start, _ = cornered(*CORNERED[0])
    present = solve_path(piper(), poses, start, np.array(ARM.velocity) / 30)
    options, step = RetargetingOptions().ik, np.array(ARM.velocity) / 30
    assert other_way(piper(), poses, present, start, start, step, options, lambda q: True) is not None
    assert other_way(piper(), poses, present, start, start, step, options, lambda q: False) is None


def test_branches_reach_the_pose_and_differ() -> None:
    poses, start, _ = cornered(*CORNERED[0])
    found = branches(piper(), poses[0], start)
    assert 2 <= len(found) <= 8
    for q in found:
        assert np.linalg.norm(pose_errors(poses[0], forward_kinematics(piper(), q))[:3]) < 1e-3
        assert (q >= piper().lower).all() and (q <= piper().upper).all()
    apart = [np.abs(a - b).max() for i, a in enumerate(found) for b in found[:i]]
    assert min(apart) > 0.1


def test_what_nobody_reaches_is_followed_as_far_as_it_goes_in_the_present_configuration() -> None:
    rest = retargeter()
    joints = np.tile(np.array(ARM.ready), (16, 1))
    poses = forward_kinematics(piper(), joints)
    poses[5:, 0], poses[5:, 2] = 0.64, 0.69
    done = Retargeter(rest.profile, _urdf(), RetargetingOptions(collisions=False)).retarget(
        chunk_of(ArmActions(ARM.name, Space.EEF, ARM.eef_frame, poses), 16), resting(), START_NS, {ARM.name: IDENTITY}
    )
    assert not done.report.arms[0].elsewhere and done.report.arms[0].unreachable_steps


def _urdf() -> str:
    from test.kinematics.chains import piper_urdf

    return piper_urdf()
