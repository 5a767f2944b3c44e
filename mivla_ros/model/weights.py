"""Weights to and from safetensors files, with one clear error for everything that can be wrong with them."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from mivla_ros.model.errors import CheckpointError

SHOWN = 3  # names in an error


def save_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write a safetensors file. Raises CheckpointError naming a weight that is not finite."""
    from safetensors.torch import save_file

    check_finite(weights, path)
    save_file({key: value.detach().cpu().contiguous() for key, value in weights.items()}, str(path))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file. Raises CheckpointError for one that is missing, truncated or no such file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise CheckpointError(f"{path}: does not exist", path.name)
    try:
        return load_file(str(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: is not a whole safetensors file: {error}", path.name) from error


def check_finite(weights: Mapping[str, Tensor], path: Path) -> None:
    """Raise CheckpointError naming the weights that hold NaN or infinity."""
    bad = [key for key, value in weights.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if bad:
        raise CheckpointError(f"{path}: NaN or infinity in {_names(bad)}", bad[0])


def put_weights(network: nn.Module, weights: Mapping[str, Tensor], wanted: set[str], path: Path) -> None:
    """Put weights into a network, which keeps its type of numbers; what it has no memory for yet takes them over.

    Raises CheckpointError naming what is missing, unknown or of another shape.
    """
    own = network.state_dict(keep_vars=True)
    missing, unknown = sorted(wanted - weights.keys()), sorted(weights.keys() - wanted)
    if missing or unknown:
        parts = [f"{what}: {_names(names)}" for what, names in (("missing", missing), ("unknown", unknown)) if names]
        raise CheckpointError(f"{path}: not the weights of this network; {'; '.join(parts)}", (missing + unknown)[0])
    for key in sorted(wanted):
        if weights[key].shape != own[key].shape:
            raise CheckpointError(
                f"{path}: {key} is {tuple(weights[key].shape)}, the network's is {tuple(own[key].shape)}", key
            )
    check_finite(weights, path)
    for key in wanted:
        if own[key].is_meta:
            module, _, name = key.rpartition(".")
            taken = nn.Parameter(weights[key].to(own[key].dtype), own[key].requires_grad)
            setattr(network.get_submodule(module), name, taken)
        else:
            with torch.no_grad():
                own[key].copy_(weights[key])


def _names(names: list[str]) -> str:
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest
