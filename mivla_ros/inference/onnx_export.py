"""A network as two ONNX graphs: what an observation leaves behind, once, and one flow step, n times."""

import hashlib
import json
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from mivla_ros.inference.flow_step import FlowStep, fixed_modulations
from mivla_ros.inference.observation import ObservationGraph, words_seen
from mivla_ros.model.checkpoint_files import file_hash
from mivla_ros.model.errors import ModelError
from mivla_ros.model.network import MivlaNetwork

log = logging.getLogger(__name__)

VERSION = 1
"""Of the graphs; raised where what they compute, or their inputs, change."""
FOLDER, MANIFEST = "onnx", "graphs.json"
OPSET = 20
LARGEST_BYTES = 1_900_000_000  # of weights; a single ONNX file holds 2 GB
PRECISIONS = ("float32", "int8")


class OnnxError(ModelError):
    """A network that cannot be exported, or graphs that cannot be used."""


@dataclass(frozen=True)
class GraphFiles:
    """The two graphs of one network and precision."""

    observation: Path
    step: Path


def network_hash(network: MivlaNetwork) -> str:
    """SHA-256 over all weights as they are in memory, encoders too: a checkpoint's hash knows nothing of those that
    come from elsewhere."""
    digest = hashlib.sha256(f"version {VERSION} opset {OPSET}".encode())
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(memoryview(value.detach().cpu().contiguous().view(torch.uint8).numpy()).cast("B"))
    return digest.hexdigest()


def graph_files(network: MivlaNetwork, cameras: int, precision: str, checkpoint: Path) -> GraphFiles:
    """The graphs, exported where they are not there yet: in the checkpoint's folder ``onnx``, in one of these weights'
    hash; in a temporary one where nothing can be written there.

    Raises OnnxError naming the precision, the size or what the exporter objects to.
    """
    if precision not in PRECISIONS:
        raise OnnxError(f"ONNX precision is {precision!r}, must be one of {', '.join(PRECISIONS)}", "precision")
    if network.dtype is not torch.float32 or network.device.type != "cpu":
        raise OnnxError(
            f"the network is {network.dtype} on {network.device}, must be torch.float32 on cpu", "precision"
        )
    size = sum(value.numel() * value.element_size() for value in network.state_dict().values())
    if size > LARGEST_BYTES:
        raise OnnxError(f"the weights have {size / 1e9:.1f} GB, a graph holds {LARGEST_BYTES / 1e9:.1f}", "weights")
    name = f"{network_hash(network)[:16]}-{cameras}"
    for root in (checkpoint / FOLDER, Path(tempfile.gettempdir()) / "mivla_onnx"):
        folder = root / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            log.warning("%s: %s; the graphs go elsewhere", folder, error.strerror)
            continue
        return _in_folder(network, cameras, precision, folder)
    raise OnnxError(f"{checkpoint / FOLDER}: the graphs cannot be written, nor in the temporary folder", "onnx")


def _in_folder(network: MivlaNetwork, cameras: int, precision: str, folder: Path) -> GraphFiles:
    whole = _made(network, cameras, folder)
    return whole if precision == "float32" else _quantised(whole, folder)


def _made(network: MivlaNetwork, cameras: int, folder: Path) -> GraphFiles:
    files = GraphFiles(folder / "observation.onnx", folder / "step.onnx")
    if not _all_there(folder, files):
        observation, inputs = ObservationGraph(network, cameras).eval(), _observation_inputs(network, cameras)
        with torch.no_grad():
            seen = observation(*inputs)
        _export(observation, inputs, OBSERVATION_INPUTS, observation_outputs(network), {}, files.observation)
        step, given = _Step(network).eval(), _step_inputs(network, seen)
        dynamic = {name: {3 if name == "word_bias" else 2: "words"} for name in step_inputs(network) if "word_" in name}
        _export(step, given, step_inputs(network), ["velocity"], dynamic, files.step)
        _remember(folder, files)
    return files


def _quantised(whole: GraphFiles, folder: Path) -> GraphFiles:
    """Both graphs with matrices in int8, scales found at run time."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    narrow = "" if _has_vnni() else "_7bit"
    files = GraphFiles(folder / f"observation_int8{narrow}.onnx", folder / f"step_int8{narrow}.onnx")
    if not _all_there(folder, files):
        for source, target in ((whole.observation, files.observation), (whole.step, files.step)):
            with tempfile.TemporaryDirectory(dir=folder) as temporary:
                model, partial = onnx.load(str(source)), Path(temporary) / "quantised.onnx"
                del model.graph.value_info[:]  # the exporter's shapes of what it has since transposed are wrong
                quantize_dynamic(
                    model, partial, weight_type=QuantType.QInt8, per_channel=True, reduce_range=bool(narrow),
                    op_types_to_quantize=["MatMul", "Gemm"],
                )  # fmt: skip
                partial.rename(target)
        _remember(folder, files)
    return files


class _Step(nn.Module):
    """FlowStep with keys and values as inputs of their own, for the exporter."""

    def __init__(self, network: MivlaNetwork) -> None:
        super().__init__()
        self.step, self.depth = FlowStep(network), network.config.trunk.depth

    def forward(self, *given: Tensor) -> Tensor:
        first, last = 10, 10 + 2 * self.depth
        return cast(Tensor, self.step(*given[:first], given[first:last], given[last:]))


OBSERVATION_INPUTS = ["pixels", "image_valid", "state", "state_valid"]
OWN_OUTPUTS = ["state_tokens", "own_bias", "image_bias", "has_image"]


def observation_outputs(network: MivlaNetwork) -> list[str]:
    """Names of what the first graph gives."""
    return [*OWN_OUTPUTS, *_memory_names("image", network.config.trunk.depth)]


def step_inputs(network: MivlaNetwork) -> list[str]:
    """Names of what the second graph takes."""
    depth = network.config.trunk.depth
    head = ["noisy", "valid", "blocks", "decoder", *OWN_OUTPUTS, "word_bias", "has_words"]
    return [*head, *_memory_names("image", depth), *_memory_names("word", depth)]


def _memory_names(what: str, depth: int) -> list[str]:
    return [f"{what}_{part}{index}" for index in range(depth) for part in ("keys", "values")]


def _observation_inputs(network: MivlaNetwork, cameras: int) -> tuple[Tensor, ...]:
    size, count = network.config.vision.image_size, max(cameras, 1)
    pixels = torch.zeros(count, 3, size, size, dtype=torch.uint8)
    return pixels, torch.ones(1, count), torch.zeros(1, 76), torch.ones(1, 76)


def _step_inputs(network: MivlaNetwork, seen: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    config = network.config
    words = words_seen(
        network, torch.zeros(1, 7, config.language.width), torch.ones(1, 7, dtype=torch.bool)
    )  # any length but 1, which the exporter would take for fixed
    fixed = fixed_modulations(network, 1)[0]
    noisy = torch.zeros(1, config.horizon, config.size)
    assert words.bias is not None and words.present is not None
    head = (noisy, torch.ones_like(noisy), fixed.blocks, fixed.decoder, *seen[:4], words.bias, words.present)
    return tuple(value.detach().clone() for value in (*head, *seen[4:], *words.keys_values))


def _export(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    names: list[str],
    outputs: list[str],
    dynamic: dict[str, dict[int, str]],
    path: Path,
) -> None:
    shapes = None
    if dynamic:
        length = torch.export.Dim("words", min=1, max=4096)
        shapes = (tuple({axis: length for axis in dynamic.get(name, {})} or None for name in names),)
    temporary = path.with_suffix(".partial.onnx")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of operators of packages that are not there
    try:
        with torch.no_grad():
            torch.onnx.export(
                module, inputs, str(temporary), input_names=names, output_names=outputs, dynamic_shapes=shapes,
                opset_version=OPSET, dynamo=True, external_data=False, verbose=False,
            )  # fmt: skip
    except Exception as error:  # the exporter raises whatever the part of it raises that failed
        temporary.unlink(missing_ok=True)
        line = str(error).strip().partition("\n")[0]
        raise OnnxError(
            f"the network cannot be exported to {path.name}: {type(error).__name__}: {line}", "onnx"
        ) from error
    temporary.rename(path)


def _remember(folder: Path, files: GraphFiles) -> None:
    path = folder / MANIFEST
    known = json.loads(path.read_text("utf-8")) if path.exists() else {}
    for file in (files.observation, files.step):
        known[file.name] = file_hash(file).sha256
    path.write_text(json.dumps(known, indent=1), "utf-8")


def _all_there(folder: Path, files: GraphFiles) -> bool:
    """Whether both are there, as they were written."""
    try:
        known = json.loads((folder / MANIFEST).read_text("utf-8"))
        return all(
            file_hash(f).sha256 == known[f.name]
            for f in (files.observation, files.step)
            if f.is_file() or known[f.name]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _has_vnni() -> bool:
    """Whether products of 8-bit numbers cannot overflow on this processor; else weights get 7 bits."""
    try:
        return "vnni" in Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return False
