"""Strategies and small helpers for the tests of alignment."""

from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from mivla_ros import action_space
from mivla_ros.action_chunk import HandActions
from mivla_ros.alignment.poses import without_sign_jumps

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "data"
SIDES = action_space.SIDES

quick = settings(deadline=None, max_examples=40)
sides = st.sampled_from(SIDES)
vectors = arrays(np.float64, 3, elements=st.floats(-1, 1, width=32))
turns = arrays(np.float64, 3, elements=st.floats(-3, 3, width=32)).map(lambda v: Rotation.from_rotvec(v).as_matrix())


def poses_of(positions: np.ndarray, rotations: Rotation) -> np.ndarray:
    quaternions = without_sign_jumps(rotations.as_quat(scalar_first=True))
    return np.concatenate([positions, quaternions], axis=-1)


@st.composite
def pose_paths(draw: st.DrawFn, steps: int | None = None) -> np.ndarray:
    """(T, 7) poses within a metre, any rotation."""
    count = steps or draw(st.integers(1, 5))
    values = draw(arrays(np.float64, (count, 6), elements=st.floats(-1, 1, width=32)))
    return poses_of(values[:, :3], Rotation.from_rotvec(3 * values[:, 3:]))


@st.composite
def hands(draw: st.DrawFn, side: str | None = None, knuckle: bool | None = None) -> HandActions:
    """A hand anywhere, finger tips anywhere near it."""
    wrist = draw(pose_paths())
    count = len(wrist)
    tips = wrist[:, None, :3] + draw(arrays(np.float64, (count, 5, 3), elements=st.floats(-0.125, 0.125, width=32)))
    known = draw(st.booleans()) if knuckle is None else knuckle
    thumb = draw(pose_paths(steps=count)) if known else None
    return HandActions(wrist, tips, thumb, (side or draw(sides)) == "left")


def matrices(poses: np.ndarray) -> np.ndarray:
    return Rotation.from_quat(poses[..., 3:].reshape(-1, 4), scalar_first=True).as_matrix().reshape(
        *poses.shape[:-1], 3, 3
    )  # fmt: skip


def moved(poses: np.ndarray, turn: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Poses written in another world: p -> turn p + shift."""
    flat = poses.reshape(-1, 7)
    rotation = Rotation.from_matrix(turn)
    quaternions = (rotation * Rotation.from_quat(flat[:, 3:], scalar_first=True)).as_quat(scalar_first=True)
    return np.concatenate([rotation.apply(flat[:, :3]) + shift, quaternions], axis=1).reshape(poses.shape)


def moved_hand(hand: HandActions, turn: np.ndarray, shift: np.ndarray) -> HandActions:
    knuckle = None if hand.thumb_knuckle is None else moved(hand.thumb_knuckle, turn, shift)
    return HandActions(moved(hand.wrist, turn, shift), hand.finger_tips @ turn.T + shift, knuckle, hand.left)


def mirrored(poses: np.ndarray, plane: np.ndarray, local: np.ndarray) -> np.ndarray:
    """Mirror image of poses: positions and axes by ``plane``, then the axis that changes hands by ``local``."""
    rotation = Rotation.from_matrix(plane @ matrices(poses) @ local)
    return poses_of(poses[..., :3] @ plane, rotation)


def mirrored_hand(hand: HandActions, plane: np.ndarray) -> HandActions:
    # ARKit's wrist axes of the mirror image are all three reversed (left and right axes differ so)
    def flip(poses: np.ndarray) -> np.ndarray:
        return mirrored(poses, plane, -np.eye(3))

    knuckle = None if hand.thumb_knuckle is None else flip(hand.thumb_knuckle)
    return HandActions(flip(hand.wrist), hand.finger_tips @ plane, knuckle, not hand.left)


def same_poses(a: np.ndarray, b: np.ndarray, tolerance: float = 1e-9) -> bool:
    """Equal positions and rotations, whatever the sign of the quaternions."""
    return np.allclose(a[..., :3], b[..., :3], atol=tolerance) and np.allclose(matrices(a), matrices(b), atol=tolerance)
