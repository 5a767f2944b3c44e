"""Images to tokens: every encoder's patch features on a grid, concatenated as configured."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mivla_ros.model.config import Concatenation, VisionConfig, VisionEncoderConfig, VisionFamily
from mivla_ros.model.convolutional_encoder import ConvolutionalEncoder
from mivla_ros.model.encoder_weights import EncoderMode, EncoderSource, load_pretrained
from mivla_ros.model.errors import ConfigError, EncoderError, ModelError


class PatchEncoder(nn.Module):
    """A DINOv2 or SigLIP encoder of transformers up to one of its blocks; class and register tokens left out."""

    def __init__(self, config: VisionEncoderConfig, where: EncoderSource) -> None:
        super().__init__()
        made = _transformer(config, where)
        self.embeddings = made.embeddings
        blocks = made.encoder.layers if config.family is VisionFamily.SIGLIP else made.encoder.layer
        if not -len(blocks) <= config.layer < 0:
            raise ConfigError(f"vision encoder {config.source!r}: layer is {config.layer}, it has {len(blocks)} blocks")
        self.blocks = nn.ModuleList(list(blocks)[: len(blocks) + config.layer + 1])
        self.patch = config.patch
        self.interpolates = config.family is VisionFamily.SIGLIP

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalised pixels (N, 3, size, size) to (N, patches, width), row by row."""
        if self.interpolates:
            same = pixels.shape[-1] == self.embeddings.image_size
            tokens = self.embeddings(pixels, interpolate_pos_encoding=not same)
        else:
            tokens = self.embeddings(pixels)
        for block in self.blocks:
            tokens = block(tokens, None)
        side = pixels.shape[-1] // self.patch
        return tokens[:, tokens.shape[1] - side * side :]


class VisionEncoders(nn.Module):
    """All image encoders of a network. Takes uint8 images as ``images.prepare_image`` makes them."""

    def __init__(self, config: VisionConfig, where: EncoderSource) -> None:
        super().__init__()
        self.config = config
        self.encoders = nn.ModuleList()
        for index, encoder in enumerate(config.encoders):
            if encoder.family is VisionFamily.CONVOLUTIONAL:
                self.encoders.append(ConvolutionalEncoder(encoder))
            elif where.mode is not EncoderMode.ABSENT:
                self.encoders.append(PatchEncoder(encoder, where))
            for name, colour in (("mean", encoder.mean), ("std", encoder.std)):
                values = 255 * torch.tensor(colour, dtype=torch.float32)[:, None, None]
                self.register_buffer(f"{name}{index}", values, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, size, size) uint8 to features (N, tokens, width). Raises ModelError for other images."""
        size = self.config.image_size
        if images.dtype is not torch.uint8 or images.shape[1:] != (3, size, size):
            raise ModelError(
                f"images are {images.dtype} {tuple(images.shape)}, must be torch.uint8 (N, 3, {size}, {size})", "images"
            )
        if len(self.encoders) != len(self.config.encoders):
            raise EncoderError("this network was made without its image encoders; give it image features", "vision")
        parts = []
        for index, (encoder, config) in enumerate(zip(self.encoders, self.config.encoders, strict=True)):
            weights = next(encoder.parameters())
            mean, std = getattr(self, f"mean{index}"), getattr(self, f"std{index}")
            pixels = ((images.float() - mean.float()) / std.float()).to(weights.dtype)
            parts.append(_on_grid(encoder(pixels), config.grid))
        if self.config.concatenation is Concatenation.CHANNEL:
            return torch.cat(parts, dim=-1)
        return torch.cat([self._placed(part, index) for index, part in enumerate(parts)], dim=1)

    def _placed(self, features: Tensor, index: int) -> Tensor:
        """An encoder's features in channels of its own of the common width, zeros elsewhere."""
        widths = [encoder.width for encoder in self.config.encoders]
        return functional.pad(features, (sum(widths[:index]), sum(widths[index + 1 :])))


def _on_grid(features: Tensor, grid: int) -> Tensor:
    """(N, n * n, width) resampled to (N, grid * grid, width); unchanged where n is the grid already."""
    side = round(features.shape[1] ** 0.5)
    if side == grid:
        return features
    square = features.transpose(1, 2).unflatten(2, (side, side))
    resized = functional.interpolate(square.float(), (grid, grid), mode="bilinear", antialias=True)
    return resized.to(features.dtype).flatten(2).transpose(1, 2)


def _transformer(config: VisionEncoderConfig, where: EncoderSource) -> Any:  # noqa: ANN401
    from transformers import (
        Dinov2Config,
        Dinov2Model,
        Dinov2WithRegistersConfig,
        Dinov2WithRegistersModel,
        SiglipVisionConfig,
        SiglipVisionModel,
    )

    common: dict[str, Any] = {
        "hidden_size": config.width,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.heads,
        "patch_size": config.patch,
    }
    if config.family is VisionFamily.SIGLIP:
        if where.mode is EncoderMode.PRETRAINED and config.source:
            return load_pretrained(config.source, where, SiglipVisionModel.from_pretrained, common)
        return SiglipVisionModel(
            SiglipVisionConfig(
                **common, image_size=config.native_size, intermediate_size=config.hidden, vision_use_head=False
            )
        )
    registers = config.family is VisionFamily.DINOV2_REGISTERS
    if where.mode is EncoderMode.PRETRAINED and config.source:
        kind = Dinov2WithRegistersModel if registers else Dinov2Model
        return load_pretrained(config.source, where, kind.from_pretrained, common)
    ratio = config.hidden // config.width
    if registers:
        return Dinov2WithRegistersModel(
            Dinov2WithRegistersConfig(**common, image_size=config.native_size, mlp_ratio=ratio)
        )
    return Dinov2Model(Dinov2Config(**common, image_size=config.native_size, mlp_ratio=ratio))
