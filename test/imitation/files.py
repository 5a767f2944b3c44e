"""Files of every kind, with known motions."""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from mivla_ros.alignment.frames import ARKIT_WRIST_FROM_HAND, ROS_FROM_ARKIT
from mivla_ros.alignment.hand_template import finger_tips, thumb_knuckle

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "data"


def write_eef(path: Path, offsets: np.ndarray, seconds: float, widths: np.ndarray | None = None) -> Path:
    """An end effector that goes along offsets (N, 3) m from somewhere, without turning."""
    count = len(offsets)
    arrays = {
        "time": np.linspace(0.0, seconds, count),
        "position": offsets + np.array([0.4, 0.0, 0.3]),
        "quaternion_xyzw": np.tile([1.0, 0.0, 0.0, 0.0], (count, 1)),
    }
    if widths is not None:
        arrays["gripper_width"] = widths
    np.savez(path, **arrays)
    return path


def landmarks_of(count: int) -> dict[str, np.ndarray]:
    """A right hand before a camera, as MediaPipe would see it: palm to the camera, closing and opening, moving to the
    side by 0.1 m, 0.6 m away, camera 1280x720 with 65 degrees.
    """
    opening = 0.5 + 0.5 * np.cos(np.linspace(0, 2 * np.pi, count))
    # fingers up, palm to the camera (OpenCV's axes: x right, y down, z ahead): hand x up, hand y to the camera
    camera_from_hand = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], dtype=float)
    tips = finger_tips(opening, "right")
    points = np.zeros((count, 21, 3))
    points[:, 1] = thumb_knuckle("right")
    for finger in range(5):
        for joint, share in zip(range(1, 5), (0.5, 0.7, 0.85, 1.0), strict=True):
            if finger or joint > 1:
                points[:, 4 * finger + joint] = share * tips[:, finger]
    for finger, across in zip(range(1, 5), (0.03, 0.01, -0.01, -0.03), strict=True):
        points[:, 4 * finger + 1] = [0.09, 0.0, across]
    world = points @ camera_from_hand.T
    world = world - world[0].mean(axis=0)
    place = np.stack([np.linspace(0.0, 0.1, count), np.zeros(count), np.full(count, 0.6)], axis=1)
    focal = 640 / np.tan(np.deg2rad(32.5))
    seen = world + place[:, None]
    image = focal * seen[..., :2] / seen[..., 2:] + [639.5, 359.5]
    return {
        "frame": np.arange(count),
        "image_landmarks": np.concatenate([image, np.zeros((count, 21, 1))], axis=2),
        "world_landmarks": world,
        "handedness": np.full(count, "Left"),  # MediaPipe takes every image for a mirrored one
        "fps": np.float64(30.0),
        "size": np.array([720.0, 1280.0]),
    }


def write_video(path: Path, frames: int, codec: str = "libx264") -> Path:
    """A moving square, 160x120, 30 Hz."""
    import av

    with av.open(str(path), "w", format="mp4" if path.suffix != ".webm" else "webm") as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for k in range(frames):
            image = np.zeros((120, 160, 3), dtype=np.uint8)
            image[40:80, k : k + 40] = 255
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def write_egodex(path: Path, count: int = 45, confidence: bool = True) -> Path:
    """Both hands before a head that looks ahead and down; the right one moves 0.1 m ahead, the left one rests."""
    import h5py

    from mivla_ros.imitation.egodex_hands import DRAWN, TIPS

    with h5py.File(path, "w") as file:
        camera = np.tile(np.eye(4), (count, 1, 1))
        camera[:, :3, :3] = np.diag([1.0, -1.0, -1.0]) @ Rotation.from_euler("x", -40, degrees=True).as_matrix()
        camera[:, :3, 3] = [0.0, 1.5, 0.0]
        file["transforms/camera"] = camera.astype(np.float32)
        file["camera/intrinsic"] = np.array([[736.6339, 0, 960], [0, 736.6339, 540], [0, 0, 1]])
        for side, across in (("left", -0.2), ("right", 0.2)):
            hand = ROS_FROM_ARKIT.T @ Rotation.from_euler("y", 20, degrees=True).as_matrix()
            origin = np.tile([across, 1.1, -0.4], (count, 1))
            if side == "right":
                origin[:, 2] -= np.linspace(0.0, 0.1, count)
            opening = np.linspace(1.0, 0.0, count)
            tips = dict(zip(TIPS, np.moveaxis(finger_tips(opening, side), 1, 0), strict=True))
            for name in DRAWN:
                local = tips.get(name, np.zeros((count, 3)))
                if name == "ThumbKnuckle":
                    local = np.tile(thumb_knuckle(side), (count, 1))
                pose = np.tile(np.eye(4), (count, 1, 1))
                pose[:, :3, :3] = hand @ ARKIT_WRIST_FROM_HAND[side].T
                pose[:, :3, 3] = origin + local @ hand.T
                file[f"transforms/{side}{name}"] = pose.astype(np.float32)
                if confidence:
                    file[f"confidences/{side}{name}"] = np.ones(count, dtype=np.float32)
        file.attrs["llm_description"] = "moves the right hand ahead"
    return path
