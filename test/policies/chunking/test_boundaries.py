"""What one chunk owes the one before it: who is followed, by count; how much; and by kind of value."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mivla_ros.action_chunk import ActionChunk, ArmActions, GripperKind, Space
from mivla_ros.action_space import arm_slice, pose_slice
from mivla_ros.policies.chunking.ensemble import Ensemble, EnsembleOptions
from mivla_ros.policies.chunking.resampling import held, places, poses, rows
from mivla_ros.policies.chunking.row_plan import RowPlan
from mivla_ros.policies.chunking.soft_mask import agreement
from mivla_ros.policies.chunking.under_way import frozen_steps, plan_under_way
from mivla_ros.policies.policy import Actions, Progress

STEP = 100_000_000


def arm(turns: np.ndarray, gripper: np.ndarray, kind: GripperKind = GripperKind.CONTINUOUS) -> ArmActions:
    """An arm that turns about z and moves along x by the same number."""
    quaternions = Rotation.from_euler("z", turns[:, None]).as_quat(scalar_first=True)
    eef = np.concatenate([turns[:, None], np.zeros((len(turns), 2)), quaternions], axis=1)
    return ArmActions("arm", Space.EEF, "tcp", eef, gripper, kind)


def chunk(sequence: int, first_ns: int, horizon: int = 10) -> ActionChunk:
    actions = arm(np.zeros(horizon), np.ones(horizon))
    return ActionChunk("base", first_ns, STEP, horizon, (actions,), sequence=sequence, observation_ns=first_ns)


# ---- who is followed ----


def test_nothing_is_frozen_before_anything_was_counted() -> None:
    assert frozen_steps(Progress()) == 0
    assert plan_under_way(Progress()) is None


def test_as_many_steps_are_frozen_as_were_ever_late_and_the_one_under_way() -> None:
    assert frozen_steps(Progress(late_steps=(2, 5, 1))) == 6


def test_the_newest_chunk_is_followed_while_it_is_still_on_its_way() -> None:
    chunks = (chunk(4, 0), chunk(5, 3 * STEP))
    progress = Progress(4, 2, 100, first_step=1, late_steps=(2,), chunks=chunks)
    assert plan_under_way(progress).sequence == 5


def test_a_chunk_that_was_not_taken_up_by_count_is_not_followed() -> None:
    chunks = (chunk(4, 0), chunk(5, 1 * STEP))
    late = Progress(4, 8, 100, first_step=1, late_steps=(2,), chunks=chunks)
    assert plan_under_way(late).sequence == 4


# ---- how much ----


@given(st.integers(1, 60), st.integers(0, 70), st.integers(0, 60))
def test_agreement_is_whole_then_falls_then_ends(horizon: int, frozen: int, overlap: int) -> None:
    overlap = min(overlap, horizon)
    weights = agreement(horizon, frozen, overlap)
    kept = min(frozen, overlap)
    assert (weights[:kept] == 1).all()
    assert (weights[overlap:] == 0).all()
    assert ((weights[kept:overlap] > 0) & (weights[kept:overlap] < 1)).all()
    assert (np.diff(weights) <= 1e-12).all()


# ---- by kind ----


@given(st.floats(-3, 3), st.floats(-2.5, 2.5), st.floats(0, 1))
def test_rotations_between_two_steps_lie_on_the_way_between_them(start: float, turn: float, share: float) -> None:
    actions = arm(np.array([start, start + turn]), np.ones(2))
    found = poses(actions.eef, places(0, STEP, 2, np.array([round(share * STEP)])))[0]
    expected = Rotation.from_euler("z", start + round(share * STEP) / STEP * turn)
    assert (Rotation.from_quat(found[3:], scalar_first=True) * expected.inv()).magnitude() < 1e-6
    assert np.linalg.norm(found[3:]) == pytest.approx(1)


def test_a_gripper_between_two_steps_is_the_later_ones_never_a_mean() -> None:
    values = np.array([1.0, 1.0, 0.0, 0.0])
    assert held(values, places(0, STEP, 4, np.array([0, STEP, STEP + 1, 2 * STEP, 9 * STEP]))).tolist() == [
        1,
        1,
        0,
        0,
        0,
    ]


def test_rows_are_resampled_by_kind_and_keep_unknown_values_unknown() -> None:
    values = np.full((2, 76), np.nan)
    values[:, arm_slice("right")] = [[0.0] * 6 + [1.0], [1.0] * 6 + [0.0]]
    pose = pose_slice("right")
    values[:, pose] = arm(np.array([0.0, 1.0]), np.ones(2)).eef
    found = rows(values, places(0, STEP, 2, np.array([STEP // 4])))[0]
    assert found[arm_slice("right")].tolist() == [0.25] * 6 + [0.0]
    assert found[pose][3:] == pytest.approx(Rotation.from_euler("z", 0.25).as_quat(scalar_first=True))
    assert np.isnan(found[:48]).all()


def test_a_network_agrees_on_grippers_only_where_they_are_past() -> None:
    predicted = np.zeros((10, 76))
    plan = RowPlan()
    given = chunk(1, 0)
    plan.remember(0, predicted)
    progress = Progress(1, 3, 3, first_step=0, late_steps=(1,), chunks=(given,))
    found, weight = plan.under_way(progress, 2 * STEP + STEP * np.arange(10))
    gripper, joint = arm_slice("right").stop - 1, arm_slice("right").start
    assert weight[:, gripper].tolist() == [1, 1] + [0] * 8
    assert (weight[2:8, joint] > 0).all() and (weight[8:, joint] == 0).all()
    assert found.shape == (10, 76)
    plan.forget()
    assert plan.under_way(progress, STEP * np.arange(10)) is None


# ---- ensembles ----


def answer(turns: np.ndarray, gripper: np.ndarray, kind: GripperKind = GripperKind.CONTINUOUS) -> Actions:
    return Actions((arm(turns, gripper, kind),), 0.0, STEP / 1e9)


def test_a_step_is_the_mean_of_what_all_answers_say_about_its_time() -> None:
    ensemble = Ensemble(EnsembleOptions(decay=0.0))
    ensemble.blend(answer(np.linspace(0, 0.9, 10), np.ones(10)), 0)
    found = ensemble.blend(answer(np.linspace(0.4, 1.3, 10), np.ones(10)), 2 * STEP).arms[0]
    at = np.linspace(0.2, 0.9, 8)  # what the first one says about the second one's first eight steps
    both = (at + np.linspace(0.4, 1.1, 8)) / 2
    assert found.eef[:8, 0] == pytest.approx(both)
    assert Rotation.from_quat(found.eef[:8, 3:], scalar_first=True).as_euler("xyz")[:, 2] == pytest.approx(both)
    assert found.eef[8:, 0] == pytest.approx([1.2, 1.3])
    ensemble.forget()
    alone = answer(np.zeros(10), np.ones(10))
    assert ensemble.blend(alone, 3 * STEP).arms[0].eef == pytest.approx(alone.arms[0].eef)


@pytest.mark.parametrize("kind", GripperKind, ids=str)
def test_two_decisions_about_a_gripper_are_never_averaged(kind: GripperKind) -> None:
    ensemble = Ensemble()
    ensemble.blend(answer(np.zeros(4), np.ones(4), kind), 0)
    found = ensemble.blend(answer(np.zeros(4), np.array([1.0, 0.0, 0.0, 0.0]), kind), 0).arms[0]
    assert found.gripper.tolist() == [1.0, 0.0, 0.0, 0.0]


def test_openings_that_agree_are_averaged_unless_they_are_binary() -> None:
    for kind, expected in ((GripperKind.CONTINUOUS, 0.55), (GripperKind.BINARY, 0.5)):
        ensemble = Ensemble(EnsembleOptions(decay=0.0))
        ensemble.blend(answer(np.zeros(2), np.full(2, 0.6), kind), 0)
        found = ensemble.blend(answer(np.zeros(2), np.full(2, 0.5), kind), 0).arms[0]
        assert found.gripper == pytest.approx(expected)


def test_answers_in_another_space_are_not_mixed() -> None:
    ensemble = Ensemble()
    ensemble.blend(answer(np.ones(3), np.ones(3)), 0)
    joints = ArmActions("arm", Space.JOINT, joint_names=("a",), joints=np.zeros((3, 1)))
    found = ensemble.blend(replace(answer(np.zeros(3), np.ones(3)), arms=(joints,)), 0).arms[0]
    assert found.joints == pytest.approx(np.zeros((3, 1)))
