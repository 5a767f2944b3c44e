"""One observation at a time through a checkpoint: units in, units out. The plain path that others are measured by."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mivla_ros.action_space import ACTION_SIZE
from mivla_ros.model.checkpoint import Checkpoint
from mivla_ros.model.errors import ModelError
from mivla_ros.model.flow import noise_like, sample_actions
from mivla_ros.model.images import prepare_image
from mivla_ros.model.network import Conditions, Memory

Array = NDArray[np.float64]


class PlainInference:
    """A checkpoint's network, called in plain PyTorch with a batch of one."""

    def __init__(self, checkpoint: Checkpoint, steps: int = 0) -> None:
        """steps: Euler steps; 0: the checkpoint's."""
        self.checkpoint = checkpoint
        self.steps = steps or checkpoint.config.flow.steps
        self._words: tuple[Tensor, Tensor] | None = None

    @torch.inference_mode()
    def instruct(self, instruction: str) -> None:
        """Encode the words once for all observations that follow; an empty text is a missing instruction.

        Raises ModelError for words longer than the network reads.
        """
        network = self.checkpoint.network
        ids, mask = network.tokenise([instruction])
        if mask.any():
            self._words = network.language_features(ids, mask), mask
        else:  # nothing to encode, so the encoder need not be there
            features = torch.zeros(1, 1, network.config.language.width, device=network.device)
            self._words = features, mask

    @torch.inference_mode()
    def actions(
        self,
        images: Sequence[NDArray[np.uint8] | None],
        state: Array,
        state_mask: NDArray[np.bool_],
        action_mask: NDArray[np.bool_],
        seed: int,
    ) -> Array:
        """The chunk for one observation, (H, 76) in units of the action space; NaN where nothing is predicted.

        images: RGB (h, w, 3) uint8 in the contract's order of cameras, None where one is missing. state, state_mask,
        action_mask: (76,); what is measured, and what this robot has. seed: of the noise it starts from.
        """
        config, network = self.checkpoint.config, self.checkpoint.network
        memory = self.memory(images, state, state_mask)
        mask = torch.from_numpy(action_mask[config.columns].copy()).expand(1, config.horizon, config.size)
        mask = mask.to(network.device)
        found = sample_actions(network, memory, mask, noise_like(mask, seed), self.steps)
        rows = np.full((config.horizon, ACTION_SIZE), np.nan)
        rows[:, config.columns] = found[0].double().cpu().numpy()
        rows = self.checkpoint.normalisation.restore_actions(rows)
        rows[:, ~action_mask] = np.nan
        return rows

    @torch.inference_mode()
    def memory(self, images: Sequence[NDArray[np.uint8] | None], state: Array, state_mask: NDArray[np.bool_]) -> Memory:
        """Everything about an observation that no flow step changes; arguments as of ``actions``."""
        if self._words is None:
            raise ModelError("no instruction has been given; call instruct first", "instruction")
        network, config = self.checkpoint.network, self.checkpoint.config
        normalised = self.checkpoint.normalisation.normalise_state(state)
        pixels, image_mask = _stacked(images, config.vision.image_size, self.checkpoint)
        pixels = pixels.to(network.device)
        mask = None if image_mask is None else image_mask.to(network.device)
        language, language_mask = self._words
        conditions = Conditions(
            state=torch.from_numpy(normalised).float()[None].to(network.device),
            state_mask=torch.from_numpy(state_mask.copy())[None].to(network.device),
            images=network.image_features(pixels, mask),
            image_mask=mask,
            language=language,
            language_mask=None if language_mask.all() else language_mask,
        )
        return network.memory(conditions)


def _stacked(
    images: Sequence[NDArray[np.uint8] | None], size: int, checkpoint: Checkpoint
) -> tuple[Tensor, Tensor | None]:
    """(1, C, 3, size, size) and the mask (1, C), None where every image is there."""
    blank = torch.zeros(3, size, size, dtype=torch.uint8)
    made = [blank if image is None else prepare_image(image, checkpoint.config.vision) for image in images]
    there = [image is not None for image in images]
    pixels = torch.stack(made)[None] if made else torch.zeros(1, 0, 3, size, size, dtype=torch.uint8)
    return pixels, None if made and all(there) else torch.tensor([there], dtype=torch.bool)
