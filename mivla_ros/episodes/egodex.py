"""EgoDex, both ways: a person's hands as ARKit sees them (HDF5) and the head camera's video beside it (MP4).

World: ARKit's, y up, metres; wrists with ARKit's axes, which differ between the hands (docs/alignment.md). 30 Hz.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from mivla_ros import action_space
from mivla_ros.alignment.poses import matrix_from_quaternion, poses_from
from mivla_ros.episodes.episode import Array, Episode, Stamps, Stream, check_stream, frame_stamps
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.hdf5_episode import check_metres, episode_of_frames, opened, pose_stream
from mivla_ros.episodes.hdf5_file import Hdf5File
from mivla_ros.episodes.interpolation import continuous, hands_at, poses_at
from mivla_ros.episodes.video_file import VideoCamera, VideoFile, write_video

FORMAT = "egodex"
RATE = 30.0
WORLD, CAMERA = "arkit_world", "head_camera"
JOINT = "joint."  # streams of this name and a joint's of EgoDex, poses, are written as that joint
METADATA = ("task", "llm_type", "description")
HAND_COLUMNS = {
    side: tuple(v.name for v in action_space.VALUES[action_space.hand_slice(side)]) for side in action_space.SIDES
}
HAND_UNITS = tuple(v.unit for v in action_space.VALUES[action_space.hand_slice("left")])
TIPS = ("ThumbTip", "IndexFingerTip", "MiddleFingerTip", "RingFingerTip", "LittleFingerTip")


def matches(file: Hdf5File) -> bool:
    """True for a file of this format."""
    return file.has("transforms/camera") and (file.has("transforms/leftHand") or file.has("transforms/rightHand"))


def read(path: Path) -> Episode:
    """Open one episode: PATH.hdf5, with PATH.mp4 beside it where there is one. Raises EpisodeError."""
    return opened(path, _episode)


def _episode(path: Path, file: Hdf5File) -> Episode:
    if not matches(file):
        raise EpisodeError(path, "transforms", "holds no camera or no hand")
    count = file.rows("transforms/camera")
    stamps = frame_stamps(count, RATE)
    sides = [side for side in action_space.SIDES if file.has(f"transforms/{side}Hand")]
    streams = {"head": partial(_pose_stream, file, "head", "camera", stamps)}
    for side in sides:
        streams[f"hand.{side}"] = partial(_hand_stream, file, side, stamps)
        if file.has(f"transforms/{side}ThumbKnuckle"):
            name = f"thumb_knuckle.{side}"
            streams[name] = partial(_pose_stream, file, name, f"{side}ThumbKnuckle", stamps)
        if file.has(f"confidences/{side}Hand"):
            streams[f"confidence.{side}"] = partial(_confidence_stream, file, side, stamps)
    videos: list[VideoFile] = []
    cameras = {}
    if path.with_suffix(".mp4").exists():
        cameras[CAMERA] = partial(_camera, file, path.with_suffix(".mp4"), stamps, videos)
    which = file.attribute("which_llm_description", "1")
    texts = [file.attribute("llm_description"), file.attribute("llm_description2")]
    instructions = tuple(t for t in (texts[::-1] if which == "2" else texts) if t)

    def close() -> None:
        for video in videos:
            video.close()
        file.close()

    return episode_of_frames(
        file,
        stamps,
        cameras,
        streams,
        close=close,
        name=f"{path.parent.name}/{path.stem}",
        format=FORMAT,
        embodiment="human",
        robot="human",
        instructions=instructions,
        rate=RATE,
        metadata={key: text for key in METADATA if (text := file.attribute(key))},
    )


def _camera(file: Hdf5File, video_path: Path, stamps: Stamps, opened: list[VideoFile]) -> VideoCamera:
    video = VideoFile(video_path, CAMERA)
    opened.append(video)
    if video.count != len(stamps):
        text = f"has {video.count} pictures for {len(stamps)} rows of transforms/camera"
        if abs(video.count - len(stamps)) > 1 or video.count < len(stamps):
            raise EpisodeError(video_path, CAMERA, text)
    intrinsics = file.numbers("camera/intrinsic", (3, 3)) if file.has("camera/intrinsic") else None
    return VideoCamera(CAMERA, video, stamps, 0, intrinsics)


def _matrices(file: Hdf5File, joint: str, rows: int) -> Array:
    """(N, 4, 4) rigid transforms. Raises EpisodeError naming the first row that is none."""
    key = f"transforms/{joint}"
    matrices = file.numbers(key, (None, 4, 4), rows)
    rotation = matrices[:, :3, :3]
    product = rotation @ rotation.transpose(0, 2, 1)
    bad = (np.abs(product - np.eye(3)).max(axis=(1, 2)) > 1e-2) | (np.abs(matrices[:, 3] - [0, 0, 0, 1]).max(1) > 1e-4)
    if bad.any():
        raise EpisodeError(file.path, key, "is no rigid transform", int(np.argmax(bad)), "orthonormal within 0.01")
    check_metres(file, key, matrices[:, :3, 3])
    return matrices


def _pose_stream(file: Hdf5File, name: str, joint: str, stamps: Stamps) -> Stream:
    matrices = _matrices(file, joint, len(stamps))
    u, _, vt = np.linalg.svd(matrices[:, :3, :3])  # float32 on disk: made orthonormal again
    poses = continuous(poses_from(matrices[:, :3, 3], u @ vt))
    return pose_stream(file, name, stamps, poses, WORLD)


def _hand_stream(file: Hdf5File, side: str, stamps: Stamps) -> Stream:
    wrist = _matrices(file, f"{side}Hand", len(stamps))
    rows = np.empty((len(stamps), action_space.HAND_SIZE))
    rows[:, action_space.WRIST_POSITION] = wrist[:, :3, 3]
    rows[:, action_space.WRIST_ROTATION] = action_space.rotation_6d_from_matrix(wrist[:, :3, :3])
    tips = [_matrices(file, f"{side}{tip}", len(stamps))[:, :3, 3] for tip in TIPS]
    rows[:, action_space.FINGER_TIPS] = np.concatenate(tips, axis=1)
    reach = np.linalg.norm(np.stack(tips, axis=1) - wrist[:, None, :3, 3], axis=2).max(axis=1)
    if (reach > 0.5).any():
        row = int(np.argmax(reach > 0.5))
        text = f"a finger tip lies {reach[row]:.4g} from the wrist: metres are expected"
        raise EpisodeError(file.path, f"transforms/{side}Hand", text, row, "0.5 m")
    stream = Stream(f"hand.{side}", stamps, rows, HAND_COLUMNS[side], HAND_UNITS, WORLD)
    return check_stream(file.path, stream)


def _confidence_stream(file: Hdf5File, side: str, stamps: Stamps) -> Stream:
    values = file.numbers(f"confidences/{side}Hand", (None,), len(stamps))
    return Stream(f"confidence.{side}", stamps, values[:, None], ("confidence",), ("1",))


def write(episode: Episode, path: Path, rate: float = RATE) -> None:
    """Write a human episode as PATH.hdf5 and, where it has a camera, PATH.mp4; frames at 30 Hz as the format asks.

    Joints that EgoDex has and the episode lacks are left out; finger tips get the wrist's rotation, for the unified
    space has none of their own, unless a stream ``joint.NAME`` has that joint's pose. Raises EpisodeError for a robot's
    episode.
    """
    sides = [side for side in action_space.SIDES if f"hand.{side}" in episode.streams]
    if not sides:
        raise EpisodeError(episode.info.path, "hand", "the episode has no hand; this format is for hands")
    if rate != RATE:
        raise EpisodeError(path, "rate", f"is {rate}", limit=f"{RATE:g}")
    start, end = episode.info.start_ns, episode.info.end_ns
    stamps = start + frame_stamps(int(np.floor((end - start) / 1e9 * RATE + 1e-6)) + 1, RATE)
    transforms: dict[str, Array] = {}
    for side in sides:
        rows = hands_at(episode.streams[f"hand.{side}"], stamps)
        rotation = action_space.matrix_from_rotation_6d(rows[:, action_space.WRIST_ROTATION])
        transforms[f"{side}Hand"] = _rigid(rows[:, action_space.WRIST_POSITION], rotation)
        tips = rows[:, action_space.FINGER_TIPS].reshape(-1, 5, 3)
        for i, tip in enumerate(TIPS):
            transforms[f"{side}{tip}"] = _rigid(tips[:, i], rotation)
        knuckle = f"thumb_knuckle.{side}"
        if knuckle in episode.streams:
            transforms[f"{side}ThumbKnuckle"] = _from_poses(poses_at(episode.streams[knuckle], stamps))
    for name in episode.streams:
        if name.startswith(JOINT):
            transforms[name.removeprefix(JOINT)] = _from_poses(poses_at(episode.streams[name], stamps))
    identity = np.tile(np.array([0.0, 0, 0, 1, 0, 0, 0]), (len(stamps), 1))
    head = poses_at(episode.streams["head"], stamps) if "head" in episode.streams else identity
    transforms["camera"] = _from_poses(head)
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_file(path, episode, transforms)
    if episode.cameras:
        camera = next(iter(episode.cameras.values()))
        index = np.maximum(np.searchsorted(camera.stamps_ns, stamps, side="right") - 1, 0)
        partial_video = path.with_suffix(".mp4.part")
        write_video(partial_video, (camera.rgb(int(i)) for i in index), RATE, group=10)
        partial_video.replace(path.with_suffix(".mp4"))


def _write_file(path: Path, episode: Episode, transforms: Mapping[str, Array]) -> None:
    unfinished = path.with_suffix(".hdf5.part")
    with h5py.File(unfinished, "w") as file:
        for name, matrices in transforms.items():
            file.create_dataset(f"transforms/{name}", data=matrices.astype(np.float32))
        camera = next(iter(episode.cameras.values()), None)
        if camera is not None and camera.intrinsics is not None:
            file.create_dataset("camera/intrinsic", data=camera.intrinsics.astype(np.float32))
        sides = {f"confidence.{side}": f"{side}Hand" for side in action_space.SIDES}
        for name in episode.streams:
            if name.startswith("confidence."):
                joint = sides.get(name, name.removeprefix("confidence.").removeprefix(JOINT))
                values = episode.streams[name].values[:, 0]
                if len(values) == len(transforms["camera"]) and f"confidences/{joint}" not in file:
                    file.create_dataset(f"confidences/{joint}", data=values.astype(np.float32))
        for i, text in enumerate(episode.info.instructions[:2]):
            file.attrs["llm_description" + ("2" if i else "")] = text
        file.attrs["which_llm_description"] = "1"
        for key in METADATA:
            if key in episode.info.metadata:
                file.attrs[key] = episode.info.metadata[key]
    unfinished.replace(path)


def _rigid(positions: Array, rotations: NDArray[np.floating]) -> Array:
    matrices = np.tile(np.eye(4), (len(positions), 1, 1))
    matrices[:, :3, :3], matrices[:, :3, 3] = rotations, positions
    return matrices


def _from_poses(poses: Array) -> Array:
    return _rigid(poses[:, :3], matrix_from_quaternion(poses[:, 3:]))
