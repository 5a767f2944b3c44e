import numpy as np
import pytest
import torch
from transformers import T5EncoderModel  # noqa: F401 - before anything is drawn: triton after Mesa's LLVM crashes

from mivla_ros.demonstrations.hands.scenes import hand_scenes
from mivla_ros.demonstrations.postures import expert_postures
from mivla_ros.demonstrations.scenes import Scenes, make_scenes
from mivla_ros.model.network import build_network
from mivla_ros.model.presets import TINY
from mivla_ros.robots.profile import load_profile
from mivla_ros.training.errors import TrainingError
from mivla_ros.training.sight import SightOptions, teach_sight
from test.training.small import CONFIG, episode


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def on_green(found: Scenes, index: int) -> int:
    """In how many pictures of the first camera an object's place is green."""
    green, size = 0, found.pixels.shape[-1]
    for row in range(len(found.pixels)):
        assert found.there[row, 0].all()
        across, down = np.clip((found.places[row, 0, index] + 1) / 2 * size, 0, size - 1).astype(int)
        red, middle, blue = found.pixels[row, 0, :, down, across].astype(int)
        green += middle > red + 20 and middle > blue + 20
    return green


def test_the_place_of_an_object_is_where_its_colour_is():
    profile, vision = load_profile("piper"), TINY.vision
    ready = np.zeros((1, 76))
    ready[0, 55:61], ready[0, 61] = profile.arms[0].ready, 1.0
    found = make_scenes(profile, vision, ("head_camera",), ready, 6)
    assert found.objects == ("bottle", "pad")
    assert on_green(found, 1) >= 4  # the arm or the bottle may stand before it


def test_the_place_of_an_object_is_where_a_person_sees_it():
    found = hand_scenes("bottle_on_pad", TINY.vision, 6)
    assert found.pixels.shape == (6, 1, 3, 96, 96) and found.objects == ("bottle", "pad")
    assert on_green(found, 1) >= 4  # a hand or the bottle may stand before it
    assert len(np.unique(found.places[:, 0, 1], axis=0)) == 6  # the head moves


def test_an_encoder_learns_to_say_where_a_spot_is():
    random = np.random.default_rng(0)
    count, size = 400, CONFIG.vision.image_size
    pixels = random.integers(0, 60, (count, 1, 3, size, size))
    corners = random.integers(0, size - 6, (count, 2))
    for row, (down, right) in enumerate(corners):
        pixels[row, 0, 0, down : down + 6, right : right + 6] = 250
    places = ((corners[:, ::-1] + 3) / size * 2 - 1).astype(np.float32)[:, None, None]
    scenes = Scenes(pixels.astype(np.uint8), places, np.ones((count, 1, 1), dtype=bool), ("spot",))
    network = build_network(CONFIG, seed=1)
    lines: list[str] = []
    found = teach_sight(network, {"robot": scenes}, SightOptions(steps=120, batch=16), lines.append)
    assert found["robot's spot"] < 0.08  # about 0.3 for one who guesses the middle
    assert len(lines) >= 7


def test_two_robots_objects_are_learnt_by_one_encoder():
    random = np.random.default_rng(1)
    count, size, sets = 300, CONFIG.vision.image_size, {}
    for robot, channel, cameras in (("one", 0, 1), ("other", 2, 2)):
        pixels = random.integers(0, 60, (count, cameras, 3, size, size))
        corners = random.integers(0, size - 6, (count, cameras, 2))
        for row, camera in np.ndindex(count, cameras):
            down, right = corners[row, camera]
            pixels[row, camera, channel, down : down + 6, right : right + 6] = 250
        places = ((corners[..., ::-1] + 3) / size * 2 - 1).astype(np.float32)[:, :, None]
        sets[robot] = Scenes(pixels.astype(np.uint8), places, np.ones((count, cameras, 1), dtype=bool), ("spot",))
    found = teach_sight(build_network(CONFIG, seed=1), sets, SightOptions(steps=240, batch=16), lambda line: None)
    assert set(found) == {"one's spot", "other's spot"}
    assert max(found.values()) < 0.12  # about 0.3 for one who guesses the middle


def test_arms_are_where_their_expert_has_them():
    profile = load_profile("piper")
    found = expert_postures(profile, seeds=(200_001,))
    arm, gripper = found[:, 55:61], found[:, 61]
    np.testing.assert_allclose(arm[0], profile.arms[0].ready, atol=0.05)
    assert np.ptp(arm, axis=0).max() > 0.5 and np.ptp(gripper) > 0.3
    assert len(found) > 10 and np.isfinite(arm).all()


def test_too_few_scenes_are_refused():
    scenes = Scenes(episode(0).pixels, np.zeros((10, 2, 1, 2), np.float32), np.ones((10, 2, 1), dtype=bool), ("spot",))
    with pytest.raises(TrainingError, match="scenes: are 10"):
        teach_sight(build_network(CONFIG), {"robot": scenes}, SightOptions(steps=1))
