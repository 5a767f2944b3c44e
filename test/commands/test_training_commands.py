import pytest
import torch

from mivla_ros.commands.main import main
from mivla_ros.model.checkpoint import load_checkpoint
from mivla_ros.robots.profile import load_profile
from test.episodes.recordings import write_egodex, write_piper_bag

SHORT = ["--steps", "2", "--batch", "2", "--warmup", "1", "--validate-every", "2", "--save-every", "2"]


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_pretraining_on_both_bodies_then_fine_tuning_gives_a_checkpoint_for_the_robot(tmp_path, capsys):
    bags = [str(write_piper_bag(tmp_path / "bags" / f"bag{i}", seconds=1.5)) for i in range(2)]
    person = str(write_egodex(tmp_path / "0.hdf5", frames=45))
    before, after = str(tmp_path / "pretrained"), str(tmp_path / "tuned")
    pretrain = ["pretrain", "--mode", "both", "--robot", "piper", "--episodes", *bags, person, "--out", before]
    assert main([*pretrain, "--validation", "0", *SHORT]) == 0
    said = capsys.readouterr().out
    assert "3 episodes" in said and "1 of them a person's" in said
    assert "a robot can follow" in said
    finetune = ["finetune", "--robot", "piper", "--from", f"{before}/last", "--episodes", *bags, "--out", after]
    assert main([*finetune, "--validation", "0.5", *SHORT]) == 0
    assert "training on 1, validating on 1 episodes" in capsys.readouterr().out
    made = load_checkpoint(tmp_path / "tuned" / "best", load_profile("piper"))
    assert made.contract.instruction == "move the bottle"
    assert made.manifest.notes["made by"] == "mivla finetune"
    again = ["pretrain", "--robot", "piper", "--mode", "scratch", "--out", str(tmp_path / "again")]
    assert main([*again, "--sight-from", f"{before}/last", "--seed", "3"]) == 0
    taken, given = (load_checkpoint(tmp_path / name / "last").network for name in ("again", "pretrained"))
    same = [torch.equal(*pair) for pair in zip(taken.vision.parameters(), given.vision.parameters(), strict=True)]
    assert all(same) and not torch.equal(taken.action_projection[0].weight, given.action_projection[0].weight)
    assert main([*again, "--from", f"{before}/last", "--out", str(tmp_path / "on")]) == 0
    went_on = load_checkpoint(tmp_path / "on" / "last")
    assert all(map(torch.equal, went_on.network.parameters(), given.parameters()))
    assert main([*finetune, "--first", "3", *SHORT]) == 1
    assert "--first: is 3, there are 2 good episodes" in capsys.readouterr().err


def test_a_mode_without_its_data_and_a_path_without_episodes_are_one_line(tmp_path, capsys):
    bag = str(write_piper_bag(tmp_path / "bag", seconds=1.5))
    assert main(["pretrain", "--robot", "piper", "--episodes", bag, "--out", str(tmp_path / "out"), *SHORT]) == 1
    assert "needs people's and robots' episodes, there are those of: robot" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["finetune", "--episodes", str(tmp_path / "empty"), "--out", str(tmp_path / "out")]) == 1
    assert "holds no episode of a known format" in capsys.readouterr().err
