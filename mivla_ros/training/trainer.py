"""The training loop: exact resume, validation, closed-loop choice of the best checkpoint, one clear error."""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from mivla_ros.model.objective import valid_counts
from mivla_ros.training.adapting import MovingAverage, adapt
from mivla_ros.training.batches import Batch, Batches, Samples
from mivla_ros.training.best import Best
from mivla_ros.training.choosing import BEST, LAST, Job, averaged, look, write_checkpoint
from mivla_ros.training.curves import Curves
from mivla_ros.training.errors import TrainingError
from mivla_ros.training.imitator import Imitator, loss_of
from mivla_ros.training.options import TrainingOptions
from mivla_ros.training.processes import join, prepare, summed, unwrapped
from mivla_ros.training.saved_state import Progress, checkpoint_weights, load_state, read_progress, save_state

OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "Cannot allocate memory")


@dataclass(frozen=True)
class Result:
    """best: the chosen checkpoint's worth. steps: of the whole run; the rates are of this part of it."""

    best: Best | None
    checkpoint: Path
    steps: int
    loss: float
    samples_per_second: float
    loading_share: float

    def __str__(self) -> str:
        return (
            f"loss {self.loss:.4f} after {self.steps} steps; {self.samples_per_second:.1f} samples a second, "
            f"{100 * self.loading_share:.0f} % of the time spent waiting for data"
        )


def train(job: Job, options: TrainingOptions, out: Path, show: bool = True) -> Result:
    """Train, or go on where the run in ``out`` was. Raises TrainingError: other options or data than the run has that
    is to be gone on with, a loss that is not finite, no memory left."""
    from tqdm import tqdm

    accelerator = join(options.precision)
    if options.batch < accelerator.num_processes:
        raise TrainingError("batch", f"is {options.batch}, must be {accelerator.num_processes} or more, one a process")
    adapt(job.network, options)
    imitator = Imitator(job.network)
    trained = [p for p in imitator.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=options.rate, weight_decay=options.weight_decay, fused=True)
    wrapped, prepared = prepare(accelerator, imitator, optimiser)
    inner = prepared.optimizer
    average = MovingAverage(unwrapped(wrapped), options.average) if options.average else None
    config = job.network.config
    begins_with = 1.0 if options.noise == 1.0 else 0.0
    job.network.config = replace(config, flow=replace(config.flow, noise=begins_with))
    described = {"options": options.what_matters(), "data": _data_hash(job)}
    known = read_progress(out)
    begin, best = 0, None
    if known is not None:
        _same(known.described, described, out)
        load_state(out, wrapped, inner, average)
        begin, best = known.step, known.best
    accelerator.wait_for_everyone()
    main = accelerator.is_main_process
    curves = Curves(out, known.log_bytes if known else 0) if main else None
    samples = Samples(job.training, job.network.config, job.normalisation, options.imitate, options.noise)
    held = Samples(job.validation, job.network.config, job.normalisation, options.imitate, options.noise)
    batches = Batches(
        samples, options.batch, options.seed, options.colour, accelerator.process_index, accelerator.num_processes
    )
    loader = iter(_loader(batches, range(begin, options.steps), options.loaders))
    waited, began, loss, step = 0.0, time.perf_counter(), float("nan"), begin
    bar = tqdm(total=options.steps, initial=begin, unit="step", disable=not (show and main), mininterval=2.0)
    try:
        for step in range(begin, options.steps):
            asked = time.perf_counter()
            batch = next(loader).to(accelerator.device)
            waited += time.perf_counter() - asked
            loss, terms = _step(accelerator, wrapped, prepared, batch, step, options, samples)
            if average is not None:
                average.update(unwrapped(wrapped), step)
            done = step + 1
            if curves is not None:
                curves.add(step, "train", {"loss": loss, "rate": options.rate_at(step), **terms})
                bar.update()
                bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
            due = [done % options.every(n) == 0 or done == options.steps for n in ("validate_every", "rollout_every")]
            play = due[1] and options.rollouts > 0 and job.rollouts is not None
            if play or (due[0] and len(held)):
                best = look(
                    job, wrapped, average, held, options.batch, out, done, best, play, accelerator, curves
                )  # fmt: skip
            if done % options.every("save_every") == 0 or done == options.steps:
                at = Progress(done, best, described, curves.size if curves else 0)
                save_state(out, wrapped, inner, average, at, main)
                accelerator.wait_for_everyone()
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if not any(words in str(error) for words in OUT_OF_MEMORY):
            raise
        raise TrainingError(
            "memory", f"ran out at step {step} with --batch {options.batch}; half of it, LoRA or bfloat16 need less"
        ) from error
    finally:
        bar.close()
        if curves is not None:
            curves.draw()
            curves.close()
    seconds = time.perf_counter() - began
    with averaged(wrapped, average):
        weights = checkpoint_weights(wrapped, main)
        if main:
            write_checkpoint(job, weights, out / LAST, options.steps)
    accelerator.wait_for_everyone()
    count = (options.steps - begin) * options.batch
    return Result(
        best, out / (BEST if best else LAST), options.steps, loss, count / max(seconds, 1e-9),
        waited / max(seconds, 1e-9),
    )  # fmt: skip


def _step(
    accelerator: Any,  # noqa: ANN401
    wrapped: torch.nn.Module,
    optimiser: Any,  # noqa: ANN401
    batch: Batch,
    step: int,
    options: TrainingOptions,
    samples: Samples,
) -> tuple[float, dict[str, float]]:
    """One step of the optimiser; the loss of the whole batch and its terms."""
    for group in optimiser.param_groups:
        group["lr"] = options.rate_at(step)
    values, terms = backward(accelerator, wrapped, batch, samples.config.start)
    if not all(abs(v) < float("inf") for v in values):  # NaN too
        _explain(values, terms, batch, step, samples)
    norm: Any = accelerator.clip_grad_norm_(wrapped.parameters(), options.clip)
    if not bool(torch.isfinite(norm.full_tensor() if hasattr(norm, "full_tensor") else torch.as_tensor(norm))):
        raise TrainingError(f"step {step}", "the gradient is NaN or infinite; a lower --rate may help")
    optimiser.step()
    optimiser.zero_grad()
    return values[0], dict(zip(terms, values[1:], strict=True))


def backward(
    accelerator: Any,  # noqa: ANN401
    wrapped: torch.nn.Module,
    batch: Batch,
    start: int,
) -> tuple[list[float], list[str]]:
    """Gradients of the whole batch's loss from this process's share of it; the loss with its terms, and their names.

    The terms are this process's part; all processes' parts add up to the loss.
    """
    counts = valid_counts(batch.mask, batch.from_human, start)
    if accelerator.num_processes > 1:
        names = sorted(counts)
        together = summed(accelerator, torch.stack([counts[name] for name in names]))
        counts = dict(zip(names, together.unbind(), strict=True))
    predicted = wrapped(batch)
    found = loss_of(predicted, batch, start, counts)
    # gradients are averaged over processes, while the loss is a sum of their shares; a share without any target has
    # gradients too, of zero, for the others wait for them
    accelerator.backward(found.total * accelerator.num_processes + 0.0 * predicted.sum())
    parts = torch.stack([found.total.detach(), *(v.float() for v in found.terms.values())])
    parts = torch.cat([summed(accelerator, parts[:1].clone()), parts[1:]])
    return parts.tolist(), list(found.terms)


def _explain(values: list[float], terms: list[str], batch: Batch, step: int, samples: Samples) -> None:
    for name, value in zip(("actions", "state"), (batch.actions, batch.state), strict=True):
        bad = ~torch.isfinite(value.reshape(len(value), -1)).all(dim=1)
        mask = batch.mask if name == "actions" else batch.state_mask
        bad &= (~torch.isfinite(value) & mask).reshape(len(value), -1).any(dim=1)
        if bad.any():
            episode, row = samples._place(int(batch.numbers[int(bad.nonzero()[0])]))
            raise TrainingError(episode.path, f"{name} of sample {row} are NaN or infinite")
    bad_terms = [t for t, v in zip(terms, values[1:], strict=True) if not abs(v) < float("inf")] or ["total"]
    raise TrainingError(f"step {step}", f"loss {bad_terms[0]} is NaN or infinite; a lower --rate may help")


def _loader(batches: Batches, steps: range, workers: int) -> Any:  # noqa: ANN401
    """Batches of steps in order, made by ``workers`` processes ahead of time."""
    extra: dict[str, Any] = {"prefetch_factor": 4, "multiprocessing_context": "spawn"} if workers else {}
    return torch.utils.data.DataLoader(
        batches, sampler=steps, batch_size=None, num_workers=workers, collate_fn=as_it_is, **extra
    )


def as_it_is(batch: Any) -> Any:  # noqa: ANN401
    """What the loader gives is a batch already."""
    return batch


def _data_hash(job: Job) -> str:
    digest = hashlib.sha256()
    for episode in (*job.training, *job.validation):
        digest.update(f"{episode.name}\n{len(episode)}\n".encode())
        digest.update(episode.actions.tobytes())
    return digest.hexdigest()[:32]


def _same(known: Mapping[str, Any], described: Mapping[str, Any], out: Path) -> None:
    wanted = json.loads(json.dumps(described["options"]))
    for key, value in wanted.items():
        if known["options"].get(key) != value:
            raise TrainingError(
                key, f"is {value!r}, the run in {out} has {known['options'].get(key)!r}; go on with that, or elsewhere"
            )
    if known["data"] != described["data"]:
        raise TrainingError("data", f"is not that of the run in {out}: go on with the same episodes, or elsewhere")
