"""Small episodes that tests write and read."""

import json
from pathlib import Path

import cv2
import h5py
import numpy as np

from mivla_ros.episodes.egodex import TIPS
from mivla_ros.episodes.episode_bag import EpisodeBag
from mivla_ros.episodes.video_file import write_video
from mivla_ros.robots.profile import load_profile

START_NS = 1_700_000_000_000_000_000


def picture(index: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A smooth picture that tells its number by its colours: red left, blue right."""
    x = np.linspace(0, 1, width)
    rgb = np.zeros((height, width, 3))
    rgb[..., 0], rgb[..., 1], rgb[..., 2] = 220 * (1 - x), (10 * index) % 200, 60 * x
    return rgb.astype(np.uint8)


def joints_at(seconds: np.ndarray | float) -> np.ndarray:
    """(..., 7) joints of the PiPER and its gripper (m) over time."""
    t = np.asarray(seconds)[..., None]
    arm = np.array([0.0, 1.3, -1.05, 0.0, 0.85, 0.0]) + 0.2 * np.sin(t + np.arange(6))
    return np.concatenate([arm, 0.05 + 0.04 * np.sin(2 * t)], axis=-1)


def write_piper_bag(folder: Path, seconds: float = 2.0, instruction: str = "move the bottle", **words: str) -> Path:
    """A bag with both cameras at 15 Hz, joints at 100 Hz and commands at 50 Hz, 50 ms ahead of the joints."""
    profile = load_profile("piper")
    names = profile.joint_names
    with EpisodeBag(folder, profile, instruction, words.pop("label", "success"), **words) as bag:
        for i in range(int(seconds * 100) + 1):
            bag.add_joints(START_NS + i * 10_000_000, names, joints_at(i / 100).tolist())
        for i in range(int(seconds * 50) + 1):
            bag.add_commands(START_NS + i * 20_000_000, names, joints_at(i / 50 + 0.05).tolist())
        for i in range(int(seconds * 15)):
            for camera in profile.cameras:
                bag.add_rgb(camera.name, START_NS + 5_000_000 + round(i * 1e9 / 15), picture(i))
    return folder


def _rigid(position: np.ndarray, angle: np.ndarray) -> np.ndarray:
    matrices = np.tile(np.eye(4), (len(angle), 1, 1))
    c, s = np.cos(angle), np.sin(angle)
    matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 0], matrices[:, 1, 1] = c, -s, s, c
    matrices[:, :3, 3] = position
    return matrices.astype(np.float32)


def write_egodex(path: Path, frames: int = 20, video: bool = True) -> Path:
    """Two hands that move and turn, with the head camera's video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(frames) / 30
    with h5py.File(path, "w") as file:
        for side, x in (("left", -0.2), ("right", 0.2)):
            wrist = np.stack([x + 0.05 * np.sin(t), 1.0 + 0.02 * t, -0.4 + 0 * t], axis=1)
            file[f"transforms/{side}Hand"] = _rigid(wrist, 0.3 * t)
            file[f"transforms/{side}ThumbKnuckle"] = _rigid(wrist + np.array([0.02, 0, 0]), 0.3 * t)
            file[f"confidences/{side}Hand"] = np.full(frames, 0.9, dtype=np.float32)
            for i, tip in enumerate(TIPS):
                file[f"transforms/{side}{tip}"] = _rigid(wrist + np.array([0.1, 0.01 * i, 0.02 * i]), 0.1 * t)
        file["transforms/camera"] = _rigid(np.tile([0.0, 1.5, 0.0], (frames, 1)), 0.05 * t)
        file["camera/intrinsic"] = np.array([[736.6, 0, 32], [0, 736.6, 24], [0, 0, 1]], dtype=np.float32)
        file.attrs["llm_description"] = "pour water"
        file.attrs["which_llm_description"] = "1"
    if video:
        write_video(path.with_suffix(".mp4"), (picture(i) for i in range(frames)), 30.0, group=10)
    return path


def _swapped_jpegs(frames: int) -> np.ndarray:
    """As RoboTwin writes them: RGB given to OpenCV, which takes it for BGR; padded to one length."""
    data = [cv2.imencode(".jpg", picture(i))[1].tobytes() for i in range(frames)]
    return np.array(data, dtype=f"S{max(map(len, data))}")


def write_robotwin(path: Path, layout: str, frames: int = 10) -> Path:
    """An episode of two arms in the layout "legacy" or "new"."""
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(frames + 1)[:, None] / 15
    arm = 0.3 * np.sin(t + np.arange(6))
    gripper = 0.5 + 0.4 * np.sin(t)
    turn = np.tile([0.7071068, 0, 0, 0.7071068], (frames + 1, 1))
    pose = np.concatenate([0.2 + 0.1 * t, 0.1 + 0 * t, 0.9 + 0 * t, turn], axis=1)
    with h5py.File(path, "w") as file:
        for side in ("left", "right"):
            if layout == "legacy":
                file[f"joint_action/{side}_arm"] = arm[:-1]
                file[f"joint_action/{side}_gripper"] = gripper[:-1, 0]
                file[f"endpose/{side}_endpose"] = pose[:-1]
                continue
            for group, rows in (("state", slice(0, -1)), ("action", slice(1, None))):
                file[f"{group}/{side}_arm_joint_states"] = arm[rows].astype(np.float32)
                file[f"{group}/{side}_ee_joint_states"] = gripper[rows].astype(np.float32)
                file[f"{group}/{side}_ee_poses"] = pose[rows].astype(np.float32)
        if layout == "legacy":
            file["observation/head_camera/rgb"] = _swapped_jpegs(frames)
            file["observation/head_camera/intrinsic_cv"] = np.tile(np.diag([358.6, 358.6, 1.0]), (frames, 1, 1))
        else:
            file["vision/cam_head/colors"] = _swapped_jpegs(frames)
            file["additional_info/frequency"] = np.int32(15)
            file.create_dataset("instructions", data=json.dumps(["stack the blocks"]), dtype=h5py.string_dtype("utf-8"))
    return path


def write_human2locoman(path: Path, embodiment: str, frames: int = 10) -> Path:
    """A robot's or a person's episode at 60 Hz, pictures as plain RGB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(frames)[:, None] / 60
    with h5py.File(path, "w") as file:
        eef = np.concatenate([0.3 + t, -0.2 + 0 * t, 0.1 + 0 * t, 0.1 * t, 0 * t, 0.2 + 0 * t] * 2, axis=1)
        eef[:, 7] = 0.2
        half = 0.5 * (0.01 + 1.8) if embodiment == "locoman" else 0.5
        for group in ("observations/proprioceptions", "actions"):
            file[f"{group}/eef"], file[f"{group}/body"] = eef, eef[:, :6]
            file[f"{group}/gripper"] = np.full((frames, 2), half)
        if embodiment == "locoman":
            file["observations/proprioceptions/other/joint_pos"] = np.tile(np.linspace(-1, 1, 18), (frames, 1))
        file["observations/images/main"] = np.stack([picture(i) for i in range(frames)])
        file.attrs["embodiment"] = embodiment
    return path
