from pathlib import Path

import numpy as np
import pytest

from mivla_ros.policies.motion_file import EefMotion, HandMotion, load_motion
from mivla_ros.policies.policy import PolicyError

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "data"


def eef_arrays(count: int = 20) -> dict[str, np.ndarray]:
    angle = np.linspace(0, 1, count)
    return {
        "time": 5.0 + 0.01 * np.arange(count),
        "position": np.stack([angle, 2 * angle, -angle], axis=1),
        "quaternion_xyzw": np.stack([0 * angle, 0 * angle, np.sin(angle / 2), np.cos(angle / 2)], axis=1),
        "gripper_width": np.linspace(0.08, 0.0, count),
    }


def hand_arrays(count: int = 20) -> dict[str, np.ndarray]:
    hand = np.full((count, 48), np.nan)
    hand[:, 24:] = 0.1
    hand[:, 27:33] = [1, 0, 0, 0, 1, 0]
    return {"time": 0.1 * np.arange(count), "hand": hand, "frame": np.array("world")}


def save(tmp_path: Path, arrays: dict[str, np.ndarray], **changes: object) -> str:
    arrays = {**arrays, **changes}
    path = tmp_path / "motion.npz"
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return str(path)


def test_an_end_effector_motion_starts_at_time_zero_with_wxyz(tmp_path: Path) -> None:
    arrays = eef_arrays()
    motion = load_motion(save(tmp_path, arrays))
    assert isinstance(motion, EefMotion)
    assert motion.time == pytest.approx(0.01 * np.arange(20))
    assert motion.poses[:, :3] == pytest.approx(arrays["position"])
    assert motion.poses[:, 3] == pytest.approx(arrays["quaternion_xyzw"][:, 3])
    assert motion.poses[:, 4:] == pytest.approx(arrays["quaternion_xyzw"][:, :3])
    assert motion.gripper_width == pytest.approx(arrays["gripper_width"])


def test_a_motion_may_come_without_a_gripper(tmp_path: Path) -> None:
    motion = load_motion(save(tmp_path, eef_arrays(), gripper_width=None))
    assert isinstance(motion, EefMotion)
    assert motion.gripper_width is None


def test_hands_that_are_nan_throughout_are_not_there(tmp_path: Path) -> None:
    motion = load_motion(save(tmp_path, hand_arrays()))
    assert isinstance(motion, HandMotion)
    assert list(motion.hands) == ["right"]
    assert motion.hands["right"].shape == (20, 24)
    assert motion.frame == "world"
    assert motion.thumb_knuckles == {}


def test_thumb_knuckles_come_with_their_hand(tmp_path: Path) -> None:
    knuckle = np.tile([0.1, 0.2, 0.3, 2 / 2, 0, 0, 0], (20, 1))
    motion = load_motion(save(tmp_path, hand_arrays(), thumb_knuckle_right=knuckle))
    assert isinstance(motion, HandMotion)
    assert motion.thumb_knuckles["right"] == pytest.approx(knuckle)


def broken(array: np.ndarray, row: int, value: float) -> np.ndarray:
    copy = array.copy()
    copy[row] = value
    return copy


EEF, HAND = eef_arrays(), hand_arrays()
FAULTS = [
    (EEF, {"time": None}, "time", "is missing; the file holds gripper_width, position"),
    (EEF, {"quaternion_xyzw": None}, "quaternion_xyzw", "is missing"),
    (EEF, {"position": EEF["position"][:, :2]}, "position", r"has shape \(20, 2\), must be \(20, 3\)"),
    (EEF, {"gripper_width": np.zeros(19)}, "gripper_width", r"has shape \(19,\), must be \(20,\)"),
    (EEF, {"position": broken(EEF["position"], 7, np.nan)}, "position", "row 7 holds NaN"),
    (EEF, {"position": broken(EEF["position"], 7, 350.0)}, "position", "row 7 holds 350, limit 10 m"),
    (EEF, {"time": broken(EEF["time"], 9, 5.0)}, "time", r"row 9 is 5 s after 5.08 s, must increase"),
    (EEF, {"time": EEF["time"][:1]}, "time", "holds 1 samples, must be 2 or more"),
    (
        EEF,
        {"quaternion_xyzw": broken(EEF["quaternion_xyzw"], 3, 0.0)},
        "quaternion_xyzw",
        "row 3 has length 0, must be 1",
    ),
    (
        EEF,
        {"gripper_width": broken(EEF["gripper_width"], 4, -0.01)},
        "gripper_width",
        "row 4 is -0.01 m, must be 0",
    ),
    (EEF, {"gripper_width": np.full(20, "wide")}, "gripper_width", "has type <U4, must be numbers"),
    (EEF, {"position": EEF["position"].astype(object)}, "position", "cannot be read .* never loaded"),
    (HAND, {"hand": HAND["hand"][:, :47]}, "hand", r"has shape \(20, 47\), must be \(20, 48\)"),
    (HAND, {"hand": np.full((20, 48), np.nan)}, "hand", "is NaN throughout"),
    (
        HAND,
        {"hand": broken(HAND["hand"], 5, np.nan)},
        "hand",
        "row 5 holds NaN or infinity .right hand, columns 24 to 47",
    ),
    (HAND, {"hand": np.zeros((20, 48))}, "hand", "left wrist: 6-D rotation"),
    (HAND, {"frame": np.array(3)}, "frame", "must be one text"),
    (HAND, {"thumb_knuckle_right": np.zeros((20, 7))}, "thumb_knuckle_right", "row 0 has length 0"),
]


@pytest.mark.parametrize(("arrays", "change", "key", "words"), FAULTS)
def test_a_fault_is_named_with_file_key_and_row(tmp_path: Path, arrays, change, key: str, words: str) -> None:
    path = save(tmp_path, arrays, **change)
    with pytest.raises(PolicyError, match=words) as error:
        load_motion(path)
    assert error.value.subject == f"{path}: {key}"
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no such file"), (b"", "readable"), (b"PK\x03\x04 torn", "readable"), (b"words", "readable")],
)
def test_a_file_that_is_no_archive_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "motion.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PolicyError, match=words) as error:
        load_motion(str(path))
    assert error.value.subject == str(path)


def test_a_bare_array_or_one_of_something_else_is_no_motion(tmp_path: Path) -> None:
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(PolicyError, match=r"must be an \.npz archive"):
        load_motion(str(tmp_path / "array.npy"))
    with pytest.raises(PolicyError, match="holds something; a motion has 'position'"):
        load_motion(save(tmp_path, {"something": np.zeros(3)}))


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings in ../shared/data are not here")
@pytest.mark.parametrize("number", [4, 5, 6, 7])
def test_real_recordings_are_read(number: int) -> None:
    motion = load_motion(str(RECORDINGS / f"teleop_eef_{number}.npz"))
    assert isinstance(motion, EefMotion)
    assert np.diff(motion.time) == pytest.approx(np.full(len(motion.time) - 1, 0.01), abs=2e-3)
    assert motion.gripper_width.max() <= 0.081
    assert np.linalg.norm(motion.poses[:, 3:], axis=1) == pytest.approx(np.ones(len(motion.time)))
