"""A checkpoint as a policy: what the robot measures goes in masked and in place, what its arms do comes out."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mivla_ros.action_chunk import Space
from mivla_ros.action_space import arm_slice, canonical_quaternion, hand_slice, pose_slice
from mivla_ros.inference.fast_inference import EngineName
from mivla_ros.model.bring_up import bring_up_normalisation
from mivla_ros.model.checkpoint import save_checkpoint
from mivla_ros.model.contract import make_contract
from mivla_ros.model.egodex import raw_normalisation
from mivla_ros.model.network import build_network, without_encoders
from mivla_ros.model.presets import H_RDT_ROBOT, TINY
from mivla_ros.observation import ArmState, CameraImage, Observation
from mivla_ros.policies.mivla import MivlaOptions, MivlaPolicy
from mivla_ros.policies.policy import Policy, PolicyError, Progress
from mivla_ros.policies.registry import PolicyContext, make_policy
from mivla_ros.policies.unified_rows import arm_actions, predicted_values, unified_state
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile

PIPER = load_profile("piper")
ARM = PIPER.arms[0]
BOTH = load_profile("piper_bimanual")
LEFT, RIGHT = BOTH.arms
READY = np.array(ARM.ready)
STATE = ArmState(READY, np.array([0.3, 0.1, 0.2, -0.5, 0.5, -0.5, 0.5]), 0.25)
WORDS = "put the bottle on the pad"


@pytest.fixture(scope="module")
def context() -> PolicyContext:
    return PolicyContext(PIPER, robot_description(PIPER))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, context: PolicyContext) -> Path:
    """A tiny network whose last layers are not zero, so that what it sees matters."""
    network = build_network(TINY, without_encoders())
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.trunk.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    save_checkpoint(folder, network, make_contract(PIPER, TINY), bring_up_normalisation(PIPER, context.urdf))
    return folder


@pytest.fixture(scope="module")
def policy(checkpoint: Path, context: PolicyContext) -> MivlaPolicy:
    options = {"checkpoint": str(checkpoint), "device": "cpu", "engine": "torch", "threads": 1, "noise": 1.0}
    made = make_policy("mivla", context, options)
    assert isinstance(made, MivlaPolicy)
    return made


def image(seed: int) -> CameraImage:
    return CameraImage(np.random.default_rng(seed).integers(0, 256, (240, 320, 3), dtype=np.uint8), 0)


def observation(**images: CameraImage) -> Observation:
    seen: Mapping[str, CameraImage] = images or {"head_camera": image(1), "wrist_camera": image(2)}
    return Observation(0, 0, seen, {"arm": STATE}, WORDS)


def test_it_gives_one_arms_joints_and_gripper_for_the_whole_horizon(policy: MivlaPolicy) -> None:
    assert isinstance(policy, Policy)
    policy.reset(WORDS, 0)
    actions = policy.infer(observation(), Progress())
    (arm,) = actions.arms
    assert (arm.name, arm.space, arm.joint_names) == ("arm", Space.JOINT, ARM.joints)
    assert arm.joints.shape == (policy.spec.horizon, 6) == (16, 6)
    assert arm.gripper.shape == (16,)
    assert np.abs(arm.joints - READY).max() <= 0.25 + 1e-9
    assert arm.gripper.min() >= 0 and arm.gripper.max() <= 1
    assert (actions.first_step_seconds, actions.step_seconds) == (0.1, 0.1)
    assert policy.spec.cameras == ("head_camera", "wrist_camera")
    assert len(policy.spec.revision) == 12


def joints(policy: MivlaPolicy, seen: Observation, words: str = WORDS, seed: int = 0) -> np.ndarray:
    policy.reset(words, seed)
    return policy.infer(seen, Progress()).arms[0].joints


def test_the_same_seed_gives_the_same_chunk_and_the_next_chunk_another(policy: MivlaPolicy) -> None:
    first = joints(policy, observation())
    second = policy.infer(observation(), Progress()).arms[0].joints
    assert (joints(policy, observation()) == first).all()
    assert not np.allclose(first, second)
    assert not np.allclose(joints(policy, observation(), seed=1), first)


def test_images_words_and_state_all_matter(policy: MivlaPolicy) -> None:
    before = joints(policy, observation())
    swapped = observation(head_camera=image(2), wrist_camera=image(1))
    assert not np.array_equal(joints(policy, swapped), before)
    assert not np.array_equal(joints(policy, observation(), "open the drawer"), before)
    moved = replace(observation(), arms={"arm": replace(STATE, joints=READY + 0.2)})
    assert not np.array_equal(joints(policy, moved), before)


def test_missing_images_and_words_are_masked(policy: MivlaPolicy) -> None:
    before = joints(policy, observation())
    one = joints(policy, observation(head_camera=image(1)))
    assert np.isfinite(one).all()
    assert not np.array_equal(one, before)
    black = CameraImage(np.zeros((240, 320, 3), np.uint8), 0)
    assert not np.array_equal(joints(policy, observation(head_camera=image(1), wrist_camera=black)), one)
    silent = joints(policy, observation(), "")
    assert np.isfinite(silent).all()
    assert not np.array_equal(silent, before)


def test_the_end_effector_can_be_followed_instead(checkpoint: Path, context: PolicyContext) -> None:
    policy = make_policy("mivla", context, {"checkpoint": str(checkpoint), "space": "eef", "engine": "torch"})
    policy.reset(WORDS, 0)
    (arm,) = policy.infer(observation(), Progress()).arms
    assert (arm.space, arm.eef_frame, policy.spec.frame_id) == (Space.EEF, "tcp", "base_link")
    assert np.linalg.norm(arm.eef[:, 3:], axis=1) == pytest.approx(1)


# ---- rows ----


def test_a_right_arm_fills_the_right_half_and_nothing_else() -> None:
    row, mask = unified_state([ARM], {"arm": STATE})
    right = arm_slice("right")
    assert row[right] == pytest.approx([*READY, 0.25])
    assert row[pose_slice("right")][3:] == pytest.approx(canonical_quaternion(STATE.eef[3:]))
    assert row[pose_slice("right")][3] > 0
    expected = np.zeros(76, dtype=bool)
    expected[right] = expected[pose_slice("right")] = True
    assert (mask == expected).all()
    predicted = predicted_values([ARM])
    expected[hand_slice("right")] = True
    assert (predicted == expected).all()


def test_left_comes_first_whatever_the_order_of_the_arms() -> None:
    left = replace(STATE, joints=READY + 1.0)
    for arms in ((LEFT, RIGHT), (RIGHT, LEFT)):
        row, mask = unified_state(arms, {"right_arm": STATE, "left_arm": left})
        assert row[48:54] == pytest.approx(READY + 1.0)
        assert row[55:61] == pytest.approx(READY)
        assert mask[48:].all() and not mask[:48].any()


def test_an_arm_without_gripper_or_with_five_joints_leaves_the_rest_masked() -> None:
    small = replace(ARM, joints=ARM.joints[:5], gripper=None)
    _, mask = unified_state([small], {"arm": replace(STATE, joints=READY[:5])})
    assert mask[arm_slice("right")].tolist() == [True] * 5 + [False] * 2
    rows = np.zeros((4, 76))
    actions = arm_actions(rows, small, Space.JOINT)
    assert actions.joints.shape == (4, 5)
    assert actions.gripper is None


# ---- what can be wrong ----


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "steam"}, "option engine is 'steam', must be one of auto, torch, compiled, cuda_graphs, onnx"),
        ({"engine": "cuda_graphs"}, "the engine cuda_graphs needs a network on a CUDA device"),
        ({"chunking": "tear"}, "option chunking is 'tear', must be one of rtc, ensemble, replace"),
        ({"checkpoint": ""}, "option checkpoint is empty, it must name a checkpoint's folder"),
        ({"checkpoint": "/no/such"}, "checkpoint /no/such: does not exist"),
        ({"device": "tpu"}, "option device is 'tpu', must be one of auto, cpu, cuda"),
        ({"precision": "int3"}, "option precision is 'int3', must be one of auto, float32, bfloat16"),
        ({"steps": -1}, "option steps is -1, must be 0 or more"),
        ({"space": "mind"}, "option space is 'mind', must be one of joint, eef"),
        ({"speed": 2}, "there is no option 'speed', there are checkpoint, encoders"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_options_that_are_wrong_are_one_line(checkpoint: Path, context, options: dict, message: str) -> None:
    with pytest.raises(PolicyError, match=message) as error:
        make_policy("mivla", context, {"checkpoint": str(checkpoint), **options})
    assert "\n" not in str(error.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_named(checkpoint: Path, context: PolicyContext) -> None:
    with pytest.raises(PolicyError, match="option device is 'cuda', PyTorch finds none here"):
        make_policy("mivla", context, {"checkpoint": str(checkpoint), "device": "cuda"})


def test_another_robots_checkpoint_is_refused_by_name(checkpoint: Path, context: PolicyContext) -> None:
    other = replace(context, profile=replace(PIPER, name="arx_x5"))
    with pytest.raises(PolicyError, match=r"policy 'mivla': .*robot: expected piper, found arx_x5"):
        make_policy("mivla", other, {"checkpoint": str(checkpoint)})


def test_words_it_cannot_read_and_arms_it_does_not_see_are_named(policy: MivlaPolicy) -> None:
    with pytest.raises(PolicyError, match="has 501 tokens, the network reads 160"):
        policy.reset("x" * 500, 0)
    policy.reset(WORDS, 0)
    with pytest.raises(PolicyError, match="the observation has no arm 'arm'"):
        policy.infer(replace(observation(), arms={}), Progress())


def test_each_network_is_run_by_its_own_name(checkpoint: Path, context: PolicyContext) -> None:
    with pytest.raises(PolicyError, match=r"policy 'h_rdt': .* holds a network of 'mivla', run it with policy 'mivla'"):
        make_policy("h_rdt", context, {"checkpoint": str(checkpoint)})


# ---- H-RDT ----


def test_h_rdt_drives_two_arms_with_raw_joints(tmp_path: Path) -> None:
    """Its network at a size that fits here, with encoders small enough to need no download."""
    config = replace(
        H_RDT_ROBOT,
        trunk=replace(TINY.trunk, depth=1),
        vision=replace(TINY.vision),
        language=TINY.language,
        cameras=2,
    )
    network = build_network(config, without_encoders())
    save_checkpoint(tmp_path / "h", network, make_contract(BOTH, config, 0.18, 0.06), raw_normalisation())
    policy = MivlaPolicy("h_rdt", BOTH, MivlaOptions(checkpoint=str(tmp_path / "h"), engine=EngineName.TORCH))
    policy.reset(WORDS, 0)
    seen = replace(observation(), arms={"right_arm": STATE, "left_arm": STATE})
    actions = policy.infer(seen, Progress())
    assert [arm.name for arm in actions.arms] == ["left_arm", "right_arm"]
    assert (actions.first_step_seconds, actions.step_seconds) == (0.06, 0.18)
    # a fresh network's velocity is zero, so what comes out is its noise, unscaled
    assert np.abs(actions.arms[0].joints).max() > 1.5
    assert actions.arms[0].joints.std() == pytest.approx(1.0, abs=0.25)
    with pytest.raises(PolicyError, match="option space is 'eef', network 'h_rdt_robot' predicts columns 48 to 62"):
        MivlaPolicy("h_rdt", BOTH, MivlaOptions(checkpoint=str(tmp_path / "h"), space="eef"))
