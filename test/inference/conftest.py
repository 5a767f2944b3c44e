"""A tiny checkpoint whose every part matters, and one observation."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mivla_ros.model.bring_up import bring_up_normalisation
from mivla_ros.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from mivla_ros.model.contract import make_contract
from mivla_ros.model.presets import TINY
from mivla_ros.observation import ArmState
from mivla_ros.policies.unified_rows import predicted_values, unified_state
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile
from test.model.conftest import one_thread, with_random_weights  # noqa: F401

PIPER = load_profile("piper")
WORDS = "put the bottle on the pad"


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    network = with_random_weights(TINY)
    with torch.no_grad():  # of the size that training leaves, so that nothing saturates
        for parameter in network.parameters():
            parameter.mul_(0.25)
    folder: Path = tmp_path_factory.mktemp("checkpoints") / "tiny"
    normalisation = bring_up_normalisation(PIPER, robot_description(PIPER))
    save_checkpoint(folder, network, make_contract(PIPER, TINY), normalisation)
    return load_checkpoint(folder, PIPER)


class Seen:
    """One observation of the PiPer as the network takes it."""

    def __init__(self, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.images = [random.integers(0, 256, (240, 320, 3), dtype=np.uint8) for _ in range(2)]
        state = ArmState(np.array(PIPER.arms[0].ready), np.array([0.3, 0.1, 0.2, 0.5, 0.5, 0.5, 0.5]), 0.4)
        self.state, self.state_mask = unified_state(PIPER.arms, {"arm": state})
        self.mask = predicted_values(PIPER.arms)


@pytest.fixture(scope="session")
def seen() -> Seen:
    return Seen()
