"""Attention of the diffusion transformer: no biases, grouped keys and values, RMS norm on queries and keys (H-RDT)."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class RootMeanSquareNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight over the last axis, in fp32 inside whatever comes in."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, values: Tensor) -> Tensor:
        """(..., width) to the same."""
        wide = values.float()
        scaled = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return scaled.to(values.dtype) * self.weight


class Attention(nn.Module):
    """Queries of one sequence on keys and values of another (or the same).

    ``key_value`` gives the keys of all groups, then their values; H-RDT's files interleave them channel by channel,
    which ``h_rdt.py`` undoes. Each group of keys serves heads / kv_heads neighbouring heads.
    """

    def __init__(self, width: int, heads: int, kv_heads: int, eps: float) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_width = heads, kv_heads, width // heads
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * kv_heads * self.head_width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        self.query_norm = RootMeanSquareNorm(self.head_width, eps)
        self.key_norm = RootMeanSquareNorm(self.head_width, eps)

    def keys_values(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L, width) to keys and values, (B, kv_heads, L, head_width) each; keys normed."""
        batch, length, _ = tokens.shape
        keys, values = self.key_value(tokens).view(batch, length, 2, self.kv_heads, self.head_width).unbind(2)
        return self.key_norm(keys).transpose(1, 2), values.transpose(1, 2)

    def forward(self, tokens: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """Tokens (B, T, width) on keys and values of ``keys_values``; mask (B, 1, 1, L) bool, True attends."""
        batch, length, width = tokens.shape
        queries = self.query_norm(self.query(tokens).view(batch, length, self.heads, self.head_width)).transpose(1, 2)
        groups = self.heads // self.kv_heads
        keys, values = keys.repeat_interleave(groups, dim=1), values.repeat_interleave(groups, dim=1)
        mixed = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        return self.output(mixed.transpose(1, 2).reshape(batch, length, width))
