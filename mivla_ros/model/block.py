"""One block of the diffusion transformer: itself, images, words, then feed-forward (H-RDT, paper.md 2.2)."""

from typing import NamedTuple

from torch import Tensor, nn

from mivla_ros.model.attention import Attention
from mivla_ros.model.config import TrunkConfig
from mivla_ros.model.layers import SwiGLU, modulate

MODULATIONS = 9
"""Shift, scale and gate for self-attention, image attention and feed-forward, in this order."""


class BlockMemory(NamedTuple):
    """Keys and values of what a block looks at besides its own sequence, (B, kv_heads, L, head_width) each; they do
    not depend on the flow time, so one observation needs them once."""

    image_keys: Tensor
    image_values: Tensor
    language_keys: Tensor
    language_values: Tensor


class Masks(NamedTuple):
    """Who may look at what: True attends, None is everything.

    own (B, 1, 1, T), image and language (B, 1, 1, L). has_image, has_language (B, 1, 1): 0 where nothing at all is
    there, in which case ``image`` and ``language`` are True throughout and what was looked up is multiplied by 0.
    """

    own: Tensor | None
    image: Tensor | None
    language: Tensor | None
    has_image: Tensor | None
    has_language: Tensor | None


class BlockModulation(nn.Sequential):
    """Time embedding (B, width) to (B, 9 width); a class of its own, for it is asked apart from the block."""


class Block(nn.Module):
    """h = x + g_a self(mod x);  h += g_c images(mod h);  h += words(h), neither modulated nor gated;  h += g_m
    ffn(mod h), each on its own layer norm."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        width, eps = config.width, config.norm_eps

        def attention() -> Attention:
            return Attention(width, config.heads, config.kv_heads, eps)

        self.self_attention, self.image_attention, self.language_attention = attention(), attention(), attention()
        self.self_norm = nn.LayerNorm(width, eps=eps)
        self.image_norm = nn.LayerNorm(width, eps=eps)
        self.image_memory_norm = nn.LayerNorm(width, eps=eps)
        self.language_norm = nn.LayerNorm(width, eps=eps)
        self.language_memory_norm = nn.LayerNorm(width, eps=eps)
        self.ffn_norm = nn.LayerNorm(width, eps=eps)
        self.ffn = SwiGLU(width, config.ffn_width)
        self.modulation = BlockModulation(nn.SiLU(), nn.Linear(width, MODULATIONS * width))

    def memory(self, image_tokens: Tensor, language_tokens: Tensor) -> BlockMemory:
        """Keys and values of (B, L, width) tokens of images and words."""
        image_keys, image_values = self.image_attention.keys_values(self.image_memory_norm(image_tokens))
        words_keys, words_values = self.language_attention.keys_values(self.language_memory_norm(language_tokens))
        return BlockMemory(image_keys, image_values, words_keys, words_values)

    def forward(self, tokens: Tensor, memory: BlockMemory, modulation: Tensor, masks: Masks) -> Tensor:
        """Tokens (B, T, width); modulation (B, 9 width), what ``self.modulation`` gives for the time embedding."""
        shift_a, scale_a, gate_a, shift_c, scale_c, gate_c, shift_m, scale_m, gate_m = modulation.chunk(
            MODULATIONS, dim=-1
        )
        seen = modulate(self.self_norm(tokens), shift_a, scale_a)
        looked = self.self_attention(seen, *self.self_attention.keys_values(seen), masks.own)
        tokens = tokens + gate_a[:, None] * looked

        seen = modulate(self.image_norm(tokens), shift_c, scale_c)
        looked = self.image_attention(seen, memory.image_keys, memory.image_values, masks.image)
        if masks.has_image is not None:
            looked = looked * masks.has_image
        tokens = tokens + gate_c[:, None] * looked

        seen = self.language_norm(tokens)
        looked = self.language_attention(seen, memory.language_keys, memory.language_values, masks.language)
        if masks.has_language is not None:
            looked = looked * masks.has_language
        tokens = tokens + looked

        seen = modulate(self.ffn_norm(tokens), shift_m, scale_m)
        return tokens + gate_m[:, None] * self.ffn(seen)
