"""Where a run is, in safetensors and JSON: weights, optimiser, moving average, step. Written whole or not at all.

The order of samples, noise and the learning rate are functions of the step, so nothing else is needed to go on with
the same losses.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mivla_ros.model.weights import read_weights, save_weights
from mivla_ros.training.adapting import MovingAverage
from mivla_ros.training.best import Best
from mivla_ros.training.errors import TrainingError
from mivla_ros.training.processes import unwrapped, whole

POINTER, PREFIX = "latest.json", "state-"
SEPARATOR = "::"


@dataclass(frozen=True)
class Progress:
    """step: the next one. best: the best checkpoint so far, None before there is one. described: options and data,
    compared when a run goes on. log_bytes: of the log that belong to what is saved."""

    step: int
    best: Best | None
    described: Mapping[str, Any]
    log_bytes: int


def save_state(
    out: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: MovingAverage | None,
    progress: Progress,
    writes: bool = True,
) -> None:
    """Write the state of ``progress.step`` beside the older one, point to it, then delete the older one. All processes
    call it, one of them ``writes``."""
    weights, moments = _full_state(network, optimiser)
    averages = whole(average.weights, writes) if average is not None else None
    if not writes:
        return
    folder = out / f"{PREFIX}{progress.step:08d}"
    unfinished = out / f".{folder.name}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    save_weights(unfinished / "weights.safetensors", weights)
    save_weights(unfinished / "optimiser.safetensors", moments)
    if averages is not None:
        save_weights(unfinished / "average.safetensors", averages)
    data = {
        "step": progress.step,
        "best": None if progress.best is None else asdict(progress.best),
        "described": dict(progress.described),
        "log_bytes": progress.log_bytes,
    }
    (unfinished / "progress.json").write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    for file in unfinished.iterdir():
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.replace(folder)
    pointer = out / f".{POINTER}"
    pointer.write_text(json.dumps({"state": folder.name}) + "\n", "utf-8")
    pointer.replace(out / POINTER)
    for old in out.glob(f"{PREFIX}*"):
        if old != folder:
            shutil.rmtree(old)


def read_progress(out: Path) -> Progress | None:
    """Where the run in this folder is, None where there is none. Raises TrainingError where its files are damaged."""
    if not (out / POINTER).exists():
        return None
    try:
        folder = state_folder(out)
        data = json.loads((folder / "progress.json").read_text("utf-8"))
        best = None if data["best"] is None else Best(**data["best"])
        return Progress(int(data["step"]), best, dict(data["described"]), int(data["log_bytes"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(str(out), f"the run in it cannot be read: {error}") from error


def state_folder(out: Path) -> Path:
    """Folder of the newest state. Raises ValueError for a pointer that leads elsewhere."""
    name = str(json.loads((out / POINTER).read_text("utf-8"))["state"])
    if not name.startswith(PREFIX) or "/" in name:
        raise ValueError(f"{POINTER} names {name!r}")
    return out / name


def load_state(out: Path, network: nn.Module, optimiser: torch.optim.Optimizer, average: MovingAverage | None) -> None:
    """Bring network, optimiser and average to the newest state. Raises TrainingError where they do not fit."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
    from torch.distributed.checkpoint.state_dict import set_optimizer_state_dict as set_optimiser

    folder = state_folder(out)
    full = StateDictOptions(full_state_dict=True, cpu_offload=True, strict=False)
    weights = read_weights(folder / "weights.safetensors")
    own = {name for name, parameter in _named(network) if parameter.requires_grad}
    if weights.keys() != own:
        different = sorted(weights.keys() ^ own)
        raise TrainingError(str(folder), f"holds another network's weights: {different[0]} and {len(different)} in all")
    set_model_state_dict(network, dict[str, Any](weights), options=full)
    loaded = read_weights(folder / "optimiser.safetensors")
    state: dict[str, Any] = {"state": {}, "param_groups": _groups(network, optimiser)}
    for key, value in loaded.items():
        name, _, part = key.partition(SEPARATOR)
        state["state"].setdefault(name, {})[part] = value
    set_optimiser(network, optimiser, state, options=full)
    if average is not None:
        for name, value in read_weights(folder / "average.safetensors").items():
            put(average.weights[name], value)


def put(into: Tensor, value: Tensor) -> None:
    """Values into a tensor, of which they may be the whole and it this process's part."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    with torch.no_grad():
        if isinstance(into, DTensor):
            value = distribute_tensor(value.to(into.device), into.device_mesh, into.placements, src_data_rank=None)
        into.copy_(value)


def _groups(network: nn.Module, optimiser: torch.optim.Optimizer) -> list[dict[str, Any]]:
    names = {id(parameter): name for name, parameter in _named(network)}
    return [{**group, "params": [names[id(p)] for p in group["params"]]} for group in optimiser.param_groups]


def checkpoint_weights(wrapped: nn.Module, keep: bool) -> dict[str, Tensor]:
    """What a checkpoint holds of a network, by the network's own names, on the CPU; all processes call it.

    keep: whether this process needs them, else nothing is returned."""
    network = unwrapped(wrapped).network
    return whole({key: value for key, value in network.state_dict().items() if network.is_stored(key)}, keep)


def _full_state(network: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Trained weights, and the optimiser's moments by ``weight::moment``, whole; frozen weights are left to where they
    came from. With divided weights, only the main process gets any."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict, get_optimizer_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
    trained = {name for name, parameter in _named(network) if parameter.requires_grad}
    given: Any = get_model_state_dict(network, options=options)
    weights = {name: value.clone() for name, value in given.items() if name in trained}
    found: Any = get_optimizer_state_dict(network, optimiser, options=options)
    moments = {
        f"{name}{SEPARATOR}{part}": value.clone()
        for name, parts in found.get("state", {}).items()
        for part, value in parts.items()
        if isinstance(value, Tensor)
    }
    return weights, moments


def _named(network: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name.removeprefix("module."), parameter) for name, parameter in network.named_parameters()]
