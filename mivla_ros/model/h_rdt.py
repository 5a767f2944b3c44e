"""H-RDT's public weights in this trunk: every key has its counterpart (paper.md 2.3).

Only the projections of keys and values differ in layout: H-RDT's gives key and value of each channel side by side,
this one all keys and then all values; ``separated`` and ``interleaved`` turn one into the other.
"""

import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mivla_ros.model.config import NetworkConfig
from mivla_ros.model.errors import CheckpointError
from mivla_ros.model.network import MivlaNetwork, build_network, without_encoders
from mivla_ros.model.presets import H_RDT_HUMAN, H_RDT_ROBOT
from mivla_ros.model.weights import check_finite, put_weights, read_weights

WRAPPERS = ("state_dict", "model")
CAMERA_ORDER = ("head", "right", "left")
"""Of H-RDT's training and of its evaluation in RoboTwin; its example on a real robot has left before right."""

_BLOCK = {
    "attn_norm": "self_norm",
    "img_cross_norm": "image_norm",
    "img_cond_norm": "image_memory_norm",
    "lang_cross_norm": "language_norm",
    "lang_cond_norm": "language_memory_norm",
    "ffn_norm": "ffn_norm",
    "adaLN_modulation.1": "modulation.1",
}
_ATTENTION = {"attn": "self_attention", "img_cross_attn": "image_attention", "lang_cross_attn": "language_attention"}
_PROJECTIONS = {
    "wq.weight": "query.weight",
    "wkv.weight": "key_value.weight",
    "wo.weight": "output.weight",
    "norm_q.weight": "query_norm.weight",
    "norm_k.weight": "key_norm.weight",
}
_DECODER = {
    "ffn_norm": "norm",
    "ffn.fc1": "layers.0",
    "ffn.fc2": "layers.2",
    "adaLN_modulation.1": "modulation.1",
}


def key_table(config: NetworkConfig) -> dict[str, str]:
    """H-RDT's name of every weight to the name here, for a network with one state space."""
    table = {
        "model.x_pos_emb": "trunk.own_positions",
        "model.lang_pos_emb": "trunk.language_positions",
        "model.img_pos_emb": "trunk.image_positions",
    }

    def both(theirs: str, ours: str) -> None:
        table[f"{theirs}.weight"], table[f"{theirs}.bias"] = f"{ours}.weight", f"{ours}.bias"

    for layer in (0, 2):
        both(f"model.t_embedder.mlp.{layer}", f"trunk.time.layers.{layer}")
    for index in range(config.trunk.depth):
        theirs, ours = f"model.blocks.{index}", f"trunk.blocks.{index}"
        for their_name, our_name in _BLOCK.items():
            both(f"{theirs}.{their_name}", f"{ours}.{our_name}")
        for their_name, our_name in _ATTENTION.items():
            for their_part, our_part in _PROJECTIONS.items():
                table[f"{theirs}.{their_name}.{their_part}"] = f"{ours}.{our_name}.{our_part}"
        for their_part, our_part in (("w1", "gate"), ("w2", "down"), ("w3", "up")):
            table[f"{theirs}.ffn.{their_part}.weight"] = f"{ours}.ffn.{our_part}.weight"
    for their_name, our_name in _DECODER.items():
        both(f"model.action_decoder.{their_name}", f"trunk.decoder.{our_name}")
    for layer in range(config.projection_layers):
        both(f"img_adapter.{2 * layer}", f"vision_projection.{2 * layer}")
        both(f"lang_adapter.{2 * layer}", f"language_projection.{2 * layer}")
    space = config.state_spaces[0].name
    for layer in range(config.adaptor_layers):
        both(f"action_encoder.state_adaptor.{2 * layer}", f"state_projections.{space}.{2 * layer}")
        both(f"action_encoder.action_adaptor.{2 * layer}", f"action_projection.{2 * layer}")
    return table


def separated(weight: Tensor, head_width: int) -> Tensor:
    """H-RDT's wkv (groups x head_width x 2, inputs) to all keys' rows, then all values' rows."""
    groups = weight.shape[0] // (2 * head_width)
    return weight.view(groups, head_width, 2, -1).permute(2, 0, 1, 3).reshape(weight.shape)


def interleaved(weight: Tensor, head_width: int) -> Tensor:
    """The inverse of ``separated``."""
    groups = weight.shape[0] // (2 * head_width)
    return weight.view(2, groups, head_width, -1).permute(1, 2, 0, 3).reshape(weight.shape)


def expected_shapes(config: NetworkConfig) -> dict[str, tuple[int, ...]]:
    """H-RDT's names and shapes for a configuration, worked out without any memory."""
    own = build_network(config, without_encoders(), device="meta").state_dict()
    return {theirs: tuple(own[ours].shape) for theirs, ours in key_table(config).items()}


def read_h_rdt(path: Path) -> dict[str, Tensor]:
    """Tensors of a file of H-RDT's: .safetensors, or .bin and .pt, of which plain tensors are read and nothing else.

    Raises CheckpointError for a file that is missing, broken, holds anything but tensors or NaN.
    """
    if path.suffix == ".safetensors":
        found: Any = read_weights(path)
    else:
        if not path.is_file():
            raise CheckpointError(f"{path}: does not exist", path.name)
        try:
            found = torch.load(path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
            line = str(error).strip().partition("\n")[0]
            raise CheckpointError(f"{path}: is not a file of plain tensors: {line}", path.name) from error
    for wrapper in WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    if not isinstance(found, dict) or not found:
        raise CheckpointError(f"{path}: holds no weights by name", path.name)
    for key, value in found.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise CheckpointError(f"{path}: {key!r} is {type(value).__name__}, must be a tensor", str(key))
    check_finite(found, path)
    return found


def h_rdt_config(weights: Mapping[str, Tensor], source: str) -> NetworkConfig:
    """Which of H-RDT's networks these weights are: by the size of its actions, and its number of cameras.

    Raises CheckpointError where they are neither.
    """
    key, positions = "action_encoder.action_adaptor.0.weight", "model.img_pos_emb"
    for name in (key, positions):
        if name not in weights:
            raise CheckpointError(f"{source}: {name} is missing, this is not H-RDT's", name)
    sizes = {config.size: config for config in (H_RDT_HUMAN, H_RDT_ROBOT)}
    size, tokens = weights[key].shape[-1], weights[positions].shape[1]
    if size not in sizes:
        raise CheckpointError(f"{source}: {key} takes {size} values, H-RDT's take {' or '.join(map(str, sizes))}", key)
    config = sizes[size]
    if tokens % config.vision.tokens:
        raise CheckpointError(
            f"{source}: {positions} has {tokens} places, must be a multiple of {config.vision.tokens}", positions
        )
    return replace(config, cameras=tokens // config.vision.tokens)


def translated(weights: Mapping[str, Tensor], config: NetworkConfig, source: str) -> dict[str, Tensor]:
    """Weights under the names and in the layout of this suite.

    Raises CheckpointError naming keys that are missing, unknown or of another shape than H-RDT's.
    """
    table, shapes = key_table(config), expected_shapes(config)
    missing, unknown = sorted(table.keys() - weights.keys()), sorted(weights.keys() - table.keys())
    if missing or unknown:
        what, names = ("missing", missing) if missing else ("not one of H-RDT's keys", unknown)
        rest = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise CheckpointError(f"{source}: {names[0]}{rest}: {what}", names[0])
    for key, shape in shapes.items():
        if tuple(weights[key].shape) != shape:
            raise CheckpointError(f"{source}: {key} is {tuple(weights[key].shape)}, H-RDT's is {shape}", key)
    head = config.trunk.head_width
    return {
        ours: separated(weights[theirs], head) if theirs.endswith("wkv.weight") else weights[theirs]
        for theirs, ours in table.items()
    }


def h_rdt_network(
    weights: Mapping[str, Tensor], config: NetworkConfig, source: Path, dtype: torch.dtype = torch.bfloat16
) -> MivlaNetwork:
    """H-RDT itself. Raises CheckpointError as ``translated``."""
    network = build_network(config, without_encoders(), dtype=dtype, empty=True)
    put_weights(network, translated(weights, config, str(source)), set(network.state_dict()), source)
    return network


def mivla_from_h_rdt(
    weights: Mapping[str, Tensor],
    config: NetworkConfig,
    target: NetworkConfig,
    source: Path,
    seed: int = 0,
    dtype: torch.dtype = torch.bfloat16,
) -> tuple[MivlaNetwork, tuple[str, ...]]:
    """MiVLA's network on H-RDT's trunk, and the names of the weights that stay random.

    As in H-RDT's own fine-tuning, the projections of state and actions and the decoder are new, and positions of
    images are where their number differs. The place of H-RDT's state token is given to all of MiVLA's.
    Raises CheckpointError where a weight of the trunk has another shape.
    """
    found = translated(weights, config, str(source))
    own, states = found["trunk.own_positions"], len(target.state_spaces)
    found["trunk.own_positions"] = torch.cat([own[:, :1].expand(-1, states, -1), own[:, 1:]], dim=1)
    network = build_network(target, without_encoders(), seed=seed, dtype=dtype)
    present = network.state_dict()
    new = ("state_projections.", "action_projection.", "trunk.decoder.")
    taken = {key: value for key, value in found.items() if key in present and not key.startswith(new)}
    if taken["trunk.image_positions"].shape != present["trunk.image_positions"].shape:
        del taken["trunk.image_positions"]
    put_weights(network, taken, set(taken), source)
    return network, tuple(sorted(key for key in present if key not in taken))
