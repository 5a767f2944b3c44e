"""A small convolutional image encoder that is trained with the network and needs no download."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from mivla_ros.model.config import VisionEncoderConfig
from mivla_ros.model.errors import ConfigError
from mivla_ros.model.positions import grid_positions

GROUP = 16  # channels of one group of the group norm


class _Stage(nn.Module):
    """Halves the image, then one residual pair of convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.halve = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(outputs // GROUP, outputs)
        self.first = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.first_norm = nn.GroupNorm(outputs // GROUP, outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.second_norm = nn.GroupNorm(outputs // GROUP, outputs)

    def forward(self, image: Tensor) -> Tensor:
        image = functional.silu(self.norm(self.halve(image)))
        change = self.second_norm(self.second(functional.silu(self.first_norm(self.first(image)))))
        return functional.silu(image + change)


class ConvolutionalEncoder(nn.Module):
    """(N, 3, size, size) to (N, grid * grid, width). ``depth`` stages, the first with ``hidden`` channels; every stage
    halves the image, so the grid is size / 2^depth."""

    def __init__(self, config: VisionEncoderConfig) -> None:
        super().__init__()
        if config.native_size != config.grid << config.depth or config.width % (2 * GROUP) or config.hidden % GROUP:
            raise ConfigError(
                f"convolutional encoder: native_size {config.native_size} must be grid {config.grid} x "
                f"2^{config.depth}, width {config.width} a multiple of {2 * GROUP}, hidden {config.hidden} of {GROUP}",
                "vision.encoders",
            )
        steps = [config.hidden + (config.width - config.hidden) * i // (config.depth - 1) for i in range(config.depth)]
        channels = [3, *(GROUP * max(step // GROUP, 1) for step in steps[:-1]), config.width]
        self.stages = nn.Sequential(*(_Stage(a, b) for a, b in pairwise(channels)))
        self.positions = nn.Parameter(torch.from_numpy(grid_positions(config.grid, config.width))[None].clone())

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalised pixels (N, 3, size, size) to tokens row by row."""
        return self.stages(pixels).flatten(2).transpose(1, 2) + self.positions
