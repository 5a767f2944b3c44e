"""A window on the scene, where there is a screen."""

import os
import sys

import mujoco

from mivla_ros.simulation.errors import RenderingError
from mivla_ros.simulation.rendering import show_snapshot
from mivla_ros.simulation.scene import COLLISION_GROUP
from mivla_ros.simulation.state import Snapshot


class Window:
    """MuJoCo's own viewer, fed with snapshots; it draws in a thread of its own."""

    def __init__(self, model: mujoco.MjModel) -> None:
        """Raises RenderingError where there is no screen, or the viewer does not start."""
        if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise RenderingError("viewer", "there is no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set)")
        import mujoco.viewer

        self._model, self._data = model, mujoco.MjData(model)
        try:
            self._viewer = mujoco.viewer.launch_passive(model, self._data, show_left_ui=False, show_right_ui=False)
        except Exception as error:  # each window system raises kinds of its own
            raise RenderingError("viewer", f"does not start: {error}") from error
        self._viewer.opt.geomgroup[COLLISION_GROUP] = 0

    @property
    def is_open(self) -> bool:
        """False once the person has closed it."""
        return bool(self._viewer.is_running())

    def show(self, snapshot: Snapshot) -> None:
        """Show a state."""
        with self._viewer.lock():
            show_snapshot(self._model, self._data, snapshot)
        self._viewer.sync()

    def close(self) -> None:
        """Close it."""
        self._viewer.close()
