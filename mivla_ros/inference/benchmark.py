"""Stage by stage, how long a chunk takes: the plain path and every engine, taking turns in one process."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mivla_ros.inference.fast_inference import EngineName, FastInference
from mivla_ros.model.bring_up import bring_up_normalisation
from mivla_ros.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from mivla_ros.model.contract import make_contract
from mivla_ros.model.encoder_weights import EncoderMode, EncoderSource
from mivla_ros.model.flow import euler, noise_like
from mivla_ros.model.images import prepare_image
from mivla_ros.model.network import Conditions, build_network, without_encoders
from mivla_ros.model.presets import preset
from mivla_ros.policies.unified_rows import predicted_values
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile

STAGES = ("pixels", "words", "observation", "flow steps")
WORDS = "put the bottle on the pad"
ROBOT = "piper_bimanual"


@dataclass
class Timings:
    """Milliseconds of every round, stage by stage. difference: greatest of normalised actions to the plain path's."""

    name: str
    stages: dict[str, list[float]] = field(default_factory=lambda: {stage: [] for stage in STAGES})
    difference: float = 0.0

    @property
    def totals(self) -> NDArray[np.float64]:
        """Of whole chunks, ms."""
        return np.sum([self.stages[stage] for stage in STAGES], axis=0)


@dataclass(frozen=True)
class _Scene:
    images: list[NDArray[np.uint8]]
    state: NDArray[np.float64]
    mask: NDArray[np.bool_]


def random_checkpoint(config: str, folder: Path, device: str) -> Checkpoint:
    """A checkpoint of a named network with random weights, encoders too, for the bimanual PiPer."""
    profile = load_profile(ROBOT)
    chosen = preset(config)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    network = build_network(chosen, without_encoders(), dtype=dtype)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # as built the gates are zero, which would hide every fault
        for parameter in network.trunk.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator).to(parameter))
    # not held within any range, so that paths can be compared
    normalisation = replace(bring_up_normalisation(profile, robot_description(profile)), margin=-1.0)
    save_checkpoint(folder, network, make_contract(profile, chosen), normalisation)
    del network
    return load_checkpoint(folder, profile, EncoderSource(EncoderMode.RANDOM), device, dtype)


def compare(config: str, engines: Sequence[EngineName], rounds: int, device: str = "cpu") -> list[Timings]:
    """The plain path first, then each engine; every round measures all of them once, after one that is left out."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = random_checkpoint(config, Path(folder) / config, device)
        scene = _scene(checkpoint)
        fast = {str(name): FastInference(checkpoint, engine=name) for name in engines}
        paths: dict[str, Callable[[Timings], NDArray[np.float64]]] = {
            "plain": lambda timings: _plain(checkpoint, scene, timings, once=False),
            "plain, keys and values once": lambda timings: _plain(checkpoint, scene, timings, once=True),
        }
        for name, inference in fast.items():
            inference.instruct(WORDS)
            paths[name] = lambda timings, i=inference: _fast(i, scene, timings)  # type: ignore[misc]
        found = {name: Timings(name) for name in paths}
        for number in range(rounds + 1):
            for name, path in paths.items():
                timings = found[name] if number else Timings(name)
                rows = path(timings)
                if name == "plain":
                    reference = rows
                difference = float(np.nanmax(np.abs(rows - reference)))
                found[name].difference = max(found[name].difference, difference)
    return list(found.values())


def table(results: Sequence[Timings]) -> str:
    """Markdown; ratios of medians, to the first row."""
    lines = [
        f"| path | {' | '.join(STAGES)} | chunk ms: median / 95 % | chunks/s | ratio | greatest difference |",
        f"|---|{'--:|' * len(STAGES)}--:|--:|--:|--:|",
    ]
    plain = float(np.median(results[0].totals))
    for result in results:
        stages = " | ".join(f"{np.median(result.stages[stage]):.1f}" for stage in STAGES)
        median, high = np.median(result.totals), np.percentile(result.totals, 95)
        lines.append(
            f"| {result.name} | {stages} | {median:.1f} / {high:.1f} | {1e3 / median:.1f} | {plain / median:.2f} "
            f"| {result.difference:.1e} |"
        )
    return "\n".join(lines)


class _Watch:
    """Adds the time since the last look to a stage, once the device has done its work."""

    def __init__(self, timings: Timings) -> None:
        self._timings, self._last = timings, time.perf_counter()

    def done(self, stage: str) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        self._timings.stages[stage].append(1e3 * (now - self._last))
        self._last = now


@torch.inference_mode()
def _plain(checkpoint: Checkpoint, scene: _Scene, timings: Timings, once: bool) -> NDArray[np.float64]:
    """As the networks' own published inference: the whole decoder at every flow step; once: keys and values once."""
    network, config, watch = checkpoint.network, checkpoint.config, _Watch(timings)
    pixels = torch.stack([prepare_image(image, config.vision) for image in scene.images])[None].to(network.device)
    watch.done("pixels")
    ids, word_mask = network.tokenise([WORDS])
    words = network.language_features(ids, word_mask)
    watch.done("words")
    state = torch.from_numpy(checkpoint.normalisation.normalise_state(scene.state)).float()[None]
    images = network.image_features(pixels)
    there = torch.from_numpy(scene.mask).clone()
    there[:48] = False
    given = (state.to(network.device), there[None].to(network.device), images, None, words, None)
    conditions = Conditions(*given)
    memory = network.memory(conditions) if once else None
    watch.done("observation")
    mask = torch.from_numpy(scene.mask[config.columns].copy()).expand(1, config.horizon, config.size)
    mask = mask.to(network.device)

    def velocity(noisy: torch.Tensor, at: float) -> torch.Tensor:
        times = torch.full((1,), at, device=network.device)
        if memory is None:
            return network(noisy, mask, times, conditions).float()
        return network.velocity(noisy, mask, network.modulation(times), memory).float()

    found = euler(velocity, noise_like(mask, 0), config.flow.steps)
    rows = torch.where(mask, found, torch.zeros_like(found))[0].double().cpu().numpy()
    watch.done("flow steps")
    return np.asarray(rows)


def _fast(inference: FastInference, scene: _Scene, timings: Timings) -> NDArray[np.float64]:
    watch, columns = _Watch(timings), inference.checkpoint.config.columns
    measured = scene.mask.copy()
    measured[:48] = False
    inference.instruct(WORDS)  # the same words as before: nothing is done
    watch.done("words")
    inference.take(scene.images)
    watch.done("pixels")
    inference.look(scene.state, measured)
    watch.done("observation")
    rows = inference.sample(scene.mask, 0)
    watch.done("flow steps")
    normalised = inference.checkpoint.normalisation.normalise_actions(rows)[:, columns]
    return np.nan_to_num(normalised)


def _scene(checkpoint: Checkpoint) -> _Scene:
    random = np.random.default_rng(0)
    profile = load_profile(ROBOT)
    images = [random.integers(0, 256, (480, 640, 3), dtype=np.uint8) for _ in checkpoint.contract.cameras]
    mask = predicted_values(profile.arms)
    mask[:48] = True
    return _Scene(images, np.zeros(76), mask)
