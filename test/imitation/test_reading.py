"""What a file is, is found from its content; what is wrong with it is said with file, key, row and limit."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from mivla_ros.imitation.camera_hands import CameraOptions
from mivla_ros.imitation.errors import ImitationError
from mivla_ros.imitation.reading import ReadingOptions, kind_of, read
from mivla_ros.imitation.recording import HandChoice, Kind
from test.imitation.files import landmarks_of, write_eef, write_egodex, write_video

RIGHT = HandChoice(("right", "left"), 1)


def no_process():
    raise AssertionError("only videos need the process that finds hands")


def options(**more) -> ReadingOptions:
    return ReadingOptions(landmark_command=no_process, **{"choice": RIGHT, **more})


@pytest.fixture
def landmarks() -> dict[str, np.ndarray]:
    return landmarks_of(40)


def test_a_files_name_says_nothing(tmp_path: Path, landmarks) -> None:
    np.savez(tmp_path / "a.npz", **landmarks)
    write_eef(tmp_path / "b.npz", np.zeros((5, 3)), 1.0)
    np.savez(tmp_path / "c.npz", time=np.arange(3.0), hand=np.zeros((3, 48)))
    write_egodex(tmp_path / "d.hdf5", 5)
    write_video(tmp_path / "e.mp4", 3)
    write_video(tmp_path / "f.webm", 3, "libvpx-vp9")
    kinds = [Kind.LANDMARKS, Kind.EEF, Kind.HANDS, Kind.EGODEX, Kind.VIDEO, Kind.VIDEO]
    for path, kind in zip(sorted(tmp_path.iterdir()), kinds, strict=True):
        other = shutil.copy(path, tmp_path / "renamed.txt")
        assert kind_of(Path(other)) is kind
        Path(other).unlink()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"hello, this is text\n" * 20, "is of no known kind, must be a video"),
        (b"PK\x03\x04 but no archive", "not a readable .npz"),
        (b"\x89HDF\r\n\x1a\n broken", "not readable HDF5"),
    ],
)
def test_what_is_no_motion_is_refused_by_name(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "thing.mp4"
    path.write_bytes(content)
    with pytest.raises(ImitationError, match=words) as raised:
        read(path, options())
    assert str(path) in str(raised.value)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImitationError, match="no such file"):
        read(tmp_path / "nothing.npz", options())
    with pytest.raises(ImitationError, match="is a folder"):
        read(tmp_path, options())


def test_archives_and_hdf5_of_other_things_are_refused_with_what_they_hold(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", weights=np.zeros(3))
    with pytest.raises(ImitationError, match="holds weights; must be a video"):
        read(tmp_path / "a.npz", options())
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["observations"] = np.zeros(3)
    with pytest.raises(ImitationError, match="holds observations; an EgoDex episode has 'transforms'"):
        read(tmp_path / "b.h5", options())


def test_pickles_are_never_loaded(tmp_path: Path, landmarks) -> None:
    landmarks["handedness"] = np.array([{"Left": 1}] * 40, dtype=object)
    np.savez(tmp_path / "a.npz", **landmarks)
    with pytest.raises(ImitationError, match=r"handedness: .*pickled objects are never loaded"):
        read(tmp_path / "a.npz", options())


def change(**wrong):
    return lambda arrays: {**arrays, **{key: value(arrays[key]) for key, value in wrong.items()}}


def with_nan(values):
    values = np.array(values, dtype=float)
    values[7] = np.nan
    return values


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (
            lambda a: {k: v for k, v in a.items() if k != "image_landmarks"},
            "image_landmarks: is missing; the file holds",
        ),
        (change(world_landmarks=lambda v: v[:, :20]), r"world_landmarks: has type float64 and shape \(40, 20, 3\)"),
        (change(world_landmarks=with_nan), "world_landmarks: row 7 holds NaN"),
        (change(world_landmarks=lambda v: 1000 * v), "world_landmarks: row 0 .* are these metres"),
        (change(world_landmarks=lambda v: v[:0]), "holds no row: no hand was found"),
        (change(image_landmarks=with_nan), "image_landmarks: row 7 holds NaN"),
        (change(handedness=lambda v: np.full(40, "Both")), "handedness: row 0 is 'Both', must be Left or Right"),
        (change(fps=lambda v: np.float64(0)), "fps: is 0, must be above 0"),
        (change(size=lambda v: -v), "size: is .* must be height and width"),
        (change(frame=lambda v: v[::-1]), "frame: must be whole numbers from 0, in order"),
        (change(frame=lambda v: v + 100 * (v > 20)), "frame: no hand for 3.37 s after 0.67 s, limit 2 s"),
        (change(handedness=lambda v: np.full(40, "Right")), "fingers bend .* to the back of a left hand"),
    ],
)
def test_wrong_landmarks_are_refused_by_key_row_and_limit(tmp_path: Path, landmarks, wrong, words: str) -> None:
    path = tmp_path / "landmarks.npz"
    np.savez(path, **wrong(landmarks))
    with pytest.raises(ImitationError, match=words) as raised:
        read(path, options())
    assert str(path) in str(raised.value)


def test_a_hand_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path, landmarks) -> None:
    np.savez(tmp_path / "a.npz", **landmarks)
    with pytest.raises(ImitationError, match=r"no left hand .* rows: 0 left, 40 right"):
        read(tmp_path / "a.npz", options(choice=HandChoice(("left",), 1)))


def test_landmarks_become_a_hand_where_it_was(tmp_path: Path, landmarks) -> None:
    np.savez(tmp_path / "a.npz", **landmarks)
    hand = read(tmp_path / "a.npz", options()).motion.hands["right"]
    moved = hand[-1, :3] - hand[0, :3]
    assert np.allclose(moved, [0.1, 0, 0], atol=2e-3)
    assert np.allclose(hand[:, 2], 0.6, atol=0.05)


def test_another_field_of_view_changes_the_distance_only(tmp_path: Path, landmarks) -> None:
    np.savez(tmp_path / "a.npz", **landmarks)
    wide, narrow = (
        read(tmp_path / "a.npz", options(camera=CameraOptions(np.deg2rad(fov)))).motion.hands["right"]
        for fov in (65.0, 40.0)
    )
    assert np.allclose(np.ptp(wide[:, 0]), np.ptp(narrow[:, 0]), atol=5e-3)
    assert narrow[0, 2] > 1.5 * wide[0, 2]


def test_a_few_frames_of_the_other_side_are_taken_for_a_mistake(tmp_path: Path, landmarks) -> None:
    landmarks["handedness"] = landmarks["handedness"].astype("U5")
    landmarks["handedness"][10:12] = "Right"
    np.savez(tmp_path / "a.npz", **landmarks)
    recording = read(tmp_path / "a.npz", options(choice=HandChoice()))
    assert list(recording.motion.hands) == ["right"]
    assert recording.coverage["right"].seen == 38
    assert "left hand in 2 of 40 frames" in recording.notes[0]


def test_an_episodes_hands_keep_their_places_and_sides(tmp_path: Path) -> None:
    recording = read(write_egodex(tmp_path / "episode"), options(choice=HandChoice()))
    assert recording.kind is Kind.EGODEX
    moved = {side: rows[-1, :3] - rows[0, :3] for side, rows in recording.motion.hands.items()}
    assert np.allclose(recording.robot_from_human @ moved["right"], [0.1, 0, 0], atol=1e-6)
    assert np.allclose(moved["left"], 0)
    assert np.isfinite(recording.drawn["right"].points[:, 0]).all()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda file: file.__delitem__("transforms/camera"), "transforms/camera: is missing"),
        (lambda file: file.__delitem__("transforms/rightThumbTip"), "transforms/rightThumbTip: is missing"),
        (lambda file: file["transforms/rightHand"].write_direct(np.full((45, 4, 4), np.nan, np.float32)),
         "transforms/rightHand: frame 0 holds NaN"),
        (lambda file: file["transforms/rightHand"].write_direct(np.full((45, 4, 4), 2, np.float32)),
         "transforms/rightHand: .* is no rotation"),
        (lambda file: file["confidences/rightHand"].write_direct(np.zeros(45, np.float32)),
         "confidences: 0 of 45 frames"),
    ],
)  # fmt: skip
def test_wrong_episodes_are_refused_by_key_and_frame(tmp_path: Path, spoil, words: str) -> None:
    path = write_egodex(tmp_path / "episode.hdf5")
    with h5py.File(path, "r+") as file:
        spoil(file)
    with pytest.raises(ImitationError, match=words) as raised:
        read(path, options())
    assert str(path) in str(raised.value)


def test_wrong_motions_are_refused_once_with_the_file(tmp_path: Path) -> None:
    path = write_eef(tmp_path / "a.npz", np.full((5, 3), 500.0), 1.0)
    with pytest.raises(ImitationError, match=r"position: row 0 holds .* are these metres") as raised:
        read(path, options())
    assert str(raised.value).count(str(path)) == 1
