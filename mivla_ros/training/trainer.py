"""The training loop: exact resume, validation, closed-loop choice of the best checkpoint, one clear error."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mivla_ros.model.checkpoint import save_checkpoint
from mivla_ros.model.contract import Contract
from mivla_ros.model.network import MivlaNetwork
from mivla_ros.model.objective import valid_counts
from mivla_ros.model.statistics import Normalisation
from mivla_ros.training.adapting import MovingAverage, adapt, finished_network
from mivla_ros.training.batches import Batch, Batches, Samples
from mivla_ros.training.curves import Curves
from mivla_ros.training.errors import TrainingError
from mivla_ros.training.imitator import Imitator, loss_of
from mivla_ros.training.options import TrainingOptions
from mivla_ros.training.preparing import PreparedEpisode
from mivla_ros.training.saved_state import Progress, full_weights, load_state, read_progress, save_state
from mivla_ros.training.validation import unwrapped, validate

BEST, LAST = "best", "last"
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "Cannot allocate memory")


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


@dataclass(frozen=True)
class Result:
    """best: value (success, or negative validation loss) and step of the chosen checkpoint. seconds: of this run."""

    best: tuple[float, int] | None
    checkpoint: Path
    steps: int
    loss: float
    samples_per_second: float
    loading_share: float


def train(job: Job, options: TrainingOptions, out: Path, show: bool = True) -> Result:
    """Train, or go on where the run in ``out`` was. Raises TrainingError: other options or data than the run has that
    is to be gone on with, a loss that is not finite, no memory left."""
    from accelerate import Accelerator, DistributedDataParallelKwargs  # type: ignore[import-untyped]
    from tqdm import tqdm

    accelerator = Accelerator(
        mixed_precision="bf16" if options.precision == "bfloat16" else "no",
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    adapt(job.network, options)
    imitator = Imitator(job.network)
    trained = [p for p in imitator.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=options.rate, weight_decay=options.weight_decay, fused=True)
    wrapped, prepared = accelerator.prepare(imitator, optimiser)
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
            if (due[0] or due[1]) and main and len(held):
                best = _look(job, options, wrapped, average, held, out, done, best, due[1], curves)
            if done % options.every("save_every") == 0 or done == options.steps:
                at = Progress(done, best, described, curves.size if curves else 0)
                if main or accelerator.num_processes > 1:
                    _save(accelerator, out, wrapped, inner, average, at)
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
    weights = full_weights(wrapped)
    if main:
        _write(job, {_inner(n): v for n, v in weights.items()}, average, out / LAST, options.steps)
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
    norm = accelerator.clip_grad_norm_(wrapped.parameters(), options.clip)
    if not bool(torch.isfinite(torch.as_tensor(norm))):
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
        summed = accelerator.reduce(torch.stack([counts[name] for name in names]), "sum")
        counts = dict(zip(names, summed.unbind(), strict=True))
    found = loss_of(wrapped(batch), batch, start, counts)
    # gradients are averaged over processes, while the loss is a sum of their shares
    accelerator.backward(found.total * accelerator.num_processes)
    parts = torch.stack([found.total.detach(), *(v.float() for v in found.terms.values())])
    if accelerator.num_processes > 1:
        parts = torch.cat([accelerator.reduce(parts[:1].clone(), "sum"), parts[1:]])
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


def _look(
    job: Job,
    options: TrainingOptions,
    wrapped: torch.nn.Module,
    average: MovingAverage | None,
    held: Samples,
    out: Path,
    done: int,
    best: tuple[float, int] | None,
    play: bool,
    curves: Curves | None,
) -> tuple[float, int] | None:
    """Validate, and where due play; keep the checkpoint if it is the best so far."""
    assert curves is not None
    imitator = unwrapped(wrapped)
    with _averaged(imitator, average):
        found = dict(validate(imitator, held, options.batch))
        curves.add(done, "validation", found)
        by_success = job.rollouts is not None and options.rollouts > 0
        if by_success and not play:
            curves.draw()
            return best
        value = -found["loss"]
        if by_success:
            assert job.rollouts is not None
            candidate = out / "candidate"
            _write(job, {}, None, candidate, done, imitator)
            value = job.rollouts(candidate, done)
            curves.add(done, "rollouts", {"success": value})
        curves.draw()
        if best is None or value >= best[0]:
            _write(job, {}, None, out / BEST, done, imitator)
            return value, done
    return best


class _averaged:
    """The moving average in the network's place, for a while."""

    def __init__(self, imitator: Imitator, average: MovingAverage | None) -> None:
        self._imitator, self._average, self._own = imitator, average, dict[str, Tensor]()

    def __enter__(self) -> None:
        if self._average is not None:
            for name, parameter in self._imitator.named_parameters():
                if name in self._average.weights:
                    self._own[name] = parameter.detach().clone()
                    parameter.data.copy_(self._average.weights[name])

    def __exit__(self, *_: object) -> None:
        for name, parameter in self._imitator.named_parameters():
            if name in self._own:
                parameter.data.copy_(self._own[name])


def _write(
    job: Job,
    weights: Mapping[str, Tensor],
    average: MovingAverage | None,
    folder: Path,
    step: int,
    imitator: Imitator | None = None,
) -> None:
    """A checkpoint; weights: the network's own names, in place of those it has."""
    network = job.network if imitator is None else imitator.network
    given = dict(weights)
    if average is not None:
        given |= {_inner(name): value for name, value in average.weights.items()}
    notes = {**job.notes, "trained": f"{step} steps"}
    save_checkpoint(folder, finished_network(network, given), job.contract, job.normalisation, notes, overwrite=True)


def _inner(name: str) -> str:
    return name.removeprefix("module.").removeprefix("network.")


def _save(
    accelerator: Any,  # noqa: ANN401
    out: Path,
    wrapped: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    average: MovingAverage | None,
    progress: Progress,
) -> None:
    save_state(out, wrapped, optimiser, average, progress, accelerator.is_main_process)
    accelerator.wait_for_everyone()


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
