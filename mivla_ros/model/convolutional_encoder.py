"""A small convolutional image encoder that is trained with the network, also on a CPU, and needs no download."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from mivla_ros.model.config import VisionEncoderConfig
from mivla_ros.model.errors import ConfigError
from mivla_ros.model.positions import grid_positions

GROUP = 16  # channels of one group of the group norm


class _Stage(nn.Module):
    """Halves the image, then one residual pair of convolutions, normed before."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(inputs // GROUP, inputs)
        self.halve = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.pair_norm = nn.GroupNorm(outputs // GROUP, outputs)
        self.first = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        image = self.halve(functional.silu(self.norm(image)))
        return image + self.second(functional.silu(self.first(self.pair_norm(image))))


class ConvolutionalEncoder(nn.Module):
    """(N, 3, size, size) to (N, grid * grid, width): patches of ``patch`` pixels to ``hidden`` channels, then ``depth``
    stages, each of which halves the image and doubles the channels up to ``width``.

    Convolutions at full size would take most of a training step, therefore patches come first.
    """

    def __init__(self, config: VisionEncoderConfig) -> None:
        super().__init__()
        channels = [min(config.hidden << stage, config.width) for stage in range(config.depth + 1)]
        side = config.patch * config.grid << config.depth
        if config.native_size != side or channels[-1] != config.width or any(c % GROUP for c in channels):
            raise ConfigError(
                f"convolutional encoder: native_size {config.native_size} must be patch {config.patch} x grid "
                f"{config.grid} x 2^{config.depth}, width {config.width} at most hidden {config.hidden} x "
                f"2^{config.depth}, both multiples of {GROUP}",
                "vision.encoders",
            )
        self.patches = nn.Conv2d(3, config.hidden, config.patch, stride=config.patch)
        self.stages = nn.Sequential(*(_Stage(a, b) for a, b in pairwise(channels)))
        self.norm = nn.GroupNorm(config.width // GROUP, config.width)
        self.positions = nn.Parameter(torch.from_numpy(grid_positions(config.grid, config.width))[None].clone())

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalised pixels (N, 3, size, size) to tokens row by row."""
        pixels = pixels.contiguous(memory_format=torch.channels_last)  # twice as fast on CPUs
        return self.norm(self.stages(self.patches(pixels))).flatten(2).transpose(1, 2) + self.positions
