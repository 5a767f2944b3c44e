"""One observation at a time through a checkpoint, as ``model.inference.PlainInference``, only faster."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mivla_ros.action_space import ACTION_SIZE
from mivla_ros.inference.engine import Engine, GraphedTorchEngine, TorchEngine
from mivla_ros.inference.guided_flow import Guide, guided_euler
from mivla_ros.inference.onnx_engine import OnnxEngine
from mivla_ros.inference.pixels import Pixels
from mivla_ros.model.checkpoint import Checkpoint
from mivla_ros.model.errors import ModelError
from mivla_ros.model.flow import noise_like

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class EngineName(StrEnum):
    """What runs the network. AUTO: CUDA graphs on a GPU, ONNX in fp32 on a CPU."""

    AUTO = "auto"
    TORCH = "torch"
    COMPILED = "compiled"
    CUDA_GRAPHS = "cuda_graphs"
    ONNX = "onnx"
    ONNX_INT8 = "onnx_int8"


@dataclass(frozen=True)
class RowGuide:
    """What the chunk shall agree with: rows (H, 76) in units of the action space, NaN where unknown; weight (H, 76)
    from 0 to 1. greatest: see ``guided_flow``."""

    rows: Array
    weight: Array
    greatest: float


def make_engine(name: EngineName, checkpoint: Checkpoint, steps: int, threads: int = 0) -> Engine:
    """An engine for a checkpoint's network where it is. Raises ModelError (OnnxError) where it cannot be had."""
    network, cameras = checkpoint.network, len(checkpoint.contract.cameras)
    on_cpu = network.device.type == "cpu"
    if name is EngineName.AUTO:
        name = EngineName.ONNX if on_cpu and network.dtype is torch.float32 else EngineName.TORCH
        name = name if on_cpu else EngineName.CUDA_GRAPHS
    if name is EngineName.CUDA_GRAPHS:
        if on_cpu:
            raise ModelError(
                "the engine cuda_graphs needs a network on a CUDA device, this one is on the CPU", "engine"
            )
        return GraphedTorchEngine(network, steps, cameras)
    if name in (EngineName.ONNX, EngineName.ONNX_INT8):
        precision = "float32" if name is EngineName.ONNX else "int8"
        return OnnxEngine(network, steps, cameras, precision, checkpoint.folder, threads)
    return TorchEngine(network, steps, cameras, compiled=name is EngineName.COMPILED)


class FastInference:
    """A checkpoint's network with a batch of one. Calls come from one thread."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        steps: int = 0,
        engine: EngineName = EngineName.TORCH,
        threads: int = 0,
        noise: float = 1.0,
        gradient: bool = False,
    ) -> None:
        """steps: Euler steps; 0: the checkpoint's. threads: of ONNX Runtime; 0: as PyTorch's. noise: size of what the
        flow begins with; 0: in the middle of it, for the same chunk every time. gradient: guide by the velocity's
        gradient, which not every engine has; else all engines guide alike. Raises ModelError."""
        self.checkpoint, self.noise, self.gradient = checkpoint, noise, gradient
        self.steps = steps or checkpoint.config.flow.steps
        self.engine = make_engine(engine, checkpoint, self.steps, threads)
        if gradient and not self.engine.differentiable:
            raise ModelError(
                f"guidance by gradient needs an engine that has one (torch, compiled or cuda_graphs), "
                f"this is {self.engine.name}", "guidance_gradient",
            )  # fmt: skip
        self._pixels = Pixels(checkpoint.config.vision, len(checkpoint.contract.cameras))
        self._instruction: str | None = None

    @torch.no_grad()
    def instruct(self, instruction: str) -> None:
        """Encode the words once for all observations that follow; nothing is done for the same words again. An empty
        text is a missing instruction. Raises ModelError for words longer than the network reads."""
        if instruction == self._instruction:
            return
        network = self.checkpoint.network
        ids, mask = network.tokenise([instruction])
        if mask.any():
            features = network.language_features(ids, mask)
        else:  # nothing to encode, so the encoder need not be there
            features = torch.zeros(1, 1, network.config.language.width, device=network.device)
        self.engine.instruct(features, mask)
        self._instruction = instruction

    def actions(
        self,
        images: Sequence[NDArray[np.uint8] | None],
        state: Array,
        state_mask: Mask,
        action_mask: Mask,
        seed: int,
        guide: RowGuide | None = None,
    ) -> Array:
        """The chunk for one observation, (H, 76); arguments as of ``PlainInference.actions``, and what the chunk shall
        agree with."""
        self.observe(images, state, state_mask)
        return self.sample(action_mask, seed, guide)

    def observe(self, images: Sequence[NDArray[np.uint8] | None], state: Array, state_mask: Mask) -> None:
        """Everything that is done once for an observation."""
        self.take(images)
        self.look(state, state_mask)

    def take(self, images: Sequence[NDArray[np.uint8] | None]) -> None:
        """The images of an observation to pixels of the network's size. Raises ModelError for what is no image."""
        pixels, there = self._pixels.put(images)
        if not images:  # a place for one that is missing
            size = self.checkpoint.config.vision.image_size
            pixels, there = torch.zeros(1, 3, size, size, dtype=torch.uint8), np.zeros(1, dtype=bool)
        self._taken = pixels, there

    def look(self, state: Array, state_mask: Mask) -> None:
        """What the flow steps need of the images taken and this state."""
        if self._instruction is None:
            raise ModelError("no instruction has been given; call instruct first", "instruction")
        pixels, there = self._taken
        normalised = np.where(state_mask, self.checkpoint.normalisation.normalise_state(state), 0.0)
        self.engine.observe(pixels, there, normalised, state_mask.copy())

    @torch.no_grad()
    def sample(self, action_mask: Mask, seed: int, guide: RowGuide | None = None) -> Array:
        """The flow steps: the chunk (H, 76) for what was observed last."""
        config, network = self.checkpoint.config, self.checkpoint.network
        mask = torch.from_numpy(action_mask[config.columns].copy()).expand(1, config.horizon, config.size)
        mask = mask.to(network.device)
        valid = mask.float()
        found = guided_euler(
            lambda noisy, step: self.engine.velocity(noisy, valid, step),
            self.noise * noise_like(mask, seed),
            self.steps,
            self._guide(guide, mask),
        )
        rows = np.full((config.horizon, ACTION_SIZE), np.nan)
        rows[:, config.columns] = torch.where(mask, found, torch.zeros_like(found))[0].double().cpu().numpy()
        rows = self.checkpoint.normalisation.restore_actions(rows)
        rows[:, ~action_mask] = np.nan
        return rows

    def _guide(self, guide: RowGuide | None, mask: Tensor) -> Guide | None:
        if guide is None:
            return None
        columns = self.checkpoint.config.columns
        target = self.checkpoint.normalisation.normalise_actions(guide.rows)[:, columns]
        weight = np.where(np.isfinite(target), guide.weight[:, columns], 0.0)
        moved = [torch.from_numpy(v).float()[None].to(mask.device) for v in (np.nan_to_num(target), weight)]
        return Guide(moved[0], moved[1] * mask, self.gradient, guide.greatest)
