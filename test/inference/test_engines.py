"""Every way of running the network gives what the plain one gives, within a stated tolerance."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

from mivla_ros.inference.fast_inference import EngineName, FastInference, RowGuide
from mivla_ros.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from mivla_ros.model.contract import make_contract
from mivla_ros.model.egodex import raw_normalisation
from mivla_ros.model.encoder_weights import EncoderMode, EncoderSource
from mivla_ros.model.errors import ModelError
from mivla_ros.model.inference import PlainInference
from mivla_ros.model.presets import SMALL, TINY
from test.inference.conftest import PIPER, WORDS, Seen
from test.model.conftest import with_random_weights

TOLERANCES = {EngineName.TORCH: 2e-4, EngineName.ONNX: 2e-4, EngineName.ONNX_INT8: 0.1}
"""Of normalised actions, which lie within -1 to 1 or little beyond."""


@pytest.fixture(scope="module", params=TOLERANCES, ids=str)
def fast(request: pytest.FixtureRequest, checkpoint: Checkpoint) -> FastInference:
    return FastInference(checkpoint, engine=request.param)


def normalised(checkpoint: Checkpoint, rows: np.ndarray) -> np.ndarray:
    return checkpoint.normalisation.normalise_actions(rows)


CASES = {
    "everything there": {},
    "one camera missing": {"images": [0]},
    "no image at all": {"images": []},
    "no words": {"words": ""},
    "other words": {"words": "open the drawer and put the cup in"},
    "no state": {"state": False},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_equals_the_plain_path(fast: FastInference, checkpoint: Checkpoint, seen: Seen, case: dict) -> None:
    images = [image if index in case.get("images", (0, 1)) else None for index, image in enumerate(seen.images)]
    measured = seen.state_mask & case.get("state", True)
    plain = PlainInference(checkpoint)
    for inference in (plain, fast):
        inference.instruct(case.get("words", WORDS))
    found, expected = (i.actions(images, seen.state, measured, seen.mask, seed=3) for i in (fast, plain))
    assert (np.isnan(found) == np.isnan(expected)).all()
    difference = np.nanmax(np.abs(normalised(checkpoint, found) - normalised(checkpoint, expected)))
    assert difference <= TOLERANCES[_name(fast)], difference
    assert np.nanstd(expected) > 0.01


def _name(fast: FastInference) -> EngineName:
    named = {"torch cpu": EngineName.TORCH, "onnx float32": EngineName.ONNX, "onnx int8": EngineName.ONNX_INT8}
    return named[fast.engine.name]


def test_the_number_of_steps_and_the_seed_are_the_callers(
    fast: FastInference, checkpoint: Checkpoint, seen: Seen
) -> None:
    three = FastInference(checkpoint, steps=3, engine=_name(fast))
    plain = PlainInference(checkpoint, steps=3)
    for inference in (three, plain):
        inference.instruct(WORDS)
    given = (seen.images, seen.state, seen.state_mask, seen.mask)
    difference = normalised(checkpoint, three.actions(*given, seed=5)) - normalised(
        checkpoint, plain.actions(*given, seed=5)
    )
    assert np.nanmax(np.abs(difference)) <= TOLERANCES[_name(fast)]
    assert not np.allclose(three.actions(*given, seed=5), three.actions(*given, seed=6), equal_nan=True)
    assert np.array_equal(three.actions(*given, seed=5), three.actions(*given, seed=5), equal_nan=True)


def test_a_guided_chunk_keeps_what_is_frozen_and_nears_the_rest(fast: FastInference, seen: Seen) -> None:
    fast.instruct(WORDS)
    given = (seen.images, seen.state, seen.state_mask, seen.mask)
    before, free = fast.actions(*given, seed=1), fast.actions(*given, seed=2)
    weight = np.zeros_like(before)
    weight[:4], weight[4:10] = 1.0, 0.6
    guided = fast.actions(*given, seed=2, guide=RowGuide(before, weight, 5.0))
    joints = slice(55, 61)
    assert guided[:4, joints] == pytest.approx(before[:4, joints], abs=1e-5)
    near = np.abs(guided[4:10, joints] - before[4:10, joints]).mean()
    assert near < 0.7 * np.abs(free[4:10, joints] - before[4:10, joints]).mean()


def test_all_engines_guide_alike(fast: FastInference, checkpoint: Checkpoint, seen: Seen) -> None:
    """What a checkpoint does must not depend on what it runs on."""
    plain = FastInference(checkpoint, engine=EngineName.TORCH)
    for inference in (plain, fast):
        inference.instruct(WORDS)
    given = (seen.images, seen.state, seen.state_mask, seen.mask)
    free, weight = plain.actions(*given, seed=2), np.zeros((checkpoint.config.horizon, 76))
    weight[:4], weight[4:10] = 1.0, 0.6
    guide = RowGuide(plain.actions(*given, seed=1), weight, 5.0)
    found, expected = (normalised(checkpoint, i.actions(*given, seed=2, guide=guide)) for i in (fast, plain))
    assert np.nanmax(np.abs(found - expected)) <= TOLERANCES[_name(fast)]
    assert np.nanmax(np.abs(expected - normalised(checkpoint, free))) > 0.1, "it was guided"


def test_guidance_by_gradient_is_had_where_asked_for_and_refused_where_there_is_none(
    checkpoint: Checkpoint, seen: Seen
) -> None:
    given = (seen.images, seen.state, seen.state_mask, seen.mask)
    found = []
    for gradient in (False, True):
        fast = FastInference(checkpoint, engine=EngineName.TORCH, gradient=gradient)
        fast.instruct(WORDS)
        before, weight = fast.actions(*given, seed=1), np.zeros((checkpoint.config.horizon, 76))
        weight[:4], weight[4:10] = 1.0, 0.6
        found.append(fast.actions(*given, seed=2, guide=RowGuide(before, weight, 5.0)))
        assert found[-1][:4, 55:61] == pytest.approx(before[:4, 55:61], abs=1e-5)
    assert np.nanmax(np.abs(found[1] - found[0])) > 1e-3
    with pytest.raises(ModelError, match=r"guidance by gradient needs an engine that has one.*this is onnx float32"):
        FastInference(checkpoint, engine=EngineName.ONNX, gradient=True)


@pytest.mark.parametrize("engine", [EngineName.TORCH, EngineName.ONNX], ids=str)
def test_public_encoders_go_through_the_graphs_too(engine: EngineName, tmp_path: Path, seen: Seen) -> None:
    """DINOv2 with registers and SigLIP, at a size that fits here, on grids that their patches do not have."""
    sizes = {"width": 32, "depth": 3, "heads": 2, "hidden": 128}
    encoders = tuple(replace(e, **sizes, grid=4, native_size=e.patch * 6) for e in SMALL.vision.encoders)
    config = replace(
        TINY, vision=replace(SMALL.vision, encoders=encoders, image_size=112), trunk=replace(TINY.trunk, depth=1)
    )
    source = EncoderSource(EncoderMode.RANDOM)
    network = with_random_weights(config, encoders=source)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(0.25)
    save_checkpoint(tmp_path / "c", network, make_contract(PIPER, config), raw_normalisation())
    checkpoint = replace(load_checkpoint(tmp_path / "c", PIPER, source), network=network.eval())
    plain, fast = PlainInference(checkpoint), FastInference(checkpoint, engine=engine)
    for inference in (plain, fast):
        inference.instruct(WORDS)
    given = (seen.images, seen.state, seen.state_mask, seen.mask)
    found, expected = (inference.actions(*given, seed=1) for inference in (fast, plain))
    assert np.nanmax(np.abs(found - expected)) <= 2e-4
    black = ([np.zeros_like(image) for image in seen.images], *given[1:])
    assert np.nanmax(np.abs(plain.actions(*black, seed=1) - expected)) > 1e-3, "what it sees matters"


def test_graphs_are_made_once_for_these_weights_and_again_for_others(checkpoint: Checkpoint, seen: Seen) -> None:
    FastInference(checkpoint, engine=EngineName.ONNX)
    folders = list((checkpoint.folder / "onnx").iterdir())
    file = folders[0] / "step.onnx"
    made = file.stat().st_mtime_ns
    FastInference(checkpoint, engine=EngineName.ONNX)
    assert file.stat().st_mtime_ns == made
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    FastInference(checkpoint, engine=EngineName.ONNX)
    assert len(file.read_bytes()) > len(whole) // 2, "a file that was cut off is written anew"
    assert list((checkpoint.folder / "onnx").iterdir()) == folders


def test_what_onnx_cannot_run_is_named(checkpoint: Checkpoint) -> None:
    half = replace(checkpoint, network=checkpoint.network.to(torch.bfloat16))
    try:
        with pytest.raises(ModelError, match=r"the network is torch\.bfloat16 on cpu, must be torch\.float32"):
            FastInference(half, engine=EngineName.ONNX)
    finally:
        checkpoint.network.to(torch.float32)
    with pytest.raises(ModelError, match="cuda_graphs needs a network on a CUDA device"):
        FastInference(checkpoint, engine=EngineName.CUDA_GRAPHS)
