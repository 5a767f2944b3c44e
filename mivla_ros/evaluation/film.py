"""A video of an episode from a camera that stands in front of the table."""

from pathlib import Path

import av
import mujoco

from mivla_ros.simulation.pacing import Schedule
from mivla_ros.simulation.rendering import SceneRenderer, view_from
from mivla_ros.simulation.simulation import Simulation

RATE = 10  # pictures a second
SIZE = (320, 240)


class Film:
    """Draws while the simulation runs; frames go straight into the file."""

    def __init__(self, path: Path, model: mujoco.MjModel) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._renderer = SceneRenderer(model, *SIZE)
        self._view = view_from(1.3, 145.0, -28.0, (0.3, 0.0, 0.1))
        self._schedule: Schedule | None = None
        self._file = av.open(str(path), "w")
        self._stream = self._file.add_stream("libx264", rate=RATE)
        self._stream.width, self._stream.height, self._stream.pix_fmt = *SIZE, "yuv420p"

    def look(self, simulation: Simulation) -> None:
        """Draw a picture if one is due."""
        if self._schedule is None:
            self._schedule = Schedule(RATE, simulation.time_ns)
        if self._schedule.due(simulation.time_ns):
            frame = av.VideoFrame.from_ndarray(self._renderer.draw(simulation.snapshot(), self._view), format="rgb24")
            self._file.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the file."""
        self._file.mux(self._stream.encode())
        self._file.close()
        self._renderer.close()
