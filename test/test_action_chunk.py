"""The time contract of a chunk, and what check_chunk refuses."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mivla_ros.action_chunk import ActionChunk, ActionChunkError, ArmActions, HandActions, Space, check_chunk

POSES = np.tile([0.3, 0.0, 0.2, 1.0, 0.0, 0.0, 0.0], (4, 1))
ARM = ArmActions("arm", Space.EEF, "tcp", eef=POSES, gripper=np.ones(4))
CHUNK = ActionChunk("world", 1_000_000_000, 50_000_000, 4, (ARM,), valid_until_ns=1_200_000_000)


@given(st.integers(-(10**10), 10**10), st.integers(1, 10**9), st.integers(1, 64))
def test_first_due_step_is_the_first_whose_time_is_not_past(now: int, step_ns: int, horizon: int) -> None:
    chunk = replace(CHUNK, step_ns=step_ns, horizon=horizon)
    step = chunk.first_due_step(now)
    assert all(chunk.due_ns(k) < now for k in range(step))
    assert all(chunk.due_ns(k) >= now for k in range(step, horizon))


@given(st.integers(-(10**10), 10**10), st.integers(1, 10**9), st.integers(1, 64))
def test_steps_due_by_counts_those_whose_time_has_come(now: int, step_ns: int, horizon: int) -> None:
    chunk = replace(CHUNK, step_ns=step_ns, horizon=horizon)
    assert chunk.steps_due_by(now) == sum(chunk.due_ns(k) <= now for k in range(horizon))


def test_a_good_chunk_passes() -> None:
    check_chunk(CHUNK)


def _with_arm(**changes: object) -> ActionChunk:
    return replace(CHUNK, arms=(replace(ARM, **changes),))  # type: ignore[arg-type]


def _spoiled(poses: np.ndarray, step: int, column: int, value: float) -> np.ndarray:
    out = poses.copy()
    out[step, column] = value
    return out


@pytest.mark.parametrize(
    ("chunk", "words"),
    [
        (replace(CHUNK, horizon=0), "horizon"),
        (replace(CHUNK, step_ns=0), "step_duration"),
        (replace(CHUNK, arms=()), "arms"),
        (replace(CHUNK, frame_id=""), "frame_id"),
        (replace(CHUNK, valid_until_ns=0), "valid_until"),
        (replace(CHUNK, arms=(ARM, ARM)), "'arm' appears 2 times"),
        (_with_arm(eef=None), "'arm' eef: is empty"),
        (_with_arm(eef=POSES[:3]), r"\(3, 7\), must be \(4, 7\)"),
        (_with_arm(eef=_spoiled(POSES, 2, 0, np.nan)), "step 2 holds NaN"),
        (_with_arm(eef=_spoiled(POSES, 1, 1, np.inf)), "step 1 holds NaN or infinity"),
        (_with_arm(eef=_spoiled(POSES, 3, 3, 0.5)), "step 3: quaternion of length 0.5"),
        (_with_arm(gripper=np.array([0.0, 0.5, 1.0, 1.2])), "1.2 is outside"),
        (_with_arm(gripper=np.zeros(3)), "gripper_openings"),
        (_with_arm(joint_names=("a", "a"), joints=np.zeros((4, 2))), "appears twice"),
        (_with_arm(space=Space.HAND, hand=HandActions(POSES, np.zeros((4, 4, 3)))), "finger_tips"),
    ],
)
def test_a_broken_chunk_is_refused_by_field(chunk: ActionChunk, words: str) -> None:
    with pytest.raises(ActionChunkError, match=words):
        check_chunk(chunk)
