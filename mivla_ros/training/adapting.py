"""Which weights are trained, and what is written of them: frozen parts, LoRA, a moving average."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mivla_ros.model.encoder_weights import EncoderMode, EncoderSource
from mivla_ros.model.network import MivlaNetwork, build_network
from mivla_ros.model.weights import put_weights
from mivla_ros.training.errors import TrainingError
from mivla_ros.training.options import Adaptation, TrainingOptions

PARTS: Mapping[str, tuple[str, ...]] = {
    "vision": ("vision.",),
    "language": ("language.",),
    "trunk": ("trunk.",),
    "projections": ("vision_projection.", "language_projection."),
    "adaptors": ("state_projections.", "action_projection."),
}
LORA = "lora_"
BESIDE_LORA = (*PARTS["adaptors"], "trunk.decoder")


def adapt(network: MivlaNetwork, options: TrainingOptions) -> None:
    """Freeze parts, and put LoRA's layers in, drawn by the seed. Raises TrainingError for a part that there is not, or
    where nothing is left to train."""
    for name in options.frozen:
        if name not in PARTS:
            raise TrainingError("frozen", f"names {name!r}, must be of {', '.join(PARTS)}")
    if options.adaptation is Adaptation.LORA:
        from peft import LoraConfig, inject_adapter_in_model

        linear = [n for n, m in network.named_modules() if n.startswith("trunk.") and isinstance(m, nn.Linear)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)
            config = LoraConfig(r=options.rank, lora_alpha=2 * options.rank, target_modules=linear)
            inject_adapter_in_model(config, network)
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(LORA in name or name.startswith(BESIDE_LORA))
    for name, parameter in network.named_parameters():
        if any(name.startswith(prefix) for part in options.frozen for prefix in PARTS[part]):
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise TrainingError("frozen", f"is {', '.join(options.frozen)}: nothing is left to train")


def stored_weights(network: MivlaNetwork, weights: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Weights as a checkpoint holds them, LoRA's changes added. weights: trained ones by name, in place of the
    network's own (a moving average, or gathered from many processes)."""
    every = {**network.state_dict(), **(weights or {})}
    found: dict[str, Tensor] = {}
    for name, value in every.items():
        if LORA in name:
            continue
        key = name.replace(".base_layer.", ".")
        if ".base_layer.weight" in name:
            layer = name.removesuffix(".base_layer.weight")
            adapter: Any = network.get_submodule(layer)
            scale = adapter.scaling["default"]
            change = every[f"{layer}.lora_B.default.weight"].float() @ every[f"{layer}.lora_A.default.weight"].float()
            value = (value.float() + scale * change).to(value.dtype)
        if network.is_stored(key):
            found[key] = value
    return found


def finished_network(network: MivlaNetwork, weights: Mapping[str, Tensor] | None = None) -> MivlaNetwork:
    """A network for a checkpoint, without LoRA's layers and without encoders that come from elsewhere."""
    dtype = torch.bfloat16 if network.config.trunk.width >= 2048 else torch.float32
    fresh = build_network(network.config, EncoderSource(EncoderMode.ABSENT), dtype=dtype, empty=True)
    stored = {key: value.detach().cpu() for key, value in stored_weights(network, weights).items()}
    put_weights(fresh, stored, {key for key in fresh.state_dict() if fresh.is_stored(key)}, Path("trained weights"))
    return fresh


class MovingAverage:
    """Exponential moving average of the trained weights, slower as training goes on: at most (1 + n) / (10 + n).

    weights: by the names in the network that trains; divided over processes as its weights are.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {n: p.detach().clone().float() for n, p in network.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """After the step with this number."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, parameter in self.of(network):
            self.weights[name].lerp_(parameter.detach().float(), 1 - decay)

    def of(self, network: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
        """The weights it is an average of."""
        return ((name, parameter) for name, parameter in network.named_parameters() if name in self.weights)
