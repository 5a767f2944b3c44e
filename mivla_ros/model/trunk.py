"""The diffusion transformer: tokens of state and noisy actions, conditioned on images, words and the flow time."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mivla_ros.model.block import Block, BlockMemory, Masks
from mivla_ros.model.config import NetworkConfig
from mivla_ros.model.layers import TimeEmbedding, modulate
from mivla_ros.model.positions import language_positions, own_positions, vision_positions


class Modulation(NamedTuple):
    """What depends on the flow time alone: blocks (B, 9 width) each, decoder (B, 2 width)."""

    blocks: tuple[Tensor, ...]
    decoder: Tensor


class ActionDecoder(nn.Module):
    """Tokens to values: modulated norm, one hidden layer of 4 x width."""

    def __init__(self, width: int, size: int, eps: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=eps)
        self.layers = nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, size))
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def forward(self, tokens: Tensor, modulation: Tensor) -> Tensor:
        """(B, T, width) to (B, T, size); modulation (B, 2 width)."""
        shift, scale = modulation.chunk(2, dim=-1)
        return self.layers(modulate(self.norm(tokens), shift, scale))


class Trunk(nn.Module):
    """Blocks, positions, time and decoder; keys of its state dict are translated to H-RDT's in ``h_rdt.py``."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        trunk = config.trunk
        self.horizon = config.horizon
        self.time = TimeEmbedding(trunk.time_features, trunk.width)
        self.own_positions = nn.Parameter(torch.empty(1, config.tokens, trunk.width))
        self.image_positions = nn.Parameter(torch.empty(1, config.cameras * config.vision.tokens, trunk.width))
        self.language_positions = nn.Parameter(torch.empty(1, config.language.max_tokens, trunk.width))
        self.blocks = nn.ModuleList([Block(trunk) for _ in range(trunk.depth)])
        self.decoder = ActionDecoder(trunk.width, config.size, trunk.norm_eps)
        self._config = config

    def initialise(self) -> None:
        """Positions as H-RDT starts them; modulations and the decoder's last layer zero, so that training begins from
        the identity."""
        config, width = self._config, self._config.trunk.width
        with torch.no_grad():
            states = len(config.state_spaces)
            self.own_positions.copy_(torch.from_numpy(own_positions(states, config.horizon, width))[None])
            self.image_positions.copy_(
                torch.from_numpy(vision_positions(config.cameras, config.vision.tokens, width))[None]
            )
            self.language_positions.copy_(torch.from_numpy(language_positions(config.language.max_tokens, width))[None])
            for layer in (self.time.layers[0], self.time.layers[2]):
                assert isinstance(layer, nn.Linear)
                nn.init.normal_(layer.weight, std=0.02)
            modulations = [block.modulation[1] for block in self.blocks if isinstance(block, Block)]
            for layer in (*modulations, self.decoder.modulation[1], self.decoder.layers[2]):
                assert isinstance(layer, nn.Linear)
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)

    def memory(self, image_tokens: Tensor, language_tokens: Tensor) -> tuple[BlockMemory, ...]:
        """Keys and values of every block; tokens (B, L, width) with their positions already added."""
        return tuple(block.memory(image_tokens, language_tokens) for block in self._blocks())

    def modulation(self, time: Tensor) -> Modulation:
        """Everything that depends on the flow time (B,) alone."""
        embedding = self.time(time)
        return Modulation(
            tuple(block.modulation(embedding) for block in self._blocks()), self.decoder.modulation(embedding)
        )

    def forward(
        self,
        state_tokens: Tensor,
        action_tokens: Tensor,
        memory: tuple[BlockMemory, ...],
        modulation: Modulation,
        masks: Masks,
    ) -> Tensor:
        """(B, S, width) and (B, H, width) to velocities (B, H, size)."""
        tokens = torch.cat([state_tokens, action_tokens], dim=1) + self.own_positions
        for block, seen, change in zip(self._blocks(), memory, modulation.blocks, strict=True):
            tokens = block(tokens, seen, change, masks)
        return self.decoder(tokens[:, -self.horizon :], modulation.decoder)

    def _blocks(self) -> list[Block]:
        return [block for block in self.blocks if isinstance(block, Block)]
