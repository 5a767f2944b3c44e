"""Flow matching from noise (time 0) to actions (time 1), as H-RDT: x_t = t a + (1 - t) noise, velocity a - noise.

openpi runs the other way (time 1 is noise); nothing here takes its times.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from mivla_ros.model.config import FlowConfig
from mivla_ros.model.network import Memory, MivlaNetwork


def noisy_actions(actions: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """Actions and noise (B, H, D) mixed at times (B,)."""
    share = time.to(actions.dtype)[:, None, None]
    return share * actions + (1 - share) * noise


def target_velocity(actions: Tensor, noise: Tensor) -> Tensor:
    """The velocity the network shall give at every time, (B, H, D)."""
    return actions - noise


def training_times(count: int, config: FlowConfig, generator: torch.Generator | None = None) -> Tensor:
    """(count,) times from 0 to time_max: uniform, or logit-normal with mean 0 and deviation 1."""
    if config.time_sampling == "logit_normal":
        return config.time_max * torch.sigmoid(torch.randn(count, generator=generator))
    return config.time_max * torch.rand(count, generator=generator)


def step_times(steps: int) -> list[float]:
    """Times at which Euler's method asks for a velocity: 0, 1/n, ... (n-1)/n."""
    return [step / steps for step in range(steps)]


def euler(velocity: Callable[[Tensor, float], Tensor], noise: Tensor, steps: int) -> Tensor:
    """Actions from noise in ``steps`` equal steps; ``velocity(x, time)``."""
    actions = noise
    for time in step_times(steps):
        actions = actions + velocity(actions, time) / steps
    return actions


def noise_like(mask: Tensor, seed: int) -> Tensor:
    """Noise (B, H, D) fp32 for a mask of that shape, the same for the same seed on every device."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(mask.shape, generator=generator).to(mask.device)


@torch.no_grad()
def sample_actions(
    network: MivlaNetwork, memory: Memory, mask: Tensor, noise: Tensor, steps: int | None = None
) -> Tensor:
    """Normalised actions (B, H, size) fp32, ``config.columns`` of the 76; 0 where mask (B, H, size) is False."""
    count = len(mask)

    def velocity(noisy: Tensor, time: float) -> Tensor:
        times = torch.full((count,), time, dtype=torch.float32, device=mask.device)
        return network.velocity(noisy, mask, network.modulation(times), memory).float()

    return torch.where(mask, euler(velocity, noise, steps or network.config.flow.steps), torch.zeros_like(noise))
