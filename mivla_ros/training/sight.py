"""Teaches an image encoder that begins with random weights where things are, before it is asked what to do about them.

From a few hundred demonstrations alone the network first learns to go on with what the arm is doing, which says much
about the next second, and for a long time looks at no picture. Thousands of still scenes of the simulator, in which
the place of every object is known, cost less than a few demonstrations, and a head that points at each object by
attention over the image tokens makes these say where things are. The head is then thrown away.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mivla_ros.demonstrations.scenes import Scenes
from mivla_ros.model.config import VisionConfig
from mivla_ros.model.network import MivlaNetwork
from mivla_ros.training.batches import coloured
from mivla_ros.training.errors import TrainingError

WIDTH = 64
HELD_BACK = 0.05  # share of scenes that only measure
SHARP = 0.05  # of the picture's half width; beyond, errors count by their size instead of its square
RATE, WARM_UP, CLIP = 2e-3, 50, 1.0
COLOURED = 0.5


@dataclass(frozen=True)
class SightOptions:
    """steps: of ``batch`` scenes, all cameras each. seed: of everything that is drawn."""

    steps: int = 700
    batch: int = 16
    seed: int = 0


class Pointer(nn.Module):
    """Image tokens (N, grid * grid, features) to each object's place in the picture (N, O, 2), -1 to 1, and a logit
    (N, O) of its being there."""

    def __init__(self, features: int, grid: int, objects: int) -> None:
        super().__init__()
        self.query = nn.Parameter(0.1 * torch.randn(objects, WIDTH))
        self.key, self.value = nn.Linear(features, WIDTH), nn.Linear(features, WIDTH)
        self.last = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, 3))
        middles = (torch.arange(grid) + 0.5) * 2 / grid - 1
        down, right = torch.meshgrid(middles, middles, indexing="ij")
        self.register_buffer("places", torch.stack([right, down], dim=-1).flatten(0, 1))

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        looked = torch.einsum("qc,nlc->nql", self.query, self.key(tokens)).softmax(dim=-1)
        last = self.last(looked @ self.value(tokens))
        return looked @ self.get_buffer("places") + 0.5 * last[..., :2], last[..., 2]


def teach_sight(
    network: MivlaNetwork, scenes: Mapping[str, Scenes], options: SightOptions, say: Callable[[str], None] = print
) -> dict[str, float]:
    """Train the network's image encoder; median distances of objects from where they were pointed at, by object, in
    shares of the picture's width, on scenes held back.

    scenes: by robot, or by what people do; a step takes those of one, in turns, and each has a head of its
    own.

    Raises TrainingError for a network whose encoders are not its own, or too few scenes.
    """
    config = network.config.vision
    if config.frozen or len(config.encoders) != 1:
        raise TrainingError(network.config.name, "has image encoders that are not trained")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        sets = [_Set(name, each, config, options) for name, each in scenes.items()]
    vision = network.vision.train()
    trained = [*vision.parameters(), *(weight for one in sets for weight in one.head.parameters())]
    optimiser = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.01, fused=True)
    random, began, every = np.random.default_rng(options.seed), time.perf_counter(), max(1, options.steps // 7)
    for step in range(options.steps):
        share = step / options.steps
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / WARM_UP) * (0.02 + 0.98 * (1 + np.cos(np.pi * share)) / 2)
        one = sets[step % len(sets)]
        rows = random.integers(0, one.count, options.batch)
        pixels = coloured(torch.from_numpy(one.scenes.pixels[rows]), random, COLOURED)
        loss = _loss(one.head, vision(pixels.flatten(0, 1)), one.scenes, rows)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, CLIP)
        optimiser.step()
        if (step + 1) % every == 0 or step + 1 == options.steps:
            words = ", ".join(f"{name} {100 * error:.2f} %" for name, error in _measured(vision, sets).items())
            say(f"step {step + 1}: off by (of the picture's width) {words}; {time.perf_counter() - began:.0f} s")
    network.eval()
    return _measured(vision, sets)


class _Set:
    """One robot's scenes, of which the first ``count`` teach, and the head for its objects."""

    def __init__(self, name: str, scenes: Scenes, config: VisionConfig, options: SightOptions) -> None:
        self.name, self.scenes = name, scenes
        self.count = len(scenes.pixels) - max(1, round(HELD_BACK * len(scenes.pixels)))
        if self.count < options.batch:
            raise TrainingError("scenes", f"are {len(scenes.pixels)}, must be more than the batch of {options.batch}")
        self.head = Pointer(config.width, config.encoders[0].grid, len(scenes.objects))


def _loss(head: Pointer, tokens: Tensor, scenes: Scenes, rows: np.ndarray) -> Tensor:
    pointed, logits = head(tokens)
    places = torch.from_numpy(scenes.places[rows]).flatten(0, 1)
    there = torch.from_numpy(scenes.there[rows]).flatten(0, 1)
    off = functional.smooth_l1_loss(pointed, places, reduction="none", beta=SHARP).sum(dim=-1)
    seen = functional.binary_cross_entropy_with_logits(logits, there.float())
    return 4 * (off * there).sum() / there.sum().clamp(min=1) + 0.1 * seen


@torch.no_grad()
def _measured(vision: nn.Module, sets: list[_Set]) -> dict[str, float]:
    found = {}
    for one in sets:
        places, there = one.scenes.places[one.count :], one.scenes.there[one.count :]
        pixels = torch.from_numpy(one.scenes.pixels[one.count :])
        pointed = one.head(vision(pixels.flatten(0, 1)))[0].unflatten(0, pixels.shape[:2]).numpy()
        off = np.linalg.norm(pointed - places, axis=-1) / 2
        for index, name in enumerate(one.scenes.objects):
            if there[..., index].any():
                found[f"{one.name}'s {name}"] = float(np.median(off[..., index][there[..., index]]))
    return found
