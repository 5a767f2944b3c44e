"""The processes that train together, as `accelerate launch` starts them: one, copies of the network, or one network
whose weights are divided over all (FSDP2).

Divided are the trunk's blocks, each gathered when it computes, and what else is trained, gathered for a whole forward
pass; frozen encoders are whole in every process, for how often they are asked differs between processes.
"""

import os
import warnings
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn

from mivla_ros.model.block import Block, BlockModulation
from mivla_ros.training.errors import TrainingError
from mivla_ros.training.imitator import Imitator

PATIENCE = timedelta(hours=6)  # the others wait while the main process plays rollouts
DIVIDED = "ACCELERATE_USE_FSDP"  # set by `accelerate launch --use_fsdp`


def is_first() -> bool:
    """Whether this process is the one that writes and speaks."""
    return os.environ.get("RANK", "0") == "0"


def join(precision: str) -> Any:  # noqa: ANN401
    """Accelerate's Accelerator for this process among the others, on GPUs where there are any. precision: of
    TrainingOptions. Raises TrainingError for FSDP's first version.
    """
    from accelerate import (  # type: ignore[import-untyped]
        Accelerator,
        DistributedDataParallelKwargs,
        InitProcessGroupKwargs,
    )

    asked = int(os.environ.get("WORLD_SIZE", "1"))
    mixed = precision == "bfloat16"
    plugin = _division(mixed) if os.environ.get(DIVIDED, "false").lower() == "true" else None
    on_cpus = asked > 1 and not torch.accelerator.is_available()
    if on_cpus and plugin is not None:
        _divide_on_cpu()
    return Accelerator(
        cpu=on_cpus and plugin is None,
        mixed_precision="bf16" if mixed else "no",
        fsdp_plugin=plugin,
        kwargs_handlers=[
            DistributedDataParallelKwargs(find_unused_parameters=True),
            InitProcessGroupKwargs(timeout=PATIENCE),
        ],
    )


def _division(mixed: bool) -> Any:  # noqa: ANN401
    """FSDP2 as the network needs it, with the rest of what the launch asks for."""
    from accelerate import FullyShardedDataParallelPlugin
    from torch.distributed.fsdp import MixedPrecisionPolicy

    version = os.environ.get("FSDP_VERSION", "1")
    if version != "2":
        raise TrainingError("fsdp_version", f"is {version}, must be 2: give accelerate launch --fsdp_version 2")
    low = torch.bfloat16 if mixed else None
    return FullyShardedDataParallelPlugin(
        fsdp_version=2,
        auto_wrap_policy="transformer_based_wrap",
        transformer_cls_names_to_wrap=[Block.__name__, BlockModulation.__name__],
        # samples keep their precision until the network takes them in
        mixed_precision_policy=MixedPrecisionPolicy(low, torch.float32 if mixed else None, None, False),
        cpu_ram_efficient_loading=False,
    )


def _divide_on_cpu() -> None:
    """Accelerate divides weights over accelerators only; processes on CPUs are called such, with gloo between them."""
    from accelerate import PartialState
    from accelerate.utils import DistributedType  # type: ignore[import-untyped]

    state = PartialState(cpu=True, timeout=PATIENCE)
    if state.distributed_type == DistributedType.MULTI_CPU:
        state.distributed_type = DistributedType.MULTI_GPU


def prepare(accelerator: Any, imitator: Imitator, optimiser: torch.optim.Optimizer) -> tuple[nn.Module, Any]:  # noqa: ANN401
    """Network and optimiser for all processes together."""
    if not accelerator.is_fsdp2:
        return accelerator.prepare(imitator, optimiser)
    from torch.distributed.fsdp import FSDPModule, register_fsdp_forward_method

    network = imitator.network
    # keys and values of a block are views, which nothing changes in place
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view tensor", UserWarning)
    frozen = [m for m in (network.vision, network.language) if not any(p.requires_grad for p in m.parameters())]
    accelerator.state.fsdp_plugin.ignored_modules = [module.to(accelerator.device) for module in frozen]
    wrapped, prepared = accelerator.prepare(imitator, optimiser)
    for part in wrapped.modules():
        if isinstance(part, FSDPModule):  # without a picture in its share, a process has no gradient there
            part.set_reduce_scatter_unused_params(True, recurse=False)
    register_fsdp_forward_method(wrapped, "sample")
    for block in network.trunk.blocks:
        register_fsdp_forward_method(block, "memory")
    return wrapped, prepared


def unwrapped(module: nn.Module) -> Imitator:
    """The imitator inside a data-parallel wrapper."""
    inner = getattr(module, "module", module)
    assert isinstance(inner, Imitator)
    return inner


def let_go(module: nn.Module) -> None:
    """Forget gathered weights, so that the divided ones are what is read and changed. Nothing without FSDP."""
    from torch.distributed.fsdp import FSDPModule

    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


def whole(values: Mapping[str, Tensor], keep: bool = True) -> dict[str, Tensor]:
    """Divided values gathered, on the CPU; all processes call it. keep: whether this one needs them, else nothing is
    returned. What was whole and there already is no copy."""
    from torch.distributed.tensor import DTensor

    found: dict[str, Tensor] = {}
    for name, value in values.items():
        full = value.full_tensor() if isinstance(value, DTensor) else value
        if keep:
            found[name] = full.detach().cpu()
    return found


def summed(accelerator: Any, values: Tensor) -> Tensor:  # noqa: ANN401
    """The sum over all processes."""
    return accelerator.reduce(values, "sum") if accelerator.num_processes > 1 else values


def from_first(accelerator: Any, value: float) -> float:  # noqa: ANN401
    """The main process's number, in every process."""
    if accelerator.num_processes == 1:
        return value
    given = torch.tensor([value if accelerator.is_main_process else 0.0], dtype=torch.float64).to(accelerator.device)
    return float(accelerator.reduce(given, "sum"))
