import pytest

from mivla_ros.ablation.errors import AblationError
from mivla_ros.ablation.plan import AblationPlan
from mivla_ros.ablation.running import command_of
from mivla_ros.ablation.steps import runs_of, steps_of
from mivla_ros.commands.main import make_parser
from mivla_ros.training.options import Mode

PLAN = AblationPlan(demonstrations=(10, 30))


def test_every_step_is_a_command_that_mivla_knows_and_comes_after_what_it_needs() -> None:
    parser, seen = make_parser(), set()
    for step in steps_of(PLAN):
        parser.parse_args(step.arguments)
        assert seen.issuperset(step.needs), f"{step.name} comes before {set(step.needs) - seen}"
        assert step.name not in seen
        seen.add(step.name)
    assert {f"evaluate-{run.name}" for run in runs_of(PLAN)} <= seen
    assert len(runs_of(PLAN)) == 3 * 4 * 3 * 2


def test_modes_differ_in_nothing_but_what_pre_training_is_given() -> None:
    commands = {step.name: command_of(step) for step in steps_of(PLAN)}
    for run in runs_of(PLAN):
        for kind in ("finetune", "evaluate"):
            mine = commands[f"{kind}-{run.name}"].replace(f"-{run.mode}-", "-MODE-").replace(f"/{run.mode}-", "/MODE-")
            name = f"{kind}-{run.name.replace(run.mode, 'both')}"
            assert mine == commands[name].replace("-both-", "-MODE-").replace("/both-", "/MODE-")
    h2r, both = (commands[f"pretrain-{mode}-0"] for mode in ("h2r", "both"))
    assert both.replace(" simulated ", " ").replace("both", "h2r") == h2r


def test_simulated_robots_are_made_for_those_who_need_them() -> None:
    names = [step.name for step in steps_of(AblationPlan(modes=("scratch", "human"), held_out=("pour_cup",)))]
    assert not [name for name in names if name.startswith("simulated-")]
    people = next(step for step in steps_of(AblationPlan(held_out=("pour_cup",))) if step.name == "people")
    assert "pour_cup" not in command_of(people) and "bottle_on_pad" in command_of(people)


def test_the_encoder_is_taught_every_view_of_the_robots_tasks_but_of_those_held_out() -> None:
    def shown(plan: AblationPlan) -> list[str]:
        sight = next(step for step in steps_of(plan) if step.name == "sight")
        return make_parser().parse_args(sight.arguments).people

    assert shown(PLAN) == ["bottle_on_pad", "umbrella_rack", "gather_objects"]
    assert shown(AblationPlan(held_out=("umbrella_rack",))) == ["bottle_on_pad", "gather_objects"]


def test_a_robot_is_not_asked_for_tasks_that_its_expert_cannot_do() -> None:
    made = {step.name for step in steps_of(PLAN) if step.name.startswith("simulated-")}
    assert "simulated-bottle_on_pad" in made
    assert not made & {"simulated-carry_tray", "simulated-gather_objects"}
    other = {step.name for step in steps_of(AblationPlan(simulated="locoman"))}
    assert "simulated-gather_objects" in other and "simulated-carry_tray" not in other


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"modes": ("both", "theirs")}, "modes: 'theirs' must be one of scratch, human, h2r, both"),
        ({"robots": ()}, "robots: are none"),
        ({"training_seeds": (0, 0)}, "training_seeds: are 0, 0"),
        ({"demonstrations": (1,)}, "demonstrations: are 1"),
        ({"episodes": 0}, "episodes: is 0"),
    ],
)
def test_what_cannot_be_is_named(wrong: dict, words: str) -> None:
    with pytest.raises(AblationError, match=words):
        AblationPlan(**wrong)


def test_all_modes_of_the_paper_are_compared_unless_told_otherwise() -> None:
    assert AblationPlan().modes == tuple(Mode)
