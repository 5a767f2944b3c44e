"""What runs the two graphs of a network: PyTorch here, ONNX Runtime in ``onnx_engine``."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mivla_ros.inference.flow_step import FixedModulation, FlowStep, fixed_modulations
from mivla_ros.inference.observation import ObservationGraph, Seen, words_seen
from mivla_ros.model.network import MivlaNetwork

Array = NDArray[np.float64]


class Engine(Protocol):
    """One network, an observation at a time: ``instruct`` for new words, ``observe`` for each observation, then
    ``velocity`` at every flow step. differentiable: whether gradients go back through ``velocity``."""

    name: str
    differentiable: bool

    def instruct(self, features: Tensor, mask: Tensor) -> None:
        """Take the features (1, L, width) and mask (1, L) of an instruction."""
        ...

    def observe(self, pixels: Tensor, there: NDArray[np.bool_], state: Array, measured: NDArray[np.bool_]) -> None:
        """Take images (C, 3, size, size) uint8, which of them are there (C,), and the normalised state (76,) with what
        of it is measured (76,)."""
        ...

    def velocity(self, noisy: Tensor, valid: Tensor, step: int) -> Tensor:
        """Velocity (1, H, size) fp32 of noisy actions; valid: 1 for the values there are, else 0."""
        ...


class TorchEngine:
    """Eager PyTorch, or compiled, on the network's device and with its type of numbers."""

    differentiable = True

    def __init__(self, network: MivlaNetwork, steps: int, cameras: int, compiled: bool = False) -> None:
        """compiled: by torch.compile, which takes about a minute at the first observation."""
        self.name = f"torch {network.device.type}" + (" compiled" if compiled else "")
        self._network = network.requires_grad_(False)
        self._look, self._step = ObservationGraph(network, cameras).eval(), FlowStep(network).eval()
        self._look.to(network.device)
        with torch.no_grad():
            self.modulations: list[FixedModulation] = fixed_modulations(network, steps)
        self._words: Seen | None = None
        self._seen: tuple[Tensor, Tensor | None, Seen] | None = None
        if compiled:
            self._look.compile(dynamic=False)
            self._step.compile(dynamic=False)

    @torch.no_grad()
    def instruct(self, features: Tensor, mask: Tensor) -> None:
        """As of Engine."""
        seen = words_seen(self._network, features, mask)
        self._words = seen if not mask.all() else Seen(seen.keys_values, None, None)

    @torch.no_grad()
    def observe(self, pixels: Tensor, there: NDArray[np.bool_], state: Array, measured: NDArray[np.bool_]) -> None:
        """As of Engine."""
        device = self._network.device
        valid = torch.from_numpy(there).float()[None].to(device)
        given = torch.from_numpy(state).float()[None].to(device), torch.from_numpy(measured).float()[None].to(device)
        tokens, own, bias, present, *found = self._look(pixels.to(device), valid, *given)
        seen = Seen(tuple(found), None if there.all() else bias, None if there.any() else present)
        self._seen = tokens, own if self._network.config.masked_inputs else None, seen

    def velocity(self, noisy: Tensor, valid: Tensor, step: int) -> Tensor:
        """As of Engine."""
        assert self._seen is not None and self._words is not None
        tokens, own, images = self._seen
        words, fixed = self._words, self.modulations[step]
        return self._step(
            noisy, valid, fixed.blocks, fixed.decoder, tokens, own, images.bias, images.present, words.bias,
            words.present, images.keys_values, words.keys_values,
        )  # fmt: skip


class GraphedTorchEngine(TorchEngine):
    """PyTorch on a CUDA device with the flow step replayed as a CUDA graph: one launch instead of some hundred.

    The graph belongs to the shapes and masks it was recorded with; it is recorded anew where these change. Guided
    sampling by gradients goes the eager way.
    """

    def __init__(self, network: MivlaNetwork, steps: int, cameras: int) -> None:
        super().__init__(network, steps, cameras)
        self.name = "torch cuda graphs"
        self._graph: torch.cuda.CUDAGraph | None = None
        self._key: tuple[object, ...] = ()
        self._inputs: list[Tensor] = []
        self._output: Tensor | None = None

    def velocity(self, noisy: Tensor, valid: Tensor, step: int) -> Tensor:
        """As of Engine."""
        if torch.is_grad_enabled() and noisy.requires_grad:
            return super().velocity(noisy, valid, step)
        assert self._seen is not None and self._words is not None
        tokens, own, images = self._seen
        words, fixed = self._words, self.modulations[step]
        given = [
            noisy, valid, fixed.blocks, fixed.decoder, tokens, own, images.bias, images.present, words.bias,
            words.present, *images.keys_values, *words.keys_values,
        ]  # fmt: skip
        key = tuple(None if value is None else (value.shape, value.dtype) for value in given)
        if key != self._key:
            self._record(given, key, len(images.keys_values))
        for place, value in zip(self._inputs, given, strict=True):
            if value is not None and place.data_ptr() != value.data_ptr():
                place.copy_(value)
        assert self._graph is not None and self._output is not None
        self._graph.replay()
        return self._output.clone()

    def _record(self, given: list[Tensor | None], key: tuple[object, ...], images: int) -> None:
        self._inputs = [None if value is None else value.clone() for value in given]  # type: ignore[misc]

        def step() -> Tensor:
            head, rest = self._inputs[:10], self._inputs[10:]
            return self._step(*head, tuple(rest[:images]), tuple(rest[images:]))

        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side), torch.no_grad():
            for _ in range(3):  # libraries choose their kernels before the recording
                step()
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph), torch.no_grad():
            self._output = step()
        self._key = key
