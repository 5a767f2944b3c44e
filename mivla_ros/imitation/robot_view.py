"""The robot's side of the picture: the simulation, with where the end effector is and where it should be."""

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.imitation.leaders import Leader
from mivla_ros.imitation.playback import Playback
from mivla_ros.imitation.robot import Robot
from mivla_ros.simulation.rendering import SceneRenderer, view_from
from mivla_ros.simulation.simulation import Simulation

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

TARGET, REACHED = (220, 40, 40), (30, 150, 60)
TRAIL = 2.0  # s
DISTANCE, ELEVATION, LOOK_AT = 0.85, -14.0, (0.26, 0.0, 0.19)
AZIMUTH = {"front": 180.0 - 25.0, "behind": 35.0}  # degrees as MuJoCo counts; 0 looks along the robot's x


class RobotView:
    """Draws the simulation from the front (as a camera sees a person who faces it) or from behind."""

    def __init__(self, robot: Robot, leaders: dict[str, Leader], width: int, height: int, view: str) -> None:
        """view: ``front`` or ``behind``. Raises RenderingError where nothing can draw."""
        self._leaders = leaders
        self._size = np.array([width, height])
        self._renderer = SceneRenderer(robot.simulation.model, width, height)
        self._camera = view_from(DISTANCE, AZIMUTH[view], ELEVATION, LOOK_AT)
        self._focal = 0.5 * height / np.tan(0.5 * np.deg2rad(robot.simulation.model.vis.global_.fovy))
        self._world_from_base = {name: _inverse(pose) for name, pose in robot.base_from_world.items()}
        self._robot = robot

    def draw(self, seconds: float, simulation: Simulation, playback: Playback) -> Image:
        """RGB (height, width, 3) now; red: where the end effector should have been in the last seconds, green: was."""
        import cv2

        picture = self._renderer.draw(simulation.snapshot(), self._camera).copy()
        for name, track in playback.arms.items():
            if not track.seconds:
                continue
            count = round(TRAIL / 0.02)
            measured = self._robot.end_effector(name, np.array(track.measured[-count:]))[:, :3]
            times = np.array(track.seconds[-count:])
            wanted = self._leaders[name].targets(times, playback.initial_eef[name])[0][:, :3]
            for points, colour in ((wanted, TARGET), (measured, REACHED)):
                flat = np.round(self._project(name, points)).astype(np.int32)
                cv2.polylines(picture, [flat], False, colour, 1, cv2.LINE_AA)
                cv2.circle(picture, tuple(int(v) for v in flat[-1]), 4, colour, -1, cv2.LINE_AA)
        return picture

    def close(self) -> None:
        """Give the graphics context back."""
        self._renderer.close()

    def _project(self, arm: str, points: Array) -> Array:
        """Pixels (n, 2) of points (n, 3) in an arm's base; what lies behind the camera comes to its plane."""
        pose = self._world_from_base[arm]
        world = Rotation.from_quat(pose[3:], scalar_first=True).apply(points) + pose[:3]
        ahead, right, up = camera_axes(self._camera)
        away = world - (np.array(LOOK_AT) - DISTANCE * ahead)
        depth = np.maximum(away @ ahead, 0.05)
        flat = np.stack([away @ right, -(away @ up)], axis=1) * (self._focal / depth)[:, None] + 0.5 * self._size
        return np.clip(flat, -1e4, 1e4)


def camera_axes(camera: mujoco.MjvCamera) -> tuple[Array, Array, Array]:
    """Ahead, right and up (3,) of a free camera in the world, from its azimuth and elevation."""
    azimuth, elevation = np.deg2rad(camera.azimuth), np.deg2rad(camera.elevation)
    ahead = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    right = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
    return ahead, right, np.cross(right, ahead)


def _inverse(pose: Array) -> Array:
    turn = Rotation.from_quat(pose[3:], scalar_first=True).inv()
    return np.concatenate([-turn.apply(pose[:3]), turn.as_quat(scalar_first=True)])
