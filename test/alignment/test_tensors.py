"""Alignment on tensors is alignment on arrays, episode by episode, in both precisions."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mivla_ros.alignment import AlignmentError, AlignmentOptions, InitialPair, Reference, tensors
from mivla_ros.alignment import eef_from_rows as eef_from_rows_array
from mivla_ros.alignment import rows_from_eef as rows_from_eef_array
from mivla_ros.alignment.frames import Z_TOOL_FROM_HAND, robot_from_arkit
from test.alignment.motions import SIDES, matrices, poses_of

torch = pytest.importorskip("torch", reason="torch is not installed")
torch.set_num_threads(1)
BATCH, STEPS = 5, 40
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}
OPTIONS = [
    AlignmentOptions(),
    AlignmentOptions(Reference.WRIST, robot_from_arkit(0.7), Z_TOOL_FROM_HAND, 0.6),
]


def motions(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Poses (BATCH, STEPS, 7) that turn all the way round, and openings (BATCH, STEPS)."""
    rng = np.random.default_rng(0)
    turns = np.cumsum(rng.normal(0, 0.3, (BATCH, STEPS, 3)), axis=1)
    places = np.cumsum(rng.normal(0, 0.02, (BATCH, STEPS, 3)), axis=1)
    poses = np.stack([poses_of(places[k], Rotation.from_rotvec(turns[k])) for k in range(BATCH)])
    return poses.astype(dtype), rng.uniform(0, 1, (BATCH, STEPS)).astype(dtype)


def same(tensor, array: np.ndarray, dtype: str) -> bool:
    """Equal values, quaternions up to their sign."""
    values = tensor.numpy()
    assert values.dtype == np.dtype(dtype)
    if values.shape[-1] == 7:
        turned = np.allclose(matrices(values), matrices(array), atol=TOLERANCE[dtype])
        return turned and np.allclose(values[..., :3], array[..., :3], atol=TOLERANCE[dtype])
    return np.allclose(values, array, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("options", OPTIONS)
def test_a_batch_of_tensors_is_every_episode_alone(options: AlignmentOptions, side: str, dtype: str) -> None:
    poses, opening = motions(dtype)
    rows = tensors.rows_from_eef(torch.from_numpy(poses), torch.from_numpy(opening), side, options)
    start = np.array([0.3, 0.1, 0.2, 0.5, 0.5, -0.5, 0.5], dtype=dtype)
    starts = torch.from_numpy(np.tile(start, (BATCH, 1)))
    eef, openings = tensors.eef_from_rows(rows, side, starts, options=options)
    for k in range(BATCH):
        assert same(rows[k], rows_from_eef_array(poses[k], opening[k], side, options), dtype)
        expected, expected_openings = eef_from_rows_array(rows[k].numpy(), side, start, options=options)
        assert same(eef[k], expected, dtype)
        assert np.allclose(openings[k].numpy(), expected_openings, atol=10 * TOLERANCE[dtype])
    assert (eef[:, 1:, 3:] * eef[:, :-1, 3:]).sum(dim=-1).min() >= 0
    assert eef[:, 0, 3].min() >= 0


@pytest.mark.parametrize("side", SIDES)
def test_with_an_initial_pair_both_directions_undo_each_other(side: str) -> None:
    poses, opening = (torch.from_numpy(values) for values in motions("float64"))
    hand = torch.tensor([0.1, 1.2, -0.3, 0.5, -0.5, 0.5, 0.5], dtype=torch.float64).expand(BATCH, 7)
    options = OPTIONS[1]
    rows = tensors.rows_from_eef(poses, opening, side, options, (hand, poses[:, 0]))
    pair = InitialPair(hand[0].numpy(), poses[0, 0].numpy())
    assert same(rows[0], rows_from_eef_array(poses[0].numpy(), opening[0].numpy(), side, options, pair), "float64")
    again, openings = tensors.eef_from_rows(rows, side, poses[:, 0], hand, options=options)
    assert same(again, poses.numpy(), "float64")
    assert torch.allclose(openings, opening, atol=1e-9)


def test_a_known_thumb_knuckle_is_followed() -> None:
    poses, opening = (torch.from_numpy(values) for values in motions("float64"))
    rows = tensors.rows_from_eef(poses, opening, "right")
    knuckle = torch.zeros(BATCH, STEPS, 3, dtype=torch.float64)
    eef, _ = tensors.eef_from_rows(rows, "right", poses[:, 0], thumb_knuckle_positions=knuckle)
    assert torch.allclose(eef[..., :3], poses[:, :1, :3].expand(-1, STEPS, -1))


def test_wrong_shapes_are_refused_by_name() -> None:
    with pytest.raises(AlignmentError, match=r"right hand: has shape \(3, 23\), must be \(\.\.\., 24\)"):
        tensors.eef_from_rows(torch.zeros(3, 23), "right", torch.zeros(7))
    with pytest.raises(AlignmentError, match=r"gripper opening: has shape \(4,\), the poses ask for \(3,\)"):
        tensors.rows_from_eef(torch.zeros(3, 7), torch.zeros(4), "right")
