"""A checkpoint says for which robot its numbers mean what; another robot is refused, key by key."""

from dataclasses import replace

import pytest

from mivla_ros.model.contract import check_contract, check_robot, contract_mismatches, make_contract
from mivla_ros.model.errors import CheckpointError, ContractError
from mivla_ros.model.presets import H_RDT_ROBOT, TINY
from mivla_ros.robots.profile import RobotProfile, load_profile

PIPER = load_profile("piper")
ARM = PIPER.arms[0]
CONTRACT = make_contract(PIPER, TINY)


def with_arm(**changes: object) -> RobotProfile:
    return replace(PIPER, arms=(replace(ARM, **changes),))


def two_arms() -> RobotProfile:
    left = replace(ARM, name="left_arm", side="left", joints=tuple(f"l_{name}" for name in ARM.joints))
    return replace(PIPER, arms=(left, ARM))


def test_the_robot_it_was_made_for_is_accepted() -> None:
    check_robot(CONTRACT, PIPER, "x")
    check_contract(CONTRACT, TINY, "x")
    assert CONTRACT.cameras == ("head_camera", "wrist_camera")
    assert CONTRACT.values[48] == ("robot.left.joint1", "rad", "joint")


def test_other_limits_and_rates_are_no_other_robot() -> None:
    tuned = replace(with_arm(velocity=(1.0,) * 6), command_rate=100.0, hash="0" * 64)
    assert contract_mismatches(CONTRACT, tuned) == ()


@pytest.mark.parametrize(
    ("profile", "key", "expected", "found"),
    [
        (replace(PIPER, name="arx_x5"), "robot", "piper", "arx_x5"),
        (with_arm(side="left"), "arms.arm.side", "right", "left"),
        (with_arm(joints=ARM.joints[::-1]), "arms.arm.joints", "[joint1,", "[joint6,"),
        (with_arm(name="other"), "arms", "[arm]", "[other]"),
        (two_arms(), "arms", "[arm]", "[left_arm, arm]"),
        (with_arm(eef_frame="flange"), "arms.arm.eef_frame", "tcp", "flange"),
        (with_arm(base_frame="world"), "arms.arm.base_frame", "base_link", "world"),
        (with_arm(gripper=None), "arms.arm.gripper", "gripper 0 to 0.1", "None"),
        (with_arm(gripper=replace(ARM.gripper, closed=0.1, open=0.0)), "arms.arm.gripper", "0 to 0.1", "0.1 to 0"),
        (replace(PIPER, cameras=PIPER.cameras[:1]), "cameras", "wrist_camera", "[head_camera]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_match_is_named_with_both_values(profile, key, expected, found) -> None:
    with pytest.raises(ContractError) as error:
        check_robot(CONTRACT, profile, "folder")
    mismatch = {name: (a, b) for name, a, b in error.value.mismatches}[key]
    assert expected in mismatch[0]
    assert found in mismatch[1]
    assert f"{key}: expected {mismatch[0]}, found {mismatch[1]}" in str(error.value)
    assert "\n" not in str(error.value)


def test_every_mismatch_is_told_at_once() -> None:
    wrong = replace(with_arm(side="left", eef_frame="flange"), name="arx_x5")
    assert [key for key, _, _ in contract_mismatches(CONTRACT, wrong)] == [
        "robot",
        "arms.arm.side",
        "arms.arm.eef_frame",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sides": ("right", "left")}, r"sides is \[right, left\], must be \[left, right\]"),
        ({"quaternion_order": "xyzw"}, "quaternion_order is xyzw, must be wxyz"),
        ({"rotation_6d": "first two rows"}, "rotation_6d is first two rows, must be first two columns"),
        ({"gripper_sense": "0 open, 1 closed"}, "gripper_sense is 0 open, 1 closed, must be 0 closed, 1 open"),
        ({"horizon": 50}, "horizon is 50, must be 16"),
        ({"values": CONTRACT.values[14:] + CONTRACT.values[:14]}, r"values\[0\] is \[human\.left"),
        ({"values": CONTRACT.values[:14]}, "values has 14 entries, must have 76"),
        ({"cameras": ("a", "b", "c", "d")}, "names 4, the network has places for 3"),
        ({"step_seconds": 0.0}, "step_seconds is 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_another_action_space_is_refused(change, message) -> None:
    with pytest.raises(CheckpointError, match=message):
        check_contract(replace(CONTRACT, **change), TINY, "contract.json")


def test_a_robot_that_the_action_space_cannot_hold_is_refused() -> None:
    seven = with_arm(joints=(*ARM.joints, "joint7"))
    with pytest.raises(CheckpointError, match="has 7 joints, the action space 6"):
        make_contract(seven, TINY)
    with pytest.raises(CheckpointError, match="one of each is the most"):
        make_contract(replace(PIPER, arms=(ARM, replace(ARM, name="b"))), TINY)
    with pytest.raises(CheckpointError, match=r"no camera 'belly', only \['head_camera', 'wrist_camera'\]"):
        make_contract(PIPER, TINY, cameras=["belly"])
    with pytest.raises(CheckpointError, match="step_seconds is 0, must be above 0"):
        make_contract(PIPER, TINY, step_seconds=0)


def test_a_network_without_masks_needs_both_arms() -> None:
    with pytest.raises(CheckpointError, match="need a left and a right arm; robot 'piper' has right only"):
        make_contract(PIPER, H_RDT_ROBOT)
    assert make_contract(two_arms(), H_RDT_ROBOT).arms[0].side == "left"
