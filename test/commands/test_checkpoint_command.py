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
from mivla_ros.model.h_rdt import interleaved, key_table
from mivla_ros.model.network import build_network, without_encoders
from mivla_ros.robots.profile import load_profile


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
    """H-RDT's and MiVLA's networks at a size that fits here."""
    trunk = replace(presets.TINY.trunk, width=48, depth=1, heads=4, kv_heads=2)
    parts = {"trunk": trunk, "language": presets.TINY.language, "vision": presets.TINY.vision}
    monkeypatch.setattr(h_rdt, "H_RDT_ROBOT", replace(presets.H_RDT_ROBOT, **parts))
    monkeypatch.setattr(h_rdt, "H_RDT_HUMAN", replace(presets.H_RDT_HUMAN, **parts))
    monkeypatch.setattr(presets, "BASE", replace(presets.BASE, **parts))


def write_h_rdt(path: Path) -> None:
    config = h_rdt.H_RDT_ROBOT
    # the encoders are no part of H-RDT's files, and here are made with the network
    own = {
        key: value
        for key, value in build_network(config, without_encoders()).state_dict().items()
        if not key.startswith(("vision.", "language."))
    }
    torch.save(
        {
            theirs: interleaved(own[ours], config.trunk.head_width) if "wkv" in theirs else own[ours]
            for theirs, ours in key_table(config).items()
        },
        path,
    )


def test_import_refuses_what_it_cannot_place(
    small_h_rdt: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_h_rdt(tmp_path / "model.bin")
    assert main(["checkpoint", "import-h-rdt", str(tmp_path / "model.bin"), str(tmp_path / "x")]) == 1
    assert "which camera of 'piper' is 'right' is not clear" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
