"""Human and robot side by side on one clock: a video, and a strip of single moments."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mivla_ros.imitation.human_view import HumanView
from mivla_ros.imitation.playback import SAMPLE_NS, Playback
from mivla_ros.imitation.robot_view import RobotView
from mivla_ros.imitation.video_file import VideoWriter
from mivla_ros.simulation.simulation import Simulation

Image = NDArray[np.uint8]

WIDTH, HEIGHT = 480, 360  # of one side
FPS = 25
STRIP_WIDTH = 240


class SideBySide:
    """Watches a playback and draws it. Holds the pictures of the strip and nothing else."""

    def __init__(
        self,
        human: HumanView,
        robot: RobotView,
        motion_seconds: float,
        speed: float,
        video: VideoWriter | None,
        moments: int,
    ) -> None:
        """speed: times as fast as recorded. moments: pictures of the strip, 0 for none."""
        self._human, self._robot, self._speed, self._video = human, robot, speed, video
        self._moments = (np.arange(moments) + 0.5) * motion_seconds / moments if moments else np.zeros(0)
        self._pictures: list[Image] = []
        self._every = round(1e9 / FPS / SAMPLE_NS)
        self._count = 0

    def watch(self, seconds: float, simulation: Simulation, playback: Playback) -> None:
        """One sample: drawn where a frame of the video or a moment of the strip is due."""
        count, self._count = self._count, self._count + 1
        due = self._video is not None and count % self._every == 0
        moment = len(self._pictures) < len(self._moments) and seconds >= self._moments[len(self._pictures)]
        if not due and not moment:
            return
        human = self._human.draw(max(seconds, 0.0) * self._speed)
        robot = self._robot.draw(seconds, simulation, playback)
        if due and self._video is not None:
            self._video.write(np.ascontiguousarray(np.concatenate([human, robot], axis=1)))
        if moment:
            self._pictures.append(_labelled(np.concatenate([human, robot], axis=0), f"{seconds:.1f} s"))

    def write_strip(self, path: Path) -> None:
        """Write the strip as PNG, human above, robot below. Raises OSError."""
        import cv2

        height = round(2 * HEIGHT * STRIP_WIDTH / WIDTH)
        columns = [cv2.resize(p, (STRIP_WIDTH, height), interpolation=cv2.INTER_AREA) for p in self._pictures]
        good, data = cv2.imencode(".png", np.concatenate(columns, axis=1)[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
        if not good:
            raise OSError(f"{path}: the picture cannot be encoded")
        path.write_bytes(data.tobytes())


def _labelled(picture: Image, words: str) -> Image:
    import cv2

    labelled = np.ascontiguousarray(picture)
    cv2.putText(labelled, words, (12, 32), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (60, 60, 60), 2, cv2.LINE_AA)
    return labelled
