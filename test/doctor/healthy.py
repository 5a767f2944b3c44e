"""A healthy PiPer as the doctor sees it, to plant faults in."""

from dataclasses import replace

import numpy as np

from mivla_ros.doctor.collected import CameraSeen, Collected, JointsSeen, Moved, TopicSeen
from mivla_ros.doctor.topics import JOINT_STATE, TRAJECTORY
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile

PROFILE = load_profile("piper")
URDF = robot_description(PROFILE)
START = 1_700_000_000_000_000_000
MS = 1_000_000
IMAGE = "sensor_msgs/msg/CompressedImage"


def texture(seed: int = 0) -> np.ndarray:
    """A sharp picture: boxes of many sizes."""
    rng = np.random.default_rng(seed)
    picture = np.full((240, 320), 120, np.uint8)
    for _ in range(200):
        y, x, h, w = rng.integers(0, (220, 300, 40, 40))
        picture[y : y + h, x : x + w] = rng.integers(30, 230)
    return picture


def blurred(picture: np.ndarray, pixels: int = 15) -> np.ndarray:
    import cv2

    return cv2.GaussianBlur(picture, (0, 0), pixels)


def joints(**changes: object) -> tuple[JointsSeen, ...]:
    rng = np.random.default_rng(1)
    ready = np.array([*PROFILE.arms[0].ready, 0.05])
    made = []
    for i in range(300):
        at = START + i * 10 * MS
        values = ready + 1e-5 * rng.standard_normal(7)
        made.append(JointsSeen(at + 2 * MS, at, PROFILE.joint_names, tuple(values.tolist()), (0.0,) * 7))
    return tuple(replace(sample, **changes) for sample in made)


def camera(name: str, **changes: object) -> CameraSeen:
    stamps = tuple(START + i * 66 * MS for i in range(45))
    frame = PROFILE.camera(name).frame
    fy = 120 / np.tan(0.87 / 2)
    found = CameraSeen(320, 240, frame, tuple(s + 20 * MS for s in stamps), stamps, texture(len(name)), (320, 240, fy))
    return replace(found, **changes)


def topics() -> dict[str, TopicSeen]:
    found = {"joint_states": TopicSeen((JOINT_STATE,), ("/hardware",), ("/retargeting",))}
    for name in ("head_camera", "wrist_camera"):
        found[f"{name}/image_raw/compressed"] = TopicSeen((IMAGE,), (f"/{name}",), ("/policy",))
    for name in ("arm_controller", "gripper_controller"):
        found[f"{name}/joint_trajectory"] = TopicSeen((TRAJECTORY,), ("/retargeting",), ("/hardware",))
    return found


def moved() -> tuple[Moved, ...]:
    found = []
    for name in PROFILE.arms[0].joints:
        measured = {other: (0.05 if other == name else 1e-4) for other in PROFILE.joint_names}
        found.append(Moved(name, 0.05, measured, {"head_camera": 0.4, "wrist_camera": 9.0}))
    found.append(Moved("gripper", 0.02, {"gripper": 0.0199}, {"head_camera": 0.1, "wrist_camera": 2.0}))
    return tuple(found)


def frames() -> dict[str, str]:
    from xml.etree import ElementTree

    root = ElementTree.fromstring(URDF)
    return {j.find("child").get("link"): j.find("parent").get("link") for j in root.findall("joint")}


def healthy() -> Collected:
    return Collected(
        topics=topics(),
        joints=joints(),
        cameras={name: camera(name) for name in ("head_camera", "wrist_camera")},
        description=URDF,
        frames=frames(),
        moved=moved(),
    )
