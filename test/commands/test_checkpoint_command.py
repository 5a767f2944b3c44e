"""`mivla checkpoint new`, `show` and `import-h-rdt`: what they write, what they say, and how they refuse."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mivla_ros.commands.main import main
from mivla_ros.model import h_rdt, presets
from mivla_ros.model.checkpoint import load_checkpoint
from mivla_ros.model.checkpoint_files import WEIGHTS_FILE, read_description
from mivla_ros.model.egodex import raw_normalisation
from mivla_ros.model.h_rdt import interleaved, key_table
from mivla_ros.model.weights import read_weights
from mivla_ros.robots.profile import load_profile
from test.model.conftest import H_RDT, with_random_weights


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new") / "tiny"
    assert (
        main(["checkpoint", "new", "--config", "tiny", "--robot", "piper", "--instruction", "lift it", str(folder)])
        == 0
    )
    return folder


def test_a_new_checkpoint_is_sound_small_and_the_robots(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loaded = load_checkpoint(tiny, load_profile("piper"))
    assert loaded.config == presets.TINY
    assert loaded.contract.instruction == "lift it"
    assert loaded.manifest.notes["trained"] == "no"
    assert sum(file.stat().st_size for file in tiny.iterdir()) < 25e6


def test_the_seed_decides_the_weights(tiny: Path, tmp_path: Path) -> None:
    for name, seed in (("same", "0"), ("other", "1")):
        assert main(["checkpoint", "new", "--seed", seed, "--instruction", "lift it", str(tmp_path / name)]) == 0
    ours, same, other = (load_checkpoint(path) for path in (tiny, tmp_path / "same", tmp_path / "other"))
    assert ours.hash == same.hash != other.hash


def test_show_tells_all_of_it(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["checkpoint", "show", str(tiny)]) == 0
    text = capsys.readouterr().out
    for words in (
        load_checkpoint(tiny).hash,
        "tiny (mivla): 192 wide, 4 deep",
        "16 steps of 0.1 s",
        "arm, right: joint1, joint2",
        "gripper: 0 closed (0) to 0.1 open (1)",
        "head_camera, wrist_camera",
        "quaternions wxyz",
        "robot.right.joint2",
        "weights.safetensors",
        "trained: no",
    ):
        assert words in text


def test_show_as_json_needs_no_torch(tiny: Path) -> None:
    program = (
        "import sys; from mivla_ros.commands.main import main\n"
        f"status = main(['checkpoint', 'show', '--json', {str(tiny)!r}])\n"
        "assert 'torch' not in sys.modules, 'imported torch'\n"
        "sys.exit(status)"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    data = json.loads(shown.stdout)
    assert data["contract"]["robot"] == "piper"
    assert data["config"]["trunk"]["width"] == 192
    assert data["weights"]["trunk.own_positions"]["shape"] == [1, 19, 192]
    assert len(data["statistics"]["actions"]["mean"]) == 76


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["new", "--config", "huge", "DIR"], "there is no network configuration 'huge', there are base, small, tiny"),
        (["new", "--robot", "r2d2", "DIR"], "unknown robot 'r2d2'"),
        (["new", "--cameras", "belly", "--", "DIR"], "has no camera 'belly'"),
        (["new", "--config", "h_rdt_robot", "DIR"], "need a left and a right arm"),
        (["new", "."], "exists already"),
        (["show", "DIR"], "does not exist"),
        (["import-h-rdt", "DIR.bin", "DIR"], "does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    status = main(["checkpoint", *(a.replace("DIR", str(tmp_path / "folder")) for a in arguments)])
    lines = capsys.readouterr().err.splitlines()
    assert status == 1
    assert len(lines) == 1 and words in lines[0], lines


# ---- H-RDT ----


@pytest.fixture
def small_h_rdt(monkeypatch: pytest.MonkeyPatch) -> None:
    """H-RDT's and MiVLA's networks at a size that fits here; their encoders are in no file, as the real ones."""
    parts = {"trunk": H_RDT.trunk, "language": H_RDT.language, "vision": H_RDT.vision}
    monkeypatch.setattr(h_rdt, "H_RDT_ROBOT", replace(presets.H_RDT_ROBOT, **parts))
    monkeypatch.setattr(h_rdt, "H_RDT_HUMAN", replace(presets.H_RDT_HUMAN, **parts))
    monkeypatch.setattr(presets, "BASE", replace(presets.BASE, **parts))


def write_h_rdt(path: Path) -> dict[str, torch.Tensor]:
    """A file with H-RDT's keys; its weights under the names here."""
    config = h_rdt.H_RDT_ROBOT
    own = with_random_weights(config).bfloat16().state_dict()
    torch.save(
        {
            theirs: interleaved(own[ours], config.trunk.head_width) if "wkv" in theirs else own[ours]
            for theirs, ours in key_table(config).items()
        },
        path,
    )
    return own


def test_import_writes_h_rdts_network_whole(
    small_h_rdt: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = write_h_rdt(tmp_path / "pytorch_model.bin")
    folder = tmp_path / "imported"
    command = ["checkpoint", "import-h-rdt", str(tmp_path / "pytorch_model.bin"), str(folder)]
    assert main([*command, "--robot", "piper_bimanual"]) == 0
    found = read_description(folder)
    said = capsys.readouterr().out
    assert f"h_rdt_robot for piper_bimanual, {len(own)} tensors read" in said and found.manifest.hash in said
    weights = read_weights(folder / WEIGHTS_FILE)
    assert weights.keys() == own.keys()
    assert all(torch.equal(weights[key], own[key]) for key in own)
    assert (found.config.family, found.config.cameras) == ("h_rdt", 3)
    assert found.contract.cameras == ("head_camera", "right_wrist_camera", "left_wrist_camera"), "H-RDT's order"
    assert (found.contract.first_step_seconds, found.contract.step_seconds) == (0.06, 0.18)
    assert found.normalisation.methods == raw_normalisation().methods, "RoboTwin's actions are not normalised"
    assert found.manifest.notes["from"] == "pytorch_model.bin"
    assert main(["checkpoint", "show", str(folder)]) == 0
    assert main([*command, "--robot", "piper_bimanual"]) == 1
    assert "exists already" in capsys.readouterr().err


def test_import_gives_mivla_h_rdts_trunk_and_says_what_stays_random(
    small_h_rdt: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = write_h_rdt(tmp_path / "model.bin")
    folder = tmp_path / "base"
    assert main(["checkpoint", "import-h-rdt", str(tmp_path / "model.bin"), str(folder), "--into", "base"]) == 0
    weights, found = read_weights(folder / WEIGHTS_FILE), read_description(folder)
    assert found.config.family == "mivla" and found.contract.robot == "piper"
    taken = [key for key in own if key.startswith(("trunk.blocks.", "vision_projection.", "language_projection."))]
    assert taken and all(torch.equal(weights[key], own[key]) for key in taken)
    random = found.manifest.notes["random"]
    assert "action_projection" in random and "trunk.decoder" in random and "trunk.blocks" not in random
    assert "stay random and want training" in capsys.readouterr().out


def test_import_refuses_what_it_cannot_place(
    small_h_rdt: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_h_rdt(tmp_path / "model.bin")
    assert main(["checkpoint", "import-h-rdt", str(tmp_path / "model.bin"), str(tmp_path / "x")]) == 1
    assert "which camera of 'piper' is 'right' is not clear" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
