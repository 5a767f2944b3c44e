"""The command against the simulation; two conditions, few seeds."""

import json

import pytest

pytest.importorskip("mujoco", reason="MuJoCo is not installed")

from mivla_ros.commands.evaluate import seeds
from mivla_ros.commands.main import main
from mivla_ros.evaluation.campaign import RESULTS, Plan, campaign
from mivla_ros.evaluation.conditions import CONDITIONS, condition
from mivla_ros.evaluation.errors import EvaluationError


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    status = main(
        ["evaluate", "--seeds", "2", "--conditions", "easy,hard", "--workers", "1", "--films", "1",
         "--out", str(folder), "--json", str(folder / "out.json")]
    )  # fmt: skip
    assert status == 0
    return folder


def test_the_summary_holds_success_completion_and_seconds(evaluated):
    found = json.loads((evaluated / "out.json").read_text())
    easy, hard = found["conditions"]
    assert (easy["condition"], hard["condition"]) == ("easy", "hard")
    assert easy["success"]["mean"] == 1.0
    assert 0 < easy["success"]["lower"] < 1
    assert 3 < easy["seconds"]["mean"] < 30
    assert list(easy["subtasks"]) == ["reach and pick", "move to pad", "put and release", "reset"]


def test_the_report_is_one_page_with_videos_beside_it(evaluated):
    page = (evaluated / "report.html").read_text()
    assert "easy_0.mp4" in page
    assert "http" not in page.replace("http-equiv", "")
    import av

    with av.open(str(evaluated / "videos" / "easy_0.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) > 50


def test_a_second_run_plays_nothing_and_more_seeds_play_only_those(evaluated):
    plan = Plan("piper", "scripted", conditions=("easy", "hard"), seeds=(0, 1))
    before = (evaluated / RESULTS).read_text()
    assert list(campaign(plan, evaluated, workers=1)) == []
    assert (evaluated / RESULTS).read_text() == before
    more = Plan("piper", "scripted", conditions=("easy",), seeds=(0, 1, 2))
    played = list(campaign(more, evaluated, workers=1))
    assert [(r.seed, done, total) for r, done, total in played] == [(2, 3, 3)]


def test_a_line_cut_off_by_a_kill_is_played_again(evaluated, tmp_path):
    for name in ("plan.json", RESULTS):
        (tmp_path / name).write_text((evaluated / name).read_text())
    lines = (tmp_path / RESULTS).read_text().splitlines()
    kept = [line for line in lines if json.loads(line)["condition"] == "easy"][:2]
    (tmp_path / RESULTS).write_text(kept[0] + "\n" + kept[1][: len(kept[1]) // 2])
    plan = Plan("piper", "scripted", conditions=("easy",), seeds=(0, 1))
    played = list(campaign(plan, tmp_path, workers=1))
    assert len(played) == 1
    assert len((tmp_path / RESULTS).read_text().splitlines()) == 2


def test_the_same_seed_gives_the_same_episode(evaluated, tmp_path):
    plan = Plan("piper", "scripted", conditions=("hard",), seeds=(1,))
    again = next(iter(campaign(plan, tmp_path, workers=1)))[0].as_json()
    lines = [json.loads(line) for line in (evaluated / RESULTS).read_text().splitlines()]
    first = next(r for r in lines if r["condition"] == "hard" and r["seed"] == 1)
    for name in ("success", "seconds", "completion", "smoothness"):
        assert again[name] == first[name]


def test_results_of_other_options_are_not_mixed_in(evaluated):
    with pytest.raises(EvaluationError, match="another policy, other options"):
        list(campaign(Plan("piper", "scripted", latency=0.2), evaluated, workers=1))


def test_an_unknown_condition_names_those_there_are():
    with pytest.raises(EvaluationError, match="unseen_place"):
        condition("harder")
    assert {"easy", "hard", "unseen_place", "unseen_object", "unseen_scene"} <= CONDITIONS.keys()


def test_seeds_are_a_number_or_a_range():
    assert seeds("3") == (0, 1, 2)
    assert seeds("100-102") == (100, 101, 102)
    for wrong in ("0", "x", "5-4"):
        with pytest.raises(ValueError, match="--seeds"):
            seeds(wrong)
