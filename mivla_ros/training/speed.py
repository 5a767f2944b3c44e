"""How fast training is, against a plain loop over the same episodes with the same network in the same run."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mivla_ros.episodes.formats import EpisodeRef, Episodes
from mivla_ros.episodes.training_samples import SampleOptions, TrainingSamples
from mivla_ros.model.images import prepare_image
from mivla_ros.training.adapting import adapt
from mivla_ros.training.batches import Batch, Batches, Samples
from mivla_ros.training.imitator import Imitator, loss_of
from mivla_ros.training.labels import human_labels
from mivla_ros.training.options import TrainingOptions
from mivla_ros.training.trainer import Job, _loader

WARM_UP = 2  # steps that are not counted


@dataclass(frozen=True)
class Speed:
    """samples_per_second, and the share of the time in which the network waited for data."""

    name: str
    samples_per_second: float
    loading_share: float


def measure(job: Job, refs: Sequence[EpisodeRef], robot: str, options: TrainingOptions) -> list[Speed]:
    """The plain loop reads, decodes and labels each sample when it is needed; ours takes prepared ones. Both do the
    same forward and backward pass and the same step of AdamW."""
    samples = Samples(job.training, job.network.config, job.normalisation, options.imitate)
    batches = Batches(samples, options.batch, options.seed)
    ours = iter(_loader(batches, range(options.steps + WARM_UP), options.loaders))
    plain = _PlainBatches(job, refs, robot, options)
    adapt(job.network, options)
    imitator = Imitator(job.network)
    optimiser = torch.optim.AdamW([p for p in imitator.parameters() if p.requires_grad], lr=options.rate)
    found = []
    for name, following in (("plain loop", plain.following), ("mivla", lambda: next(ours))):
        waited, begun = 0.0, 0.0
        for step in range(options.steps + WARM_UP):
            if step == WARM_UP:
                waited, begun = 0.0, time.perf_counter()
            asked = time.perf_counter()
            batch = following().to(job.network.device)
            waited += time.perf_counter() - asked
            loss_of(imitator(batch), batch, job.network.config.start).total.backward()
            optimiser.step()
            optimiser.zero_grad()
        seconds = time.perf_counter() - begun
        found.append(Speed(name, options.steps * options.batch / seconds, waited / seconds))
    return found


class _PlainBatches:
    """What one writes first: random samples, read from the files each time."""

    def __init__(self, job: Job, refs: Sequence[EpisodeRef], robot: str, options: TrainingOptions) -> None:
        contract = job.contract
        chosen = SampleOptions(
            contract.horizon, contract.step_seconds, contract.first_step_seconds, cameras=contract.cameras
        )
        self._samples = TrainingSamples(Episodes(refs, robot), chosen)
        self._job, self._batch, self._random = job, options.batch, np.random.default_rng(options.seed)

    def following(self) -> Batch:
        """The next batch."""
        job, config = self._job, self._job.network.config
        rows = [self._samples[int(i)] for i in self._random.integers(len(self._samples), size=self._batch)]
        pixels = [
            torch.stack(
                [prepare_image(row.observation.images[name].rgb, config.vision) for name in job.contract.cameras]
            )
            for row in rows
        ]
        actions, own = np.stack([row.actions for row in rows]), np.stack([row.action_mask for row in rows])
        labels, imitated = human_labels(actions, own)
        normal = job.normalisation.normalise_actions(np.where(imitated, labels, actions))
        state = job.normalisation.normalise_state(np.stack([row.state for row in rows]))
        return Batch(
            pixels=torch.stack(pixels),
            seen=torch.ones(len(rows), len(pixels[0]), dtype=torch.bool),
            state=torch.from_numpy(state).float(),
            state_mask=torch.from_numpy(np.stack([row.state_mask for row in rows])),
            actions=torch.from_numpy(normal[..., config.columns]).float(),
            mask=torch.from_numpy((own | imitated)[..., config.columns]),
            from_human=torch.zeros(len(rows), dtype=torch.bool),
            noise=torch.randn(len(rows), config.horizon, config.size),
            time=torch.rand(len(rows)),
            texts=[row.observation.instruction for row in rows],
            numbers=np.arange(len(rows)),
        )
