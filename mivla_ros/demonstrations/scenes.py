"""Pictures of simulated scenes with where each object is in them: nothing moves, so that thousands are cheap."""

from dataclasses import dataclass
from xml.etree.ElementTree import Element

import mujoco
import numpy as np
from numpy.typing import NDArray

from mivla_ros import action_space
from mivla_ros.model.config import VisionConfig
from mivla_ros.model.images import prepare_image
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import RobotProfile
from mivla_ros.simulation.rendering import SceneRenderer, show_snapshot
from mivla_ros.simulation.robot import finger_positions, parse_xml
from mivla_ros.simulation.simulation import Simulation
from mivla_ros.simulation.state import Snapshot

Array = NDArray[np.float64]

FIRST_SEED = 200_000  # of the scenes; evaluation begins at 0, demonstrations are made from seeds below too
HELD = 0.3  # share of scenes with an object at the fingers, where it hides others
JITTER = 0.03  # rad, of the arms about the states they are given


@dataclass(frozen=True, eq=False)
class Scenes:
    """N scenes, C cameras, O objects. pixels (N, C, 3, s, s) uint8. places (N, C, O, 2) of their centres of mass: -1 to
    1 rightwards and downwards in the picture; there (N, C, O) bool: within it. objects: names."""

    pixels: NDArray[np.uint8]
    places: NDArray[np.float32]
    there: NDArray[np.bool_]
    objects: tuple[str, ...]


def make_scenes(
    profile: RobotProfile, vision: VisionConfig, cameras: tuple[str, ...], states: Array, count: int, seed: int = 0
) -> Scenes:
    """Random scenes of the profile's task. states (M, 76): rows of the unified space from which arms and grippers are
    drawn."""
    simulation, random = Simulation(profile), np.random.default_rng([seed, 0x5CE4E])
    model, root = simulation.model, parse_xml("URDF", robot_description(profile))
    objects = tuple(simulation.task.objects)
    shape = (count, len(cameras), len(objects))
    pixels = np.zeros((count, len(cameras), 3, vision.image_size, vision.image_size), dtype=np.uint8)
    places, there = np.zeros((*shape, 2), dtype=np.float32), np.zeros(shape, dtype=bool)
    sizes = {c.name: (c.width, c.height) for c in profile.cameras}
    renderers = {size: SceneRenderer(model, *size) for size in {sizes[name] for name in cameras}}
    data = mujoco.MjData(model)
    try:
        for number in range(count):
            simulation.reset(FIRST_SEED + seed * 1_000_000 + number)
            shown = simulation.snapshot()
            _put_arms(model, root, profile, shown, states[random.integers(len(states))], random)
            show_snapshot(model, data, shown)
            if random.random() < HELD:
                _hold(model, data, profile, objects, shown, random)
                show_snapshot(model, data, shown)
            points = [data.xipos[model.body(name).id] for name in objects]
            for place, name in enumerate(cameras):
                picture = renderers[sizes[name]].draw(shown, name)
                pixels[number, place] = prepare_image(picture, vision).numpy()
                width, height = sizes[name]
                for index, point in enumerate(points):
                    found = _seen_at(model, data, name, point, width / height)
                    if found is not None:
                        places[number, place, index], there[number, place, index] = found, True
    finally:
        for renderer in renderers.values():
            renderer.close()
        simulation.close()
    return Scenes(pixels, places, there, objects)


def _put_arms(
    model: mujoco.MjModel,
    root: Element,
    profile: RobotProfile,
    shown: Snapshot,
    row: Array,
    random: np.random.Generator,
) -> None:
    openings: dict[str, float] = {}
    for arm in profile.arms:
        values = row[action_space.arm_slice(arm.side)]
        joints = values[: len(arm.joints)] + random.normal(0, JITTER, len(arm.joints))
        for name, value in zip(arm.joints, joints, strict=True):
            shown.qpos[model.joint(name).qposadr[0]] = value
        openings[arm.name] = float(np.clip(values[-1], 0.0, 1.0))
    for name, value in finger_positions(profile, root, openings).items():
        shown.qpos[model.joint(name).qposadr[0]] = value


def _hold(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    profile: RobotProfile,
    objects: tuple[str, ...],
    shown: Snapshot,
    random: np.random.Generator,
) -> None:
    """One of the free objects, as it stands, with its middle between the first arm's fingers."""
    free = [name for name in objects if model.body(name).dofnum[0] == 6]
    if free:
        name = free[random.integers(len(free))]
        at, body = model.joint(name).qposadr[0], model.body(name).id
        fingers = data.xpos[model.body(profile.arms[0].eef_frame).id]
        shown.qpos[at : at + 3] += fingers - data.xipos[body]


def _seen_at(
    model: mujoco.MjModel, data: mujoco.MjData, camera: str, point: Array, aspect: float
) -> tuple[float, float] | None:
    """Right and down, -1 to 1; None where the point is behind the camera or beside the picture."""
    index = model.camera(camera).id
    right, up, back = data.cam_xmat[index].reshape(3, 3).T @ (point - data.cam_xpos[index])
    if back > -0.02:
        return None
    focal = 1 / np.tan(np.radians(model.cam_fovy[index]) / 2)
    across, down = focal * right / -back / aspect, -focal * up / -back
    return (float(across), float(down)) if max(abs(across), abs(down)) < 1 else None
