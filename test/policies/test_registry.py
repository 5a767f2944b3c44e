from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_motion_file import eef_arrays, save
from test_replay import record

from mivla_ros.policies.frames import fixed_transform
from mivla_ros.policies.options import read_options, split_options
from mivla_ros.policies.policy import Policy, PolicyError
from mivla_ros.policies.registry import POLICIES, PolicyContext, entry, make_policy
from mivla_ros.policies.scripted import ScriptedOptions
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile

PROFILE = load_profile("piper")


@pytest.fixture(scope="module")
def context() -> PolicyContext:
    return PolicyContext(PROFILE, robot_description(PROFILE))


def test_every_policy_is_made_by_name(context: PolicyContext, tmp_path: Path) -> None:
    options = {
        "demonstration": {"path": save(tmp_path, eef_arrays())},
        "openpi": {"url": "ws://127.0.0.1:1", "adapter": "piper"},
        "replay": {"path": record(tmp_path)},
    }
    for name in POLICIES.keys() - {"mivla", "h_rdt"}:  # those need a checkpoint: test/model
        policy = make_policy(name, context, options.get(name))
        assert isinstance(policy, Policy)
        assert policy.spec.name == name
        policy.close()


def test_an_unknown_policy_names_those_there_are(context: PolicyContext) -> None:
    with pytest.raises(PolicyError, match="there are demonstration, ") as error:
        make_policy("mivla2", context)
    assert error.value.subject == "mivla2"
    with pytest.raises(PolicyError):
        entry("mivla2")


def test_options_are_words_turned_into_the_types_of_their_fields(context: PolicyContext) -> None:
    policy = make_policy("scripted", context, split_options("scripted", ["speed=0.1", " horizon = 12 ", ""]))
    assert policy.spec.horizon == 12
    assert policy.options.speed == 0.1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sped=1"], "there is no option 'sped', there are arm, grasp_height"),
        (["speed=fast"], "option speed is 'fast', must be of type float"),
        (["horizon=1.5"], "option horizon is '1.5', must be of type int"),
        (["speed"], "option 'speed' must be written NAME=VALUE"),
    ],
)
def test_options_that_are_wrong_are_named(words: list[str], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        read_options("scripted", ScriptedOptions, split_options("scripted", words))


@pytest.mark.parametrize(("word", "value"), [("true", True), ("No", False), ("1", True), ("0", False)])
def test_truth_is_written_in_words(word: str, value: bool) -> None:
    from mivla_ros.policies.demonstration import DemonstrationOptions

    assert read_options("demonstration", DemonstrationOptions, {"relative": word}).relative is value
    with pytest.raises(PolicyError, match="must be true or false"):
        read_options("demonstration", DemonstrationOptions, {"relative": "perhaps"})


def test_an_arm_the_robot_has_not_is_named(context: PolicyContext) -> None:
    with pytest.raises(PolicyError, match=r"no arm 'left', only \['arm'\]"):
        make_policy("scripted", context, {"arm": "left"})


def test_a_base_set_elsewhere_is_found_in_the_description() -> None:
    urdf = robot_description(PROFILE, base_xyz="1 2 0.5", base_rpy="0 0 1.5707963267948966")
    base_from_world = fixed_transform(urdf, "base_link", "world")
    # the base stands at (1, 2, 0.5), turned left: the world's origin lies 2 behind it and 1 to its left
    assert base_from_world == pytest.approx([-2, 1, -0.5, np.sqrt(0.5), 0, 0, -np.sqrt(0.5)], abs=1e-9)


def test_a_base_that_moves_or_hangs_nowhere_is_refused(context: PolicyContext) -> None:
    with pytest.raises(PolicyError, match="'joint1' between 'base_link' and 'link1' moves"):
        fixed_transform(context.urdf, "link1", "base_link")
    with pytest.raises(PolicyError, match="does not hang below 'tcp'"):
        fixed_transform(context.urdf, "base_link", "tcp")
    assert fixed_transform(context.urdf, "world", "world") == pytest.approx([0, 0, 0, 1, 0, 0, 0])
    assert replace(context).urdf == context.urdf
