"""Pictures of the scene, drawn off screen from copies of the state."""

import copy

import mujoco
import numpy as np
from numpy.typing import NDArray

from mivla_ros.robots.profile import CameraProfile
from mivla_ros.simulation.errors import RenderingError
from mivla_ros.simulation.scene import COLLISION_GROUP, VISUAL_GROUP
from mivla_ros.simulation.state import CameraIntrinsics, Snapshot


def camera_intrinsics(camera: CameraProfile) -> CameraIntrinsics:
    """Square pixels, principal point in the middle of the image; pixel centres lie at whole numbers."""
    focal = camera.height / 2 / np.tan(camera.vertical_fov / 2)
    return CameraIntrinsics(camera.width, camera.height, focal, focal, (camera.width - 1) / 2, (camera.height - 1) / 2)


class SceneRenderer:
    """Draws one size of picture from snapshots. Made, used and closed by one thread; physics goes on
    meanwhile."""

    def __init__(self, model: mujoco.MjModel, width: int, height: int, *, fine: bool = False) -> None:
        """fine: shadows and smooth edges, for pictures to show; ten times slower. Raises RenderingError
        where nothing can draw."""
        if fine:
            model = copy.copy(model)
            model.vis.quality.offsamples = 4
            model.vis.global_.offwidth, model.vis.global_.offheight = width, height
        self._model = model
        self._data = mujoco.MjData(model)
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = 0
        self._option.geomgroup[VISUAL_GROUP] = 1
        self._option.geomgroup[COLLISION_GROUP] = 0
        try:
            self._renderer = mujoco.Renderer(model, height, width)
        except Exception as error:  # each graphics library raises kinds of its own
            raise RenderingError(
                "off-screen rendering",
                f"not possible here ({error}); it needs libegl1 and libgl1-mesa-dri, or libosmesa6 (apt), "
                "and MUJOCO_GL=egl or osmesa",
            ) from error
        flags = self._renderer.scene.flags
        flags[mujoco.mjtRndFlag.mjRND_SHADOW] = int(fine)
        flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0

    def draw(
        self, snapshot: Snapshot, camera: str | mujoco.MjvCamera, out: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        """RGB (height, width, 3) seen by a camera of the robot, or by a free one. Raises RenderingError if
        unknown."""
        if isinstance(camera, str) and mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_CAMERA, camera) < 0:
            names = [self._model.camera(i).name for i in range(self._model.ncam)]
            raise RenderingError(f"camera {camera!r}", f"not there, only {', '.join(names)}")
        show_snapshot(self._model, self._data, snapshot)
        self._renderer.update_scene(self._data, camera, self._option)
        picture: NDArray[np.uint8] = self._renderer.render(out=out)
        return picture

    def close(self) -> None:
        """Give the graphics context back; from the thread that made it."""
        self._renderer.close()


def show_snapshot(model: mujoco.MjModel, data: mujoco.MjData, snapshot: Snapshot) -> None:
    """Bring ``data`` to a snapshot's state as far as drawing needs it."""
    data.time = snapshot.time_ns / 1e9
    data.qpos[:] = snapshot.qpos
    data.mocap_pos[:] = snapshot.mocap_pos
    data.mocap_quat[:] = snapshot.mocap_quat
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_camlight(model, data)


def view_from(
    distance: float, azimuth: float, elevation: float, look_at: tuple[float, float, float]
) -> mujoco.MjvCamera:
    """A free camera: distance m, azimuth and elevation in degrees as MuJoCo counts them, looking at a
    point in m."""
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    camera.distance, camera.azimuth, camera.elevation = distance, azimuth, elevation
    camera.lookat[:] = look_at
    return camera
