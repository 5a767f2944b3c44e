import json
from pathlib import Path

import pytest

from mivla_ros.ablation.errors import AblationError
from mivla_ros.ablation.running import run_steps
from mivla_ros.ablation.steps import Step

GOOD = Step("good", ("evaluate", "--help"))
AFTER = Step("after", ("demonstrate", "--help"), needs=("good",))
BAD = Step("bad", ("checkpoint", "show", "nowhere"))
NEEDS_BAD = Step("never", ("evaluate", "--help"), needs=("bad",))


def test_steps_run_when_their_needs_are_met_and_once(tmp_path: Path) -> None:
    order = [done.step.name for done in run_steps([GOOD, AFTER], tmp_path, workers=2)]
    assert order == ["good", "after"]
    assert "usage: mivla evaluate" in (tmp_path / "logs/good.log").read_text()
    assert json.loads((tmp_path / "done/good.json").read_text())["command"] == "mivla evaluate --help"
    assert list(run_steps([GOOD, AFTER], tmp_path)) == []


def test_a_failure_holds_up_only_those_that_need_it_and_says_its_last_words(tmp_path: Path) -> None:
    done = []
    with pytest.raises(AblationError, match=r"1 of 3 steps failed: bad: mivla: .*nowhere.*; 1 were not begun"):
        for one in run_steps([BAD, NEEDS_BAD, GOOD], tmp_path):
            done.append(one.step.name)
    assert done == ["good"]


def test_what_another_command_did_is_not_taken_for_done(tmp_path: Path) -> None:
    list(run_steps([GOOD], tmp_path))
    with pytest.raises(AblationError, match="'mivla evaluate --help', this ablation's is 'mivla train --help'"):
        list(run_steps([Step("good", ("train", "--help"))], tmp_path))
