"""Small layers of the diffusion transformer: gated feed-forward, time embedding, projections."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class SwiGLU(nn.Module):
    """down(silu(gate x) * up x), without biases."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        """(..., width) to the same."""
        return self.down(functional.silu(self.gate(values)) * self.up(values))


def time_features(time: Tensor, count: int) -> Tensor:
    """Flow times (B,), 0 to 1 as they are, to (B, count): cosines, then sines, of exp(-ln(10000) i / (count/2)) t.

    Not scaled by 1000 as in most diffusion code (H-RDT, paper.md 2.2).
    """
    half = count // 2
    frequencies = torch.exp(-math.log(1e4) * torch.arange(half, dtype=torch.float32, device=time.device) / half)
    angles = time.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class TimeEmbedding(nn.Module):
    """Flow time to a vector of the trunk's width."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.features = features
        self.layers = nn.Sequential(nn.Linear(features, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, time: Tensor) -> Tensor:
        """(B,) to (B, width)."""
        return self.layers(time_features(time, self.features).to(next(self.parameters()).dtype))


def modulate(values: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Values (B, T, width) scaled by 1 + scale and shifted; shift and scale (B, width)."""
    return values * (1 + scale[:, None]) + shift[:, None]


def projection(inputs: int, width: int, layers: int) -> nn.Sequential:
    """Linear, then SiLU and Linear for every further layer, as H-RDT's ``mlpNx_silu``."""
    parts: list[nn.Module] = [nn.Linear(inputs, width)]
    for _ in range(layers - 1):
        parts += [nn.SiLU(), nn.Linear(width, width)]
    return nn.Sequential(*parts)
