"""Checkpoints come back as they were written; whatever is broken about one is one clear line."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mivla_ros.model.bring_up import bring_up_normalisation
from mivla_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mivla_ros.model.checkpoint_files import FILES, file_hash, read_description, weight_shapes, write_manifest
from mivla_ros.model.config import NetworkConfig, check_config
from mivla_ros.model.contract import make_contract
from mivla_ros.model.errors import CheckpointError, ConfigError, ContractError, ModelError
from mivla_ros.model.json_fields import dump, from_json
from mivla_ros.model.presets import PRESETS, TINY, preset
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile

from .conftest import MIVLA, some_conditions, with_random_weights

PIPER = load_profile("piper")
CONTRACT = make_contract(PIPER, MIVLA)
NETWORK = with_random_weights(MIVLA)


@pytest.fixture(scope="module")
def normalisation():
    return bring_up_normalisation(PIPER, robot_description(PIPER))


@pytest.fixture
def folder(tmp_path: Path, normalisation) -> Path:
    save_checkpoint(tmp_path / "made", NETWORK, CONTRACT, normalisation, {"step": "12"})
    return tmp_path / "made"


def test_all_of_it_comes_back(folder: Path, normalisation) -> None:
    loaded = load_checkpoint(folder, PIPER)
    assert loaded.config == MIVLA
    assert loaded.contract == CONTRACT
    assert loaded.normalisation == normalisation
    assert loaded.manifest.notes == {"step": "12"}
    ours, theirs = NETWORK.state_dict(), loaded.network.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert not loaded.network.training
    noisy, mask = torch.randn(2, 5, 76), torch.ones(2, 5, 76, dtype=torch.bool)
    conditions, time = some_conditions(MIVLA), torch.tensor([0.1, 0.6])
    with torch.no_grad():
        assert torch.equal(NETWORK(noisy, mask, time, conditions), loaded.network(noisy, mask, time, conditions))
        words = loaded.network.tokenise(["lift it"])
        assert torch.equal(NETWORK.language_features(*words), loaded.network.language_features(*words))


def test_a_loaded_network_can_be_trained_on(folder: Path) -> None:
    network = load_checkpoint(folder).network.train()
    mask = torch.ones(2, 5, 76, dtype=torch.bool)
    network(torch.randn(2, 5, 76), mask, torch.tensor([0.1, 0.6]), some_conditions(MIVLA)).sum().backward()
    assert network.trunk.blocks[0].ffn.gate.weight.grad.abs().sum() > 0


def test_half_precision_is_half_the_file_and_loads_as_asked(tmp_path: Path, folder: Path, normalisation) -> None:
    half = tmp_path / "half"
    save_checkpoint(half, with_random_weights(MIVLA).to(torch.bfloat16), CONTRACT, normalisation)
    size = (half / "weights.safetensors").stat().st_size / (folder / "weights.safetensors").stat().st_size
    assert size == pytest.approx(0.5, abs=0.03)
    assert load_checkpoint(half).network.dtype is torch.float32
    assert load_checkpoint(half, dtype=torch.bfloat16).network.dtype is torch.bfloat16


def test_the_hash_is_that_of_the_content(tmp_path: Path, folder: Path, normalisation) -> None:
    again = save_checkpoint(tmp_path / "again", NETWORK, CONTRACT, normalisation, {"other": "note"})
    assert again.hash == read_description(folder).manifest.hash
    other = save_checkpoint(tmp_path / "other", with_random_weights(MIVLA, seed=9), CONTRACT, normalisation)
    assert other.hash != again.hash
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_nothing_is_overwritten_unasked(folder: Path, normalisation, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="exists already"):
        save_checkpoint(folder, NETWORK, CONTRACT, normalisation)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("do not lose")
    with pytest.raises(CheckpointError):
        save_checkpoint(precious, NETWORK, CONTRACT, normalisation, overwrite=True)
    assert (precious / "thesis.txt").exists()
    before = read_description(folder).manifest.hash
    save_checkpoint(folder, with_random_weights(MIVLA, seed=2), CONTRACT, normalisation, overwrite=True)
    assert read_description(folder).manifest.hash != before


def test_weights_that_are_not_finite_are_not_written(tmp_path: Path, normalisation) -> None:
    network = with_random_weights(MIVLA)
    with torch.no_grad():
        network.trunk.decoder.layers[0].bias[3] = float("nan")
    with pytest.raises(CheckpointError, match=r"NaN or infinity in trunk\.decoder\.layers\.0\.bias"):
        save_checkpoint(tmp_path / "bad", network, CONTRACT, normalisation)
    assert list(tmp_path.iterdir()) == []


# ---- what can be wrong with a folder ----


def rehash(folder: Path) -> None:
    """Make the manifest fit, as somebody would who means to deceive, or whose tool is broken."""
    write_manifest(folder, {})


def edit(name: str, change: Callable[[dict], None], honest: bool = True) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        data = json.loads((folder / name).read_text())
        change(data)
        (folder / name).write_text(json.dumps(data))
        if honest:
            rehash(folder)

    return apply


def edit_weights(change: Callable[[dict[str, torch.Tensor]], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / "weights.safetensors"
        weights = load_file(path)
        change(weights)
        path.unlink()
        save_file(weights, path)
        rehash(folder)

    return apply


def truncate(name: str, honest: bool = False) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) * 2 // 3])
        if honest:
            rehash(folder)

    return apply


def flip_a_bit(folder: Path) -> None:
    data = bytearray((folder / "weights.safetensors").read_bytes())
    data[-100] ^= 1
    (folder / "weights.safetensors").write_bytes(data)


def set_nan(weights: dict[str, torch.Tensor]) -> None:
    weights["action_projection.0.weight"][0, 0] = float("nan")


def to_garbage(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"\x80\x04\x95 not json")
    rehash(folder)


KEY = "trunk.time.layers.0.bias"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        *((lambda f, n=n: (f / n).unlink(), f"{n} is missing") for n in ("checkpoint.json", *FILES)),
        (truncate("weights.safetensors"), r"weights\.safetensors: truncated: has \d+ bytes, was written with \d+"),
        (truncate("weights.safetensors", honest=True), r"weights\.safetensors: is not a whole safetensors file"),
        (flip_a_bit, r"weights\.safetensors: changed since it was written"),
        (truncate("config.json", honest=True), r"config\.json: is not JSON"),
        (to_garbage, r"config\.json: is not JSON"),
        (edit("contract.json", lambda d: d.update(robot="x" * 5), honest=False), r"contract\.json: changed|truncated"),
        (edit("checkpoint.json", lambda d: d.update(hash="0" * 64), honest=False), "hash is not that of the files"),
        (edit("checkpoint.json", lambda d: d.update(format=99), honest=False), "format is 99, this version reads 1"),
        (edit("checkpoint.json", lambda d: d["files"].pop("config.json"), honest=False), "files names"),
        (edit("config.json", lambda d: d.pop("trunk")), r"config\.json: trunk is missing"),
        (edit("config.json", lambda d: d["trunk"].pop("heads")), r"config\.json: trunk\.heads is missing"),
        (edit("config.json", lambda d: d.update(colour="red")), r"config\.json: colour is not a known key"),
        (
            edit("config.json", lambda d: d["trunk"].update(width="wide")),
            r"trunk\.width is 'wide', must be of type int",
        ),
        (edit("config.json", lambda d: d["trunk"].update(heads=7)), r"trunk: width 48 must be a multiple"),
        (edit("config.json", lambda d: d["vision"].update(fit="squash")), r"vision\.fit is 'squash', must be one of"),
        (edit("config.json", lambda d: d.update(horizon=True)), r"horizon is True, must be of type int"),
        (edit("config.json", lambda d: d["trunk"].update(width=96)), "is .*, the network's is"),
        (edit("contract.json", lambda d: d["values"].reverse()), r"contract\.json: values\[0\] is"),
        (edit("statistics.json", lambda d: d["actions"]["mean"].pop()), r"statistics\.json: actions\.mean has 75"),
        (edit_weights(lambda w: w.pop(KEY)), r"missing: trunk\.time\.layers\.0\.bias"),
        (edit_weights(lambda w: w.update(extra=torch.ones(2))), "unknown: extra"),
        (edit_weights(lambda w: w.update({KEY: torch.ones(5)})), rf"{KEY} is \(5,\), the network's is \(48,\)"),
        (edit_weights(set_nan), r"NaN or infinity in action_projection\.0\.weight"),
    ],
)
def test_what_is_broken_is_one_line_that_says_what(folder: Path, spoil: Callable[[Path], object], message: str) -> None:
    spoil(folder)
    with pytest.raises(CheckpointError, match=message) as error:
        load_checkpoint(folder, PIPER)
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)


def test_no_folder_and_a_file_instead_of_one(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        load_checkpoint(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(CheckpointError, match="is a file, must be a folder"):
        load_checkpoint(tmp_path / "file")


def test_the_wrong_robot_is_refused_before_the_weights_are_read(folder: Path) -> None:
    other = replace(PIPER, name="arx_x5")
    with pytest.raises(ContractError, match="robot: expected piper, found arx_x5"):
        load_checkpoint(folder, other)


def test_the_header_tells_shapes_without_the_weights(folder: Path) -> None:
    shapes = weight_shapes(folder / "weights.safetensors")
    assert shapes[KEY] == ("F32", (48,))
    assert len(shapes) == sum(NETWORK.is_stored(key) for key in NETWORK.state_dict())
    (folder / "weights.safetensors").write_bytes(b"\xff" * 20)
    with pytest.raises(CheckpointError, match="is not a whole safetensors file"):
        weight_shapes(folder / "weights.safetensors")


# ---- configurations ----


@pytest.mark.parametrize("name", list(PRESETS))
def test_named_configurations_are_sound_and_survive_json(name: str) -> None:
    check_config(preset(name))
    assert from_json(NetworkConfig, json.loads(dump(preset(name))), "config.json") == preset(name)


def test_an_unknown_configuration_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="there are base, small, tiny"):
        preset("huge")


def test_tiny_is_small_enough_to_carry_about() -> None:
    network = with_random_weights(TINY)
    assert sum(parameter.numel() for parameter in network.parameters()) < 6e6


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"horizon": 0}, "horizon"),
        ({"family": "gpt"}, "family"),
        ({"start": 60, "stop": 80}, "start, stop"),
        ({"state_spaces": ()}, "state_spaces"),
        ({"flow": replace(TINY.flow, time_sampling="beta")}, "flow"),
    ],
    ids=["horizon", "family", "columns", "spaces", "flow"],
)
def test_configurations_that_cannot_be_built_name_the_key(changes: dict, key: str) -> None:
    with pytest.raises(ModelError) as error:
        check_config(replace(TINY, **changes))
    assert error.value.subject == key


def test_equal_files_have_equal_hashes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"one")
    assert file_hash(tmp_path / "a") == file_hash(tmp_path / "b")
