"""What one observation leaves behind for the flow steps: state tokens, and keys and values of images and words."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mivla_ros.model.block import Block
from mivla_ros.model.config import Concatenation
from mivla_ros.model.errors import ModelError
from mivla_ros.model.network import MivlaNetwork

NOWHERE = -1e9
"""Added to a score, it leaves nothing of it after the softmax, in every type of numbers but fp16."""


class Seen(NamedTuple):
    """Keys and values (1, kv_heads, L, head_width) for every block, what to add to their scores (1, 1, 1, L) (0 or
    NOWHERE; None: nothing), and 1 where there is anything at all, else 0 (1, 1, 1); None: 1."""

    keys_values: tuple[Tensor, ...]
    bias: Tensor | None
    present: Tensor | None


def bias_of(valid: Tensor) -> tuple[Tensor, Tensor]:
    """Valid (1, L), 1 or 0, to a bias and whether anything is there, as of ``Seen``; nothing there: no bias, as a
    softmax over nothing is none."""
    present = valid.amax(dim=1, keepdim=True)
    return ((1 - valid) * present * NOWHERE)[:, None, None], present[:, None]


def blocks_of(network: MivlaNetwork) -> list[Block]:
    """The blocks of a network's trunk."""
    return [block for block in network.trunk.blocks if isinstance(block, Block)]


def words_seen(network: MivlaNetwork, features: Tensor, mask: Tensor) -> Seen:
    """What an instruction leaves behind: features (1, L, width), mask (1, L) bool. Raises ModelError for too many."""
    most = network.config.language.max_tokens
    if features.shape[1] > most:
        raise ModelError(f"language features have {features.shape[1]} tokens, at most {most}", "language")
    valid = mask.to(network.dtype)
    features = torch.where(mask[..., None], features, torch.zeros_like(features)).to(network.dtype)
    tokens = network.language_projection(features) + network.trunk.language_positions[:, : features.shape[1]]
    found: list[Tensor] = []
    for block in blocks_of(network):
        found += _contiguous(block.language_attention.keys_values(block.language_memory_norm(tokens)))
    return Seen(tuple(found), *bias_of(valid))


class ObservationGraph(nn.Module):
    """Images and state to what the flow steps need of them; also the first of the two graphs in ONNX.

    The encoders run on every camera's place, also on one that is missing (its tokens are then masked).
    """

    def __init__(self, network: MivlaNetwork, cameras: int) -> None:
        """cameras: images given, at most the network's places for them."""
        super().__init__()
        self.network = network
        self.cameras = max(cameras, 1)
        for index, (encoder, config) in enumerate(
            zip(network.vision.encoders, network.config.vision.encoders, strict=True)
        ):
            patches = network.config.vision.image_size // config.patch
            side = patches if config.source else config.grid
            # resampling is linear: as a matrix it is the same in every runtime
            eye = torch.eye(side * side).unflatten(1, (side, side))[:, None]
            resized = functional.interpolate(eye, (config.grid, config.grid), mode="bilinear", antialias=True)
            matrix = None if side == config.grid else resized.flatten(1).T.contiguous()
            weights = next(encoder.parameters())
            self.register_buffer(f"grid{index}", None if matrix is None else matrix.to(weights), persistent=False)

    def forward(self, pixels: Tensor, image_valid: Tensor, state: Tensor, state_valid: Tensor) -> tuple[Tensor, ...]:
        """Pixels (C, 3, size, size) uint8, image_valid (1, C) 1 or 0, state (1, 76) normalised, state_valid (1, 76) 1
        or 0, to: state tokens (1, S, width), their bias (1, 1, 1, T), the images' bias and presence, keys and values of
        every block. Bias and presence as of ``Seen``."""
        network, config = self.network, self.network.config
        dtype = network.dtype
        image_valid, state_valid = image_valid.to(dtype), state_valid.to(dtype)
        features = self._features(pixels).to(dtype) * image_valid[0, :, None, None]
        tokens = network.vision_projection(features.flatten(0, 1)[None])
        tokens = tokens + network.trunk.image_positions[:, : tokens.shape[1]]
        found: list[Tensor] = []
        for block in blocks_of(network):
            found += _contiguous(block.image_attention.keys_values(block.image_memory_norm(tokens)))
        bias, present = bias_of(image_valid.repeat_interleave(config.vision.tokens, dim=1))
        own = torch.zeros(1, 1, 1, config.tokens, dtype=dtype, device=state.device)
        parts = []
        state = state.to(dtype) * state_valid
        for index, space in enumerate(config.state_spaces):
            values, there = state[:, space.start : space.stop], state_valid[:, space.start : space.stop]
            given = torch.cat([values, there], dim=-1) if config.masked_inputs else values
            parts.append(network.state_projections[space.name](given))
            if config.masked_inputs:
                missing = (1 - there.amax(dim=1)) * NOWHERE
                own = own + missing * functional.one_hot(torch.tensor(index), config.tokens).to(own)
        return (torch.stack(parts, dim=1), own, bias, present, *found)

    def _features(self, pixels: Tensor) -> Tensor:
        """(C, 3, size, size) uint8 to (C, tokens, width), as VisionEncoders gives them."""
        vision, parts = self.network.vision, []
        widths = [encoder.width for encoder in vision.config.encoders]
        for index, encoder in enumerate(vision.encoders):
            weights = next(encoder.parameters())
            mean, std = getattr(vision, f"mean{index}"), getattr(vision, f"std{index}")
            tokens = encoder(((pixels.float() - mean.float()) / std.float()).to(weights.dtype))
            matrix = getattr(self, f"grid{index}")
            if matrix is not None:
                tokens = matrix @ tokens
            if vision.config.concatenation is Concatenation.TOKEN:
                tokens = functional.pad(tokens, (sum(widths[:index]), sum(widths[index + 1 :])))
            parts.append(tokens)
        return torch.cat(parts, dim=1 if vision.config.concatenation is Concatenation.TOKEN else -1)


def _contiguous(pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return pair[0].contiguous(), pair[1].contiguous()
