"""Serialised messages as the middleware hands them out, for tests of the recorder's parts."""

from functools import cache
from pathlib import Path

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from mivla_ros.episodes.bag_writer import suite_typestore
from mivla_ros.robots.profile import load_profile

STORE = suite_typestore()
PROFILE = load_profile("piper")
HEAD, WRIST = (f"/{camera.name}/image_raw/compressed" for camera in PROFILE.cameras)
JOINTS = "/joint_states"
SECOND = 1_000_000_000
HAND_VIDEO = Path(__file__).resolve().parents[4] / "shared" / "data" / "human_hand_video.mp4"


def header(stamp_ns: int, frame: str = ""):
    time = STORE.types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, SECOND))
    return STORE.types["std_msgs/msg/Header"](time, frame)


def serialised(kind: str, *fields: object) -> bytes:
    return bytes(STORE.serialize_cdr(STORE.types[kind](*fields), kind))


def joint_state(stamp_ns: int, positions: dict[str, float]) -> bytes:
    empty = np.zeros(0)
    values = np.array(list(positions.values()), dtype=np.float64)
    return serialised("sensor_msgs/msg/JointState", header(stamp_ns), list(positions), values, empty, empty)


def image(stamp_ns: int, jpeg: bytes) -> bytes:
    data = np.frombuffer(jpeg, dtype=np.uint8)
    return serialised("sensor_msgs/msg/CompressedImage", header(stamp_ns, "camera"), "jpeg", data)


def words(text: str) -> bytes:
    return serialised("std_msgs/msg/String", text)


@cache
def texture(seed: int = 0) -> NDArray[np.uint8]:
    """A picture (480, 640, 3) with detail of every size, as a real one has."""
    rng = np.random.default_rng(seed)
    grey = sum(gaussian_filter(rng.normal(size=(480, 640)), s) * s for s in (1, 2, 4, 8, 16))
    grey = (grey - grey.min()) / np.ptp(grey) * 255
    return np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2).astype(np.uint8))


def encoded(rgb: NDArray[np.uint8]) -> bytes:
    return simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), quality=85)


def blurred(rgb: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    return gaussian_filter(rgb.astype(np.float64), (sigma, sigma, 0)).astype(np.uint8)


def ready(offset: float = 0.0) -> dict[str, float]:
    """Positions of all joints of the robot, the arm's moved by ``offset`` rad."""
    arm = PROFILE.arms[0]
    return {**{n: p + offset for n, p in zip(arm.joints, arm.ready, strict=True)}, "gripper": 0.05}
