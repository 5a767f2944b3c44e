"""Cameras see what their camera_info and frames say."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mivla_ros.simulation.errors import RenderingError
from mivla_ros.simulation.rendering import SceneRenderer, camera_intrinsics
from mivla_ros.simulation.simulation import Simulation


def pixel(simulation: Simulation, camera: str, point: np.ndarray) -> np.ndarray:
    """Where a point of the world (m) appears: projection by the optical frame and the intrinsics."""
    profile, k = simulation.profile.camera(camera), simulation.intrinsics(camera)
    pose = simulation.frame_pose(profile.frame)
    x, y, z = Rotation.from_quat(pose[3:], scalar_first=True).inv().apply(point - pose[:3])
    assert z > 0, "the point is behind the camera"
    return np.array([k.fx * x / z + k.cx, k.fy * y / z + k.cy])


def centre(mask: np.ndarray) -> np.ndarray:
    """Mean column and row of a mask."""
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean(), rows.mean()])


def is_red(rgb: np.ndarray) -> np.ndarray:
    r, g, b = rgb.astype(int).transpose(2, 0, 1)
    return (r > 70) & (r > 2.5 * g) & (r > 2.5 * b)


def is_green(rgb: np.ndarray) -> np.ndarray:
    r, g, b = rgb.astype(int).transpose(2, 0, 1)
    return (g > 60) & (g > 1.7 * r) & (g > 1.4 * b)


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_the_pad_appears_where_camera_info_projects_it(simulation: Simulation, seed: int) -> None:
    simulation.reset(seed)
    pad = simulation.object_poses()["pad"]
    corner = simulation.task.pad_size / 2
    turn = Rotation.from_quat(pad[3:], scalar_first=True)
    seen = is_green(simulation.render("head_camera"))
    rows, columns = np.nonzero(seen)
    corners = [
        pixel(simulation, "head_camera", pad[:3] + turn.apply([x * corner, y * corner, 0]))
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    left, top = np.min(corners, axis=0)
    right, bottom = np.max(corners, axis=0)
    for got, wanted in (
        (columns.min(), left),
        (columns.max(), right),
        (rows.min(), top),
        (rows.max(), bottom),
    ):
        assert abs(got - wanted) < 2


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_the_bottles_cap_appears_where_camera_info_projects_it(simulation: Simulation, seed: int) -> None:
    simulation.reset(seed)
    bottle = simulation.object_poses()["bottle"]
    cap = bottle[:3] + np.array([0, 0, simulation.task.bottle_height - 0.01])
    seen = centre(is_red(simulation.render("head_camera")))
    assert np.abs(seen - pixel(simulation, "head_camera", cap)).max() < 2


def test_the_wrist_camera_sees_between_the_fingers(simulation: Simulation) -> None:
    tcp = simulation.frame_pose("tcp")[:3]
    column, _ = pixel(simulation, "wrist_camera", tcp)
    assert 0 < column < 320
    image = simulation.render("wrist_camera")
    assert image.shape == (240, 320, 3)
    assert image.std() > 10


def test_intrinsics_follow_the_profiles_field_of_view(simulation: Simulation) -> None:
    camera = simulation.profile.camera("head_camera")
    k = camera_intrinsics(replace(camera, width=641, height=481, vertical_fov=np.pi / 2))
    assert k.fx == k.fy == pytest.approx(240.5)
    assert (k.cx, k.cy) == (320, 240)


def test_an_unknown_camera_is_refused(simulation: Simulation) -> None:
    with pytest.raises(RenderingError, match="head_camera"):
        simulation.render("nose_camera")


def test_drawing_in_another_thread_leaves_the_physics_alone(simulation: Simulation) -> None:
    snapshot = simulation.snapshot()
    expected = simulation.render("head_camera")
    drawn: list[np.ndarray] = []

    def draw() -> None:
        renderer = SceneRenderer(simulation.model, 320, 240)
        drawn.extend(renderer.draw(snapshot, "head_camera").copy() for _ in range(5))
        renderer.close()

    thread = threading.Thread(target=draw)
    thread.start()
    simulation.step(100)
    thread.join()
    alone = simulation.joint_states().positions
    for image in drawn:
        np.testing.assert_array_equal(image, expected)
    simulation.reset(0)
    simulation.step(100)
    np.testing.assert_array_equal(simulation.joint_states().positions, alone)
