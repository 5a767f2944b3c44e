"""Pictures of a person doing a task with where each object is in them, to teach an image encoder where things are."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mivla_ros.demonstrations.errors import DemonstrationError
from mivla_ros.demonstrations.hands.episode import DrawnCamera, intrinsics_of, perform
from mivla_ros.demonstrations.hands.performer import RATE
from mivla_ros.demonstrations.scenes import FIRST_SEED, Scenes
from mivla_ros.model.config import VisionConfig
from mivla_ros.model.images import prepare_image
from mivla_ros.simulation.errors import DivergedError
from mivla_ros.simulation.hands.hand_bodies import CAMERA, Lens
from mivla_ros.simulation.tasks import make_task
from mivla_ros.tabletop.table_task import TabletopError

LENS = Lens(320, 180)
PICTURES = 2.0  # Hz; neighbours differ little beyond it
FAILURES = 20  # performances in a row that cannot be done

Array = NDArray[np.float64]


def hand_scenes(task: str, vision: VisionConfig, count: int, seed: int = 0) -> Scenes:
    """``count`` pictures of the head's camera in easy scenes of a task. Raises SceneError for an unknown task,
    DemonstrationError where it cannot be performed."""
    objects, focal = tuple(make_task(task).objects), intrinsics_of(LENS)[0, 0]
    pixels = np.zeros((count, 1, 3, vision.image_size, vision.image_size), dtype=np.uint8)
    places = np.zeros((count, 1, len(objects), 2), dtype=np.float32)
    there = np.zeros((count, 1, len(objects)), dtype=bool)
    for number, (picture, points) in zip(range(count), _looks(task, seed), strict=False):
        pixels[number, 0] = prepare_image(picture, vision).numpy()
        for index, name in enumerate(objects):
            right_and_down, ahead = points[name][:2], points[name][2]
            at = 2 * focal * right_and_down / max(ahead, 1e-6) / (LENS.width, LENS.height)
            if ahead > 0 and np.abs(at).max() < 1:
                places[number, 0, index], there[number, 0, index] = at, True
    return Scenes(pixels, places, there, objects)


def _looks(task: str, seed: int) -> Iterator[tuple[NDArray[np.uint8], dict[str, Array]]]:
    """Pictures of performance after performance, with the objects' middles as the camera has them (optical axes, m)."""
    every, number, failures = round(RATE / PICTURES), 0, 0
    while failures < FAILURES:
        try:
            performance = perform(task, "easy", FIRST_SEED + seed * 1_000_000 + number, lens=LENS)
        except (DivergedError, TabletopError):
            failures += 1
        else:
            failures = 0
            with performance.episode as episode:
                camera = episode.cameras[CAMERA]
                assert isinstance(camera, DrawnCamera)
                for index in range(0, len(camera.stamps_ns), every):
                    yield camera.rgb(index), camera.objects_in_view(index)
        number += 1
    raise DemonstrationError(f"task {task!r}", f"{FAILURES} performances in a row could not be done")
