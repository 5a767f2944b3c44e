"""The batch of a step: samples, noise and flow times, all from the seed and the step's number alone."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mivla_ros.model.config import NetworkConfig
from mivla_ros.model.flow import training_times
from mivla_ros.model.statistics import Normalisation
from mivla_ros.training.options import Mode
from mivla_ros.training.order import BatchOrder
from mivla_ros.training.preparing import PreparedEpisode

BRIGHTNESS, CONTRAST = 0.15, 0.25  # greatest changes, of the range and of one


class Batch(NamedTuple):
    """B samples, normalised. mask (B, H, D): values with a target. pixels (B, C, 3, s, s) uint8, seen (B, C)."""

    pixels: Tensor
    seen: Tensor
    state: Tensor
    state_mask: Tensor
    actions: Tensor
    mask: Tensor
    from_human: Tensor
    noise: Tensor
    time: Tensor
    texts: list[str]
    numbers: NDArray[np.int64]

    def to(self, device: torch.device) -> "Batch":
        """On a device."""
        moved: dict[str, Any] = {n: v.to(device) for n, v in self._asdict().items() if isinstance(v, Tensor)}
        return self._replace(**moved)


class Samples:
    """All samples of prepared episodes by number, each with the mask of the mode that it is used in."""

    def __init__(
        self,
        episodes: Sequence[PreparedEpisode],
        config: NetworkConfig,
        normalisation: Normalisation,
        imitate: bool,
        noise: float = 1.0,
    ) -> None:
        """imitate, noise: of TrainingOptions."""
        self.noise = noise
        self.episodes, self.config, self.normalisation, self.imitate = tuple(episodes), config, normalisation, imitate
        self._ends = np.cumsum([len(episode) for episode in episodes])

    def __len__(self) -> int:
        """How many."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def pools(self) -> list[NDArray[np.int64]]:
        """Numbers of people's samples and of robots', those of them that there are."""
        human = np.repeat([e.embodiment == "human" for e in self.episodes], [len(e) for e in self.episodes])
        return [pool for pool in (np.flatnonzero(human), np.flatnonzero(~human)) if len(pool)]

    def batch(self, numbers: NDArray[np.int64], seed: Sequence[int], colour: float = 0.0, words: bool = True) -> Batch:
        """Samples of these numbers; noise, times, wording and colours drawn by ``seed``."""
        random = np.random.default_rng([*seed, 1])
        generator = torch.Generator().manual_seed(int(np.random.SeedSequence([*seed, 2]).generate_state(1)[0]))
        places = [self._place(int(number)) for number in numbers]

        def stacked(name: str) -> NDArray[Any]:
            return np.stack([getattr(episode, name)[row] for episode, row in places])

        actions, mask = stacked("actions"), stacked("own")
        if self.imitate:
            mask = mask | stacked("imitated")
        columns, known = self.config.columns, np.array(self.normalisation.actions.count) > 0
        mask = mask & known
        normal = self.normalisation.normalise_actions(actions)[..., columns]
        state = self.normalisation.normalise_state(stacked("state"))
        texts = []
        for episode, _ in places:
            choice = int(random.integers(len(episode.instructions))) if words and episode.instructions else 0
            texts.append(episode.instructions[choice] if episode.instructions else "")
        shape = normal.shape
        return Batch(
            pixels=coloured(torch.from_numpy(stacked("pixels")), random, colour),
            seen=torch.from_numpy(stacked("seen")),
            state=torch.from_numpy(state).float(),
            state_mask=torch.from_numpy(stacked("state_mask")),
            actions=torch.from_numpy(normal).float(),
            mask=torch.from_numpy(mask[..., columns]),
            from_human=torch.tensor([episode.embodiment == "human" for episode, _ in places]),
            noise=self.noise * torch.randn(shape, generator=generator),
            time=training_times(len(places), self.config.flow, generator),
            texts=texts,
            numbers=np.asarray(numbers),
        )

    def _place(self, number: int) -> tuple[PreparedEpisode, int]:
        index = int(np.searchsorted(self._ends, number, side="right"))
        first = int(self._ends[index - 1]) if index else 0
        return self.episodes[index], number - first


class Batches(torch.utils.data.Dataset[Batch]):
    """Batches by step: the whole batch's samples and noise are drawn, then this process takes its share, so that any
    number of processes trains on the same."""

    def __init__(
        self, samples: Samples, batch: int, seed: int, colour: float = 0.0, process: int = 0, processes: int = 1
    ) -> None:
        self.samples, self.seed, self.colour = samples, seed, colour
        self.process, self.processes = process, processes
        self.order = BatchOrder(samples.pools(), batch, seed)

    def __getitem__(self, step: int) -> Batch:
        """The share of a step's batch that is this process's."""
        return share(
            self.samples.batch(self.order.batch(step), (self.seed, step), self.colour), self.process, self.processes
        )


def share(batch: Batch, process: int, processes: int) -> Batch:
    """What one of several processes takes of a batch."""
    if processes == 1:
        return batch
    part = slice(process, None, processes)
    return batch._replace(**{name: value[part] for name, value in batch._asdict().items()})


def modes_episodes(episodes: Sequence[PreparedEpisode], mode: Mode) -> list[PreparedEpisode]:
    """Episodes that a mode of pre-training uses."""
    if mode is Mode.BOTH:
        return list(episodes)
    return [episode for episode in episodes if episode.embodiment == "human"]


def coloured(pixels: Tensor, random: np.random.Generator, share: float) -> Tensor:
    """Brightness and contrast of that share of pictures changed."""
    if share <= 0:
        return pixels
    shape = (*pixels.shape[:2], 1, 1, 1)
    chosen = random.random(shape) < share
    gain = np.where(chosen, random.uniform(1 - CONTRAST, 1 + CONTRAST, shape), 1.0)
    shift = np.where(chosen, random.uniform(-BRIGHTNESS, BRIGHTNESS, shape) * 255, 0.0)
    offset = torch.from_numpy(127.5 * (1 - gain) + shift).float()
    return pixels.float().mul_(torch.from_numpy(gain).float()).add_(offset).clamp_(0, 255).to(torch.uint8)
