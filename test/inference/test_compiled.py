"""The network through torch.compile gives what the plain path gives. Compiling takes minutes, so it is asked for:
``MIVLA_TEST_COMPILE=1``."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mivla_ros.inference.fast_inference import EngineName, FastInference, RowGuide
from mivla_ros.model.bring_up import bring_up_normalisation
from mivla_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mivla_ros.model.contract import make_contract
from mivla_ros.model.inference import PlainInference
from mivla_ros.robots.description import robot_description
from test.inference.conftest import PIPER, WORDS, Seen
from test.model.conftest import MIVLA, with_random_weights

pytestmark = [
    pytest.mark.skipif(not os.environ.get("MIVLA_TEST_COMPILE"), reason="takes minutes; set MIVLA_TEST_COMPILE=1"),
    pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="there is no C++ compiler"),
]


def test_it_equals_the_plain_path_and_keeps_what_is_frozen(tmp_path: Path, seen: Seen) -> None:
    config = replace(MIVLA, cameras=2)
    network = with_random_weights(config)
    with torch.no_grad():  # of the size that training leaves
        for parameter in network.parameters():
            parameter.mul_(0.25)
    normalisation = bring_up_normalisation(PIPER, robot_description(PIPER))
    save_checkpoint(tmp_path / "small", network, make_contract(PIPER, config), normalisation)
    checkpoint = load_checkpoint(tmp_path / "small", PIPER)
    plain, fast = PlainInference(checkpoint), FastInference(checkpoint, engine=EngineName.COMPILED)
    for inference in (plain, fast):
        inference.instruct(WORDS)
    for images in (seen.images, [seen.images[0], None]):
        given = (images, seen.state, seen.state_mask, seen.mask)
        found, expected = (normalisation.normalise_actions(i.actions(*given, seed=3)) for i in (fast, plain))
        assert np.nanmax(np.abs(found - expected)) <= 2e-4
        assert np.nanstd(expected) > 0.01
    given = (seen.images, seen.state, seen.state_mask, seen.mask)
    before, weight = fast.actions(*given, seed=1), np.zeros((config.horizon, 76))
    weight[:2], weight[2:4] = 1.0, 0.6
    guided = fast.actions(*given, seed=2, guide=RowGuide(before, weight, 5.0))
    np.testing.assert_allclose(guided[:2], before[:2], atol=1e-5)
