"""Looking at a network while it is trained: its validation loss, what it succeeds in, and the best checkpoint."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mivla_ros.model.checkpoint import save_checkpoint
from mivla_ros.model.contract import Contract
from mivla_ros.model.network import MivlaNetwork
from mivla_ros.model.statistics import Normalisation
from mivla_ros.training.adapting import MovingAverage, finished_network
from mivla_ros.training.batches import Samples
from mivla_ros.training.best import Best
from mivla_ros.training.curves import Curves
from mivla_ros.training.preparing import PreparedEpisode
from mivla_ros.training.processes import from_first, let_go, unwrapped
from mivla_ros.training.saved_state import checkpoint_weights
from mivla_ros.training.validation import validate

BEST, LAST, CANDIDATE = "best", "last", "candidate"


@dataclass(frozen=True, eq=False)
class Job:
    """What is trained. rollouts: closed-loop success (0 to 1) of a checkpoint's folder, None without a simulator.
    notes: kept in the checkpoint."""

    network: MivlaNetwork
    contract: Contract
    normalisation: Normalisation
    training: Sequence[PreparedEpisode]
    validation: Sequence[PreparedEpisode]
    rollouts: Callable[[Path, int], float] | None = None
    notes: Mapping[str, str] = field(default_factory=dict)


def look(
    job: Job,
    wrapped: nn.Module,
    average: MovingAverage | None,
    held: Samples,
    batch: int,
    out: Path,
    done: int,
    best: Best | None,
    play: bool,
    accelerator: Any,  # noqa: ANN401
    curves: Curves | None,
) -> Best | None:
    """Validate, and play where asked to; keep the checkpoint if it is the best so far. All processes call it; curves:
    where this is the main one."""
    main = curves is not None
    with averaged(wrapped, average):
        loss: float | None = None
        success: float | None = None
        weights: dict[str, Tensor] | None = None
        if len(held):
            found = dict(validate(wrapped, held, batch, accelerator))
            let_go(wrapped)
            loss = found["loss"]
            if curves is not None:
                curves.add(done, "validation", found)
        if play and job.rollouts is not None:
            weights = checkpoint_weights(wrapped, main)
            if curves is not None:
                write_checkpoint(job, weights, out / CANDIDATE, done)
                success = job.rollouts(out / CANDIDATE, done)
                curves.add(done, "rollouts", {"success": success})
            success = from_first(accelerator, success or 0.0)
        now = Best(done, loss, success)
        if now.replaces(best):
            best = now
            weights = checkpoint_weights(wrapped, main) if weights is None else weights
            if curves is not None:
                write_checkpoint(job, weights, out / BEST, done)
                given = {"loss": loss, "success": success}
                curves.add(done, "best", {name: value for name, value in given.items() if value is not None})
    if curves is not None:
        curves.draw()
    return best


class averaged:
    """The moving average in the network's place, for a while."""

    def __init__(self, wrapped: nn.Module, average: MovingAverage | None) -> None:
        self._wrapped, self._average, self._own = wrapped, average, dict[str, Tensor]()

    @torch.no_grad()
    def __enter__(self) -> None:
        let_go(self._wrapped)
        if self._average is not None:
            for name, parameter in self._average.of(unwrapped(self._wrapped)):
                self._own[name] = parameter.detach().clone()
                parameter.copy_(self._average.weights[name])

    @torch.no_grad()
    def __exit__(self, *_: object) -> None:
        let_go(self._wrapped)
        if self._average is not None:
            for name, parameter in self._average.of(unwrapped(self._wrapped)):
                parameter.copy_(self._own[name])


def write_checkpoint(job: Job, weights: Mapping[str, Tensor], folder: Path, step: int) -> None:
    """A checkpoint; weights: of ``checkpoint_weights``."""
    notes = {**job.notes, "trained": f"{step} steps"}
    made = finished_network(job.network, weights)
    save_checkpoint(folder, made, job.contract, job.normalisation, notes, overwrite=True)
