"""The whole network: encoders, projections, diffusion transformer; one set of weights for both directions.

Which way it imitates is told by what is there: the spaces of proprioception that are measured are tokens, the others
are masked, and so are values of an arm or hand that the body has not (paper, Eq. 4: one policy, either observation).
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mivla_ros.model.block import BlockMemory, Masks
from mivla_ros.model.config import NetworkConfig, check_config
from mivla_ros.model.encoder_weights import EncoderMode, EncoderSource
from mivla_ros.model.errors import ModelError
from mivla_ros.model.language import LanguageEncoder
from mivla_ros.model.layers import projection
from mivla_ros.model.trunk import Modulation, Trunk
from mivla_ros.model.vision import VisionEncoders

VISION, LANGUAGE = "vision.encoders.", "language.encoder."
TIED = "language.encoder.encoder.embed_tokens.weight"  # the same tensor as language.encoder.shared.weight


class Conditions(NamedTuple):
    """What a batch of B observations says, already encoded.

    state (B, 76) normalised, state_mask (B, 76) bool. images (B, C, tokens, features), C at most the network's
    cameras, in the contract's order; image_mask (B, C) bool, None: all there. language (B, L, features);
    language_mask (B, L) bool, None: all there. Values under a False mask change nothing, whatever they are.
    """

    state: Tensor
    state_mask: Tensor
    images: Tensor
    image_mask: Tensor | None
    language: Tensor
    language_mask: Tensor | None


class Memory(NamedTuple):
    """Everything about a batch of observations that no flow step changes."""

    state_tokens: Tensor
    blocks: tuple[BlockMemory, ...]
    masks: Masks


class MivlaNetwork(nn.Module):
    """Encode once, remember once, then ask for a velocity at every flow step::

    images = network.image_features(pixels, image_mask)          # frozen encoders, or trained with the rest
    words = network.language_features(*network.tokenise(texts))  # once for each instruction
    memory = network.memory(Conditions(state, state_mask, images, image_mask, words, word_mask))
    velocity = network.velocity(noisy, mask, network.modulation(time), memory)
    """

    def __init__(self, config: NetworkConfig, encoders: EncoderSource | None = None, empty: bool = False) -> None:
        """empty: all but the encoders without memory, to be filled from a checkpoint. Raises ConfigError, and
        EncoderError where the weights of an encoder are not to be had.
        """
        super().__init__()
        check_config(config)
        self.config = config
        where = encoders or EncoderSource()
        width, widening = config.trunk.width, 2 if config.masked_inputs else 1
        self.vision = VisionEncoders(config.vision, where)
        self.language = LanguageEncoder(config.language, where)
        with torch.device("meta") if empty else nullcontext():
            self.vision_projection = projection(config.vision.width, width, config.projection_layers)
            self.language_projection = projection(config.language.width, width, config.projection_layers)
            self.state_projections = nn.ModuleDict(
                {
                    space.name: projection(widening * (space.stop - space.start), width, config.adaptor_layers)
                    for space in config.state_spaces
                }
            )
            self.action_projection = projection(widening * config.size, width, config.adaptor_layers)
            self.trunk = Trunk(config)
        self._freeze()

    def initialise(self) -> None:
        """Random weights of everything but the encoders, as H-RDT's: Xavier-uniform, biases zero; see Trunk."""
        for part in self._own_parts():
            for module in part.modules():
                if isinstance(module, nn.Linear):
                    nn.init.xavier_uniform_(module.weight)
                    if module.bias is not None:
                        nn.init.zeros_(module.bias)
        self.trunk.initialise()

    def train(self, mode: bool = True) -> "MivlaNetwork":
        """As of every module, but frozen encoders stay as they are for inference."""
        super().train(mode)
        if self.config.vision.frozen:
            self.vision.eval()
        if self.config.language.frozen:
            self.language.eval()
        return self

    def is_stored(self, key: str) -> bool:
        """Whether a checkpoint holds this weight: all but those of frozen encoders with a source of their own."""
        if key == TIED:
            return False
        vision, language = self.config.vision, self.config.language
        if key.startswith(VISION):
            index = int(key.removeprefix(VISION).partition(".")[0])
            return not (vision.frozen and vision.encoders[index].source)
        return not (key.startswith(LANGUAGE) and language.frozen and language.source)

    # ---- once for each observation or instruction ----

    def tokenise(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Instructions to ids and mask (B, L) on the network's device; an empty text has no valid token."""
        ids, mask = self.language.tokenise(texts)
        return ids.to(self.device), mask.to(self.device)

    def language_features(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, L) to (B, L, features)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.language.frozen):
            return self.language(ids, mask)

    def image_features(self, images: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, C, 3, size, size) uint8, mask (B, C) bool to (B, C, tokens, features); missing images cost nothing and
        give zeros."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.vision.frozen):
            if mask is None:
                return self.vision(images.flatten(0, 1)).unflatten(0, images.shape[:2])
            vision = self.config.vision
            shape = (*images.shape[:2], vision.tokens, vision.width)
            features = torch.zeros(shape, dtype=self.dtype, device=images.device)
            if mask.any():
                features[mask] = self.vision(images[mask]).to(self.dtype)
            return features

    def memory(self, conditions: Conditions) -> Memory:
        """State tokens, keys and values, masks. Raises ModelError for more cameras or words than there are places."""
        state, state_mask, images, image_mask, language, language_mask = conditions
        cameras, tokens = self.config.cameras, self.config.vision.tokens
        if images.shape[1] > cameras or images.shape[2] != tokens:
            raise ModelError(
                f"image features are {tuple(images.shape)}, at most {cameras} cameras of {tokens} tokens", "images"
            )
        if language.shape[1] > self.config.language.max_tokens:
            raise ModelError(
                f"language features have {language.shape[1]} tokens, at most {self.config.language.max_tokens}",
                "language",
            )
        if not images.shape[1]:
            images = images.new_zeros(images.shape[0], 1, *images.shape[2:])
            image_mask = torch.zeros(images.shape[:2], dtype=torch.bool, device=images.device)
        if image_mask is not None:
            images = _valid(images, image_mask[..., None, None])
            image_mask = image_mask.repeat_interleave(tokens, dim=1)
        if language_mask is not None:
            language = _valid(language, language_mask[..., None])
        seen = self.vision_projection(images.flatten(1, 2).to(self.dtype))
        seen = seen + self.trunk.image_positions[:, : seen.shape[1]]
        words = self.language_projection(language.to(self.dtype))
        words = words + self.trunk.language_positions[:, : words.shape[1]]
        image, has_image = _attention_mask(image_mask, self.dtype)
        word, has_word = _attention_mask(language_mask, self.dtype)
        own = self._own_mask(state_mask)
        masks = Masks(own=own, image=image, language=word, has_image=has_image, has_language=has_word)
        return Memory(self._state_tokens(state, state_mask), self.trunk.memory(seen, words), masks)

    # ---- at every flow step ----

    def modulation(self, time: Tensor) -> Modulation:
        """What depends on the flow times (B,), 0 noise to 1 actions, alone."""
        return self.trunk.modulation(time)

    def velocity(self, noisy: Tensor, mask: Tensor, modulation: Modulation, memory: Memory) -> Tensor:
        """Velocity from noise to actions, (B, H, size); zero where mask is False.

        noisy (B, H, size): noisy actions, normalised; ``config.columns`` of the 76. mask (B, H, size) bool: values
        that there are. What noisy holds elsewhere changes nothing.
        """
        actions = _valid(noisy, mask).to(self.dtype)
        if self.config.masked_inputs:
            actions = torch.cat([actions, mask.to(self.dtype)], dim=-1)
        found = self.trunk(
            memory.state_tokens, self.action_projection(actions), memory.blocks, modulation, memory.masks
        )
        return _valid(found, mask)

    def forward(self, noisy: Tensor, mask: Tensor, time: Tensor, conditions: Conditions) -> Tensor:
        """All at once, for training: velocity (B, H, size) at times (B,)."""
        return self.velocity(noisy, mask, self.modulation(time), self.memory(conditions))

    # ---- what it is ----

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.trunk.own_positions.device

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights (the encoders' may be another)."""
        return self.trunk.own_positions.dtype

    def _state_tokens(self, state: Tensor, mask: Tensor) -> Tensor:
        tokens = []
        for space in self.config.state_spaces:
            there = mask[:, space.start : space.stop]
            values = _valid(state[:, space.start : space.stop], there).to(self.dtype)
            if self.config.masked_inputs:
                values = torch.cat([values, there.to(self.dtype)], dim=-1)
            tokens.append(self.state_projections[space.name](values))
        return torch.stack(tokens, dim=1)

    def _own_mask(self, state_mask: Tensor) -> Tensor | None:
        if not self.config.masked_inputs:
            return None
        spaces = [state_mask[:, space.start : space.stop].any(dim=1) for space in self.config.state_spaces]
        there = torch.stack(spaces, dim=1)
        actions = torch.ones(len(there), self.config.horizon, dtype=torch.bool, device=there.device)
        return torch.cat([there, actions], dim=1)[:, None, None]

    def _own_parts(self) -> tuple[nn.Module, ...]:
        return (
            self.vision_projection,
            self.language_projection,
            self.state_projections,
            self.action_projection,
            self.trunk,
        )

    def _freeze(self) -> None:
        if self.config.vision.frozen:
            self.vision.requires_grad_(False)
        if self.config.language.frozen:
            self.language.requires_grad_(False)


def _valid(values: Tensor, mask: Tensor) -> Tensor:
    """Values where the mask is True, 0 elsewhere, also instead of NaN."""
    return torch.where(mask, values, torch.zeros((), dtype=values.dtype, device=values.device))


def _attention_mask(mask: Tensor | None, dtype: torch.dtype) -> tuple[Tensor | None, Tensor | None]:
    """(B, L) to what attention takes, (B, 1, 1, L), and (B, 1, 1) 1 where anything is there. A row with nothing
    attends to everything, for a softmax over nothing is NaN; its factor is 0."""
    if mask is None:
        return None, None
    present = mask.any(dim=1)
    return (mask | ~present[:, None])[:, None, None], present.to(dtype)[:, None, None]


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def build_network(
    config: NetworkConfig,
    encoders: EncoderSource | None = None,
    seed: int = 0,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    empty: bool = False,
) -> MivlaNetwork:
    """A network with random weights (the same for the same seed); on device "meta" without any memory. empty: see
    MivlaNetwork; ``weights.put_weights`` fills it.

    Raises ConfigError and EncoderError.
    """
    with torch.random.fork_rng(devices=[]), torch.device(device), _default_dtype(dtype):
        torch.manual_seed(seed)
        network = MivlaNetwork(config, encoders, empty)
        if device != "meta" and not empty:
            network.initialise()
    return network.eval()


def without_encoders() -> EncoderSource:
    """For networks that are given features, and to count what is not encoder."""
    return EncoderSource(EncoderMode.ABSENT)
