"""The experts of declared tasks, through retargeting and physics."""

import pytest

from mivla_ros.policies.headless import HeadlessRun
from mivla_ros.policies.policy import PolicyError
from mivla_ros.simulation.tasks import SimulatedTableTask, make_task


@pytest.mark.parametrize(("robot", "name"), [("piper", "open_drawer"), ("piper_bimanual", "push_to_mark")])
def test_expert_does_its_task(robot: str, name: str) -> None:
    episode = HeadlessRun("scripted", robot=robot, task=make_task(name)).episode(seed=3)
    assert episode.success, str(episode)
    assert episode.refused_chunks == 0


def test_expert_follows_things_of_other_sizes() -> None:
    task = make_task("cup_on_saucer")
    assert isinstance(task, SimulatedTableTask)
    episode = HeadlessRun("scripted", robot="arx_x5", task=task.with_other_object()).episode(seed=1)
    assert episode.success, str(episode)


def test_arms_on_a_moving_body_have_no_expert_for_it() -> None:
    with pytest.raises(PolicyError, match="moving body"):
        HeadlessRun("scripted", robot="locoman", task=make_task("block_in_box"))


@pytest.mark.parametrize(("name", "why"), [("hand_over", "by one arm"), ("carry_tray", "two hands at once")])
def test_one_arm_is_not_asked_to_do_what_takes_two(name: str, why: str) -> None:
    with pytest.raises(PolicyError, match=why):
        HeadlessRun("scripted", robot="piper", task=make_task(name))


def test_two_arms_hand_over() -> None:
    episode = HeadlessRun("scripted", robot="piper_bimanual", task=make_task("hand_over")).episode(seed=0, limit=30.0)
    assert episode.success, str(episode)
