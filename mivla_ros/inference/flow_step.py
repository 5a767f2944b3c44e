"""One flow step: only the action tokens go through the network; everything else is given. The second graph in ONNX."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mivla_ros.inference.observation import blocks_of
from mivla_ros.model.attention import Attention
from mivla_ros.model.block import MODULATIONS
from mivla_ros.model.flow import step_times
from mivla_ros.model.network import MivlaNetwork

SCALES = (1, 4, 7)
"""Which of a block's nine modulations are scales; 1 is added to them beforehand."""


class FixedModulation(NamedTuple):
    """What a flow time changes: blocks (depth, 9, width), decoder (2, width), 1 added to every scale."""

    blocks: Tensor
    decoder: Tensor


def fixed_modulations(network: MivlaNetwork, steps: int) -> list[FixedModulation]:
    """Those of every flow time of ``steps`` Euler steps, computed once for a network."""
    found = []
    for time in step_times(steps):
        given = network.modulation(torch.full((1,), time, dtype=torch.float32, device=network.device))
        blocks = torch.stack([block[0].view(MODULATIONS, -1) for block in given.blocks])
        decoder = given.decoder[0].view(2, -1).clone()
        blocks[:, SCALES, :] += 1
        decoder[1] += 1
        found.append(FixedModulation(blocks, decoder))
    return found


class FlowStep(nn.Module):
    """The network's velocity for one observation, from keys and values that are there already."""

    def __init__(self, network: MivlaNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        noisy: Tensor,
        valid: Tensor,
        blocks: Tensor,
        decoder: Tensor,
        state_tokens: Tensor,
        own_bias: Tensor | None,
        image_bias: Tensor | None,
        has_image: Tensor | None,
        word_bias: Tensor | None,
        has_words: Tensor | None,
        images: tuple[Tensor, ...],
        words: tuple[Tensor, ...],
    ) -> Tensor:
        """Noisy actions and which of them there are (1 or 0), (1, H, size), to their velocity. blocks, decoder: a
        FixedModulation; images, words: keys and values block by block (key, value, key, value ...), see ``Seen``."""
        network, dtype = self.network, self.network.dtype
        valid = valid.to(dtype)
        actions = noisy.to(dtype) * valid
        if network.config.masked_inputs:
            actions = torch.cat([actions, valid], dim=-1)
        tokens = torch.cat([state_tokens, network.action_projection(actions)], dim=1) + network.trunk.own_positions
        for index, block in enumerate(blocks_of(network)):
            change = blocks[index]
            seen = block.self_norm(tokens) * change[1] + change[0]
            attention = block.self_attention
            tokens = tokens + change[2] * _looked(attention, seen, *attention.keys_values(seen), own_bias)

            seen = block.image_norm(tokens) * change[4] + change[3]
            looked = _looked(block.image_attention, seen, images[2 * index], images[2 * index + 1], image_bias)
            tokens = tokens + change[5] * (looked if has_image is None else looked * has_image)

            seen = block.language_norm(tokens)
            looked = _looked(block.language_attention, seen, words[2 * index], words[2 * index + 1], word_bias)
            tokens = tokens + (looked if has_words is None else looked * has_words)

            seen = block.ffn_norm(tokens) * change[7] + change[6]
            tokens = tokens + change[8] * block.ffn(seen)
        last = network.trunk.decoder
        tokens = last.norm(tokens[:, -network.config.horizon :]) * decoder[1] + decoder[0]
        return (last.layers(tokens) * valid).float()


def _looked(attention: Attention, tokens: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
    """As ``Attention.forward``, but the queries of all heads that share keys are put in one row: keys and values are
    never repeated."""
    _, length, width = tokens.shape
    queries = attention.query(tokens).view(1, length, attention.heads, attention.head_width)
    queries = attention.query_norm(queries).transpose(1, 2)
    grouped = queries.reshape(1, attention.kv_heads, -1, attention.head_width)
    mixed = functional.scaled_dot_product_attention(grouped, keys, values, attn_mask=bias)
    mixed = mixed.reshape(1, attention.heads, length, attention.head_width)
    return attention.output(mixed.transpose(1, 2).reshape(1, length, width))
