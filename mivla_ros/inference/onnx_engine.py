"""A network's two graphs in ONNX Runtime, on the CPU."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mivla_ros.inference.flow_step import fixed_modulations
from mivla_ros.inference.observation import words_seen
from mivla_ros.inference.onnx_export import (
    OBSERVATION_INPUTS,
    OnnxError,
    graph_files,
    observation_outputs,
    step_inputs,
)
from mivla_ros.model.network import MivlaNetwork

Array = NDArray[np.float64]


class OnnxEngine:
    """See ``engine.Engine``. There is no gradient, so real-time chunking guides without one."""

    differentiable = False

    def __init__(
        self, network: MivlaNetwork, steps: int, cameras: int, precision: str, checkpoint: Path, threads: int = 0
    ) -> None:
        """precision: float32 or int8. threads: of a graph; 0: as many as PyTorch uses. Raises OnnxError."""
        try:
            import onnxruntime
        except ImportError as error:
            raise OnnxError("onnxruntime is not installed; use the engine torch", "engine") from error
        self.name = f"onnx {precision}"
        self._network, self._runtime = network, onnxruntime
        files = graph_files(network, cameras, precision, checkpoint)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or torch.get_num_threads()
        options.log_severity_level = 3
        sessions = []
        for path in (files.observation, files.step):
            try:
                sessions.append(onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]))
            except Exception as error:  # whatever the runtime raises about a file it cannot use
                line = str(error).partition("\n")[0]
                raise OnnxError(f"{path}: cannot be run: {line}", "onnx") from error
        self._look, self._step = sessions
        with torch.no_grad():
            fixed = fixed_modulations(network, steps)
        self._fixed = [{"blocks": self._value(f.blocks), "decoder": self._value(f.decoder)} for f in fixed]
        self._outputs, wanted = observation_outputs(network), {item.name for item in self._step.get_inputs()}
        self._wanted = wanted & set(step_inputs(network))
        self._words: dict[str, object] = {}
        self._seen: dict[str, object] = {}

    @torch.no_grad()
    def instruct(self, features: Tensor, mask: Tensor) -> None:
        """As of Engine; done in PyTorch, once for an instruction."""
        seen = words_seen(self._network, features, mask)
        assert seen.bias is not None and seen.present is not None
        names = step_inputs(self._network)[-len(seen.keys_values) :]
        given = {"word_bias": seen.bias, "has_words": seen.present, **dict(zip(names, seen.keys_values, strict=True))}
        self._words = {name: self._value(value) for name, value in given.items()}

    def observe(self, pixels: Tensor, there: NDArray[np.bool_], state: Array, measured: NDArray[np.bool_]) -> None:
        """As of Engine."""
        given = (pixels.numpy(), there[None].astype(np.float32), state[None].astype(np.float32))
        values = (*given, measured[None].astype(np.float32))
        feed = {name: self._value(value) for name, value in zip(OBSERVATION_INPUTS, values, strict=True)}
        known = {item.name for item in self._look.get_inputs()}
        found = self._look.run_with_ort_values(self._outputs, {n: v for n, v in feed.items() if n in known})
        self._seen = dict(zip(self._outputs, found, strict=True))

    def velocity(self, noisy: Tensor, valid: Tensor, step: int) -> Tensor:
        """As of Engine."""
        own = {"noisy": self._value(noisy), "valid": self._value(valid)}
        feed = {**own, **self._fixed[step], **self._seen, **self._words}
        (found,) = self._step.run_with_ort_values(["velocity"], {n: v for n, v in feed.items() if n in self._wanted})
        return torch.from_numpy(found.numpy())

    def _value(self, array: Tensor | NDArray[np.generic]) -> object:
        """An array in the runtime's own form, on the same memory."""
        given = array.detach().contiguous().numpy() if isinstance(array, Tensor) else np.ascontiguousarray(array)
        return self._runtime.OrtValue.ortvalue_from_numpy(given)
