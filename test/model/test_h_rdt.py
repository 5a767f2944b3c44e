"""H-RDT's files: read without unpickling, known by name and shape, and as a start for MiVLA's network."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mivla_ros.model.errors import CheckpointError
from mivla_ros.model.h_rdt import (
    h_rdt_config,
    h_rdt_network,
    interleaved,
    key_table,
    mivla_from_h_rdt,
    read_h_rdt,
    translated,
)
from mivla_ros.model.presets import H_RDT_HUMAN, H_RDT_ROBOT

from .conftest import H_RDT, MIVLA, with_random_weights

NETWORK = with_random_weights(H_RDT)


def weights() -> dict[str, torch.Tensor]:
    own = NETWORK.state_dict()
    return {
        theirs: (interleaved(own[ours], 12) if "wkv" in theirs else own[ours]).clone()
        for theirs, ours in key_table(H_RDT).items()
    }


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
@pytest.mark.parametrize("suffix", [".bin", ".pt"])
def test_plain_tensors_are_read_bare_or_wrapped(tmp_path: Path, wrapper: str | None, suffix: str) -> None:
    path = tmp_path / f"pytorch_model{suffix}"
    torch.save(weights() if wrapper is None else {wrapper: weights()}, path)
    found = read_h_rdt(path)
    assert found.keys() == weights().keys()
    network = h_rdt_network(found, H_RDT, path, torch.float32)
    own = NETWORK.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in network.state_dict().items())


def test_safetensors_are_read_too(tmp_path: Path) -> None:
    save_file({key: value.contiguous() for key, value in weights().items()}, tmp_path / "model.safetensors")
    assert read_h_rdt(tmp_path / "model.safetensors").keys() == weights().keys()


class Opens:
    """What a hostile file would hold."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    torch.save({"model": weights(), "extra": Opens(trap)}, tmp_path / "evil.bin")
    (tmp_path / "plain.bin").write_bytes(pickle.dumps(Opens(trap)))
    for name in ("evil.bin", "plain.bin"):
        with pytest.raises(CheckpointError, match="is not a file of plain tensors") as error:
            read_h_rdt(tmp_path / name)
        assert "\n" not in str(error.value)
    assert not trap.exists()


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        read_h_rdt(tmp_path / "none.bin")
    torch.save({"model": {"a": 3}}, tmp_path / "numbers.bin")
    with pytest.raises(CheckpointError, match="'a' is int, must be a tensor"):
        read_h_rdt(tmp_path / "numbers.bin")
    torch.save([torch.ones(2)], tmp_path / "list.bin")
    with pytest.raises(CheckpointError, match="holds no weights by name"):
        read_h_rdt(tmp_path / "list.bin")
    spoiled = weights()
    spoiled["model.x_pos_emb"][0, 0, 0] = float("inf")
    torch.save(spoiled, tmp_path / "nan.bin")
    with pytest.raises(CheckpointError, match=r"NaN or infinity in model\.x_pos_emb"):
        read_h_rdt(tmp_path / "nan.bin")
    whole = tmp_path / "whole.bin"
    torch.save(weights(), whole)
    whole.write_bytes(whole.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="is not a file of plain tensors"):
        read_h_rdt(whole)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("model.blocks.1.attn.wkv.weight"), r"model\.blocks\.1\.attn\.wkv\.weight: missing"),
        (lambda w: w.update({"model.blocks.2.attn.wq.weight": torch.ones(1)}), "not one of H-RDT's keys"),
        (
            lambda w: w.update({"img_adapter.0.bias": torch.ones(3)}),
            r"img_adapter\.0\.bias is \(3,\), H-RDT's is",
        ),
    ],
    ids=["missing", "unknown", "shape"],
)
def test_keys_and_shapes_that_are_not_h_rdts_are_named(change, message) -> None:
    wrong = weights()
    change(wrong)
    with pytest.raises(CheckpointError, match=message):
        translated(wrong, H_RDT, "file.bin")


def test_the_kind_of_network_is_told_by_its_actions_and_cameras() -> None:
    def found(size: int, tokens: int):
        with torch.device("meta"):
            return h_rdt_config(
                {
                    "action_encoder.action_adaptor.0.weight": torch.empty(2176, size),
                    "model.img_pos_emb": torch.empty(1, tokens, 2176),
                },
                "x.bin",
            )

    assert found(48, 729) == H_RDT_HUMAN
    assert found(14, 3 * 729) == H_RDT_ROBOT
    assert found(14, 729) == replace(H_RDT_ROBOT, cameras=1)
    with pytest.raises(CheckpointError, match="takes 7 values, H-RDT's take 48 or 14"):
        found(7, 729)
    with pytest.raises(CheckpointError, match="has 100 places, must be a multiple of 729"):
        found(14, 100)
    with pytest.raises(CheckpointError, match="this is not H-RDT's"):
        h_rdt_config({}, "x.bin")


def test_mivla_starts_from_h_rdts_trunk_with_new_heads() -> None:
    target = replace(MIVLA, horizon=16, vision=H_RDT.vision, language=H_RDT.language)
    network, fresh = mivla_from_h_rdt(weights(), H_RDT, target, Path("file.bin"), dtype=torch.float32)
    ours, theirs = network.state_dict(), NETWORK.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs if key.startswith("trunk.blocks."))
    assert torch.equal(ours["vision_projection.0.weight"], theirs["vision_projection.0.weight"])
    assert {name.partition(".")[0] for name in fresh} == {"state_projections", "action_projection", "trunk"}
    assert all(name.startswith("trunk.decoder.") for name in fresh if name.startswith("trunk."))
    own = theirs["trunk.own_positions"]
    expected = torch.cat([own[:, :1], own[:, :1], own[:, :1], own[:, 1:]], dim=1)
    assert torch.equal(ours["trunk.own_positions"], expected)
