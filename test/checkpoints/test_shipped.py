"""The checkpoints that come with the suite are whole, fit their robots, and do their task from pixels."""

import pytest

from mivla_ros.checkpoints import shipped_checkpoint
from mivla_ros.model.checkpoint_files import read_description
from mivla_ros.policies.registry import PolicyContext, make_policy
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile

MOST_BYTES = 25e6


def test_it_is_whole_small_and_made_for_the_robot() -> None:
    folder = shipped_checkpoint("piper")
    assert folder is not None
    description = read_description(folder)  # checks every hash
    assert description.contract.robot == "piper"
    assert sum(file.stat().st_size for file in folder.iterdir() if file.is_file()) < MOST_BYTES
    assert description.config.flow.noise == 0.0


@pytest.mark.parametrize("robot", ["locoman", "nobody", "../model", "/tmp", ""])
def test_there_is_none_for_others(robot: str) -> None:
    assert shipped_checkpoint(robot) is None


def test_it_does_most_scenes_from_pixels() -> None:
    from mivla_ros.evaluation.rollout import Stage

    options = {"checkpoint": str(shipped_checkpoint("piper")), "threads": "1"}
    stage = Stage("piper", "mivla", options, "easy", 0.05, "")
    rollouts = [stage.play(seed, 25.0, "") for seed in range(4)]
    assert sum(rollout.success for rollout in rollouts) >= 2, [rollout.failure for rollout in rollouts]


def test_it_sees_no_truth() -> None:
    profile = load_profile("piper")
    context = PolicyContext(profile, robot_description(profile))
    policy = make_policy("mivla", context, {"checkpoint": str(shipped_checkpoint("piper")), "engine": "torch"})
    assert not policy.spec.needs_objects and policy.spec.cameras == ("head_camera", "wrist_camera")
    policy.close()
