import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_world import STANDING, ToyWorld

from mivla_ros.action_chunk import GripperKind, Space
from mivla_ros.policies.polar_path import polar, position_at, rotation_at
from mivla_ros.policies.policy import Policy, PolicyError, Progress
from mivla_ros.policies.scripted import ScriptedOptions, ScriptedPolicy
from mivla_ros.robots.profile import load_profile

ARM = load_profile("piper").arms[0]
READY = polar(0.0, 0.33, 0.2, 0.9)
WORLD_IS_BASE = np.array([0, 0, 0, 1.0, 0, 0, 0])


def pose(coordinates: np.ndarray) -> np.ndarray:
    return np.concatenate([position_at(coordinates), rotation_at(coordinates).as_quat(scalar_first=True)])


def policy(**options: float) -> ScriptedPolicy:
    return ScriptedPolicy(ARM, WORLD_IS_BASE, pose(READY), ScriptedOptions(stay=False, **options))


def world(bottle: tuple[float, float] = (0.36, 0.12), pad: tuple[float, float] = (0.34, -0.15)) -> ToyWorld:
    return ToyWorld(pose(READY), np.array([*bottle, 0.0, *STANDING]), np.array([*pad, 0.002, *STANDING]))


def play(script: ScriptedPolicy, scene: ToyWorld, inferences: int = 120, steps: int = 6) -> bool:
    """Until finished; True where it came to that."""
    for _ in range(inferences):
        actions = scene.infer(script)
        if actions.finished:
            return True
        scene.follow(actions, steps)
    return False


def test_when_all_is_done_chunks_keep_coming_and_hold_the_arm() -> None:
    script = ScriptedPolicy(ARM, WORLD_IS_BASE, pose(READY))
    scene = world()
    assert not play(script, scene)
    actions = scene.infer(script)
    assert not actions.finished
    assert np.ptp(actions.arms[0].eef, axis=0) == pytest.approx(np.zeros(7), abs=1e-9)
    assert scene.bottle[:2] == pytest.approx(scene.pad[:2], abs=2e-3)


def play_until(script: ScriptedPolicy, scene: ToyWorld, phase: str) -> None:
    for _ in range(200):
        if script.phase(scene.now_ns) == phase:
            return
        scene.follow(scene.infer(script), 3)
    raise AssertionError(f"never came to {phase}")


places = st.tuples(st.floats(0.30, 0.42), st.floats(-0.2, 0.2))


@settings(max_examples=25, deadline=None)
@given(places, places)
def test_the_bottle_comes_to_the_middle_of_the_pad_and_the_arm_home(bottle, pad) -> None:
    script, scene = policy(), world(bottle, pad)
    assert play(script, scene)
    assert scene.bottle[:2] == pytest.approx(scene.pad[:2], abs=2e-3)
    assert scene.held is None
    assert scene.eef == pytest.approx(pose(READY), abs=2e-3)  # one step late
    assert (scene.grips, script.attempts) == (1, 1)


def test_it_is_a_policy_and_honest_about_what_it_reads() -> None:
    script = policy()
    assert isinstance(script, Policy)
    assert script.spec.needs_objects
    assert script.spec.cameras == ()
    assert script.spec.frame_id == ARM.base_frame


def test_actions_are_poses_of_the_end_effector_with_a_binary_gripper() -> None:
    actions = world().infer(policy(horizon=10))
    arm = actions.arms[0]
    assert (arm.space, arm.eef_frame, arm.gripper_kind) == (Space.EEF, ARM.eef_frame, GripperKind.BINARY)
    assert arm.eef.shape == (10, 7)
    assert np.linalg.norm(arm.eef[:, 3:], axis=1) == pytest.approx(np.ones(10))
    assert set(arm.gripper) <= {0.0, 1.0}


def test_chunks_agree_wherever_they_overlap() -> None:
    """Steps due at the same time are the same in every chunk, up to where a plan may change."""
    script, scene = policy(), world()
    play(script, scene, steps=4)
    compared = changed = 0
    for (before_ns, before), (after_ns, after) in zip(scene.chunks, scene.chunks[1:], strict=False):
        skip = (after_ns - before_ns) // 50_000_000
        difference = np.abs(before.arms[0].eef[skip:] - after.arms[0].eef[: 16 - skip]).max(axis=1)
        lead = round(script.options.start_seconds / 0.05)
        assert difference[:lead] == pytest.approx(np.zeros(min(lead, len(difference))), abs=1e-12)
        compared += 1
        changed += bool(difference.max() > 1e-9)
    assert compared > 30
    assert changed <= 1  # the one time the place is corrected


def test_the_reference_never_jumps() -> None:
    script, scene = policy(), world()
    scene.slippery = 1
    play(script, scene, steps=1, inferences=600)
    assert script.attempts == 2
    executed = np.array([actions.arms[0].eef[0, :3] for _, actions in scene.chunks])
    speed = np.diff(executed, axis=0) / 0.05
    acceleration = np.diff(speed, axis=0) / 0.05
    assert np.linalg.norm(speed, axis=1).max() < 1.8 * 0.25  # three axes may share the peak
    assert np.linalg.norm(acceleration, axis=1).max() < 1.8 * 0.6


def test_a_grasp_that_failed_is_tried_again() -> None:
    script, scene = policy(), world()
    scene.slippery = 2
    assert play(script, scene)
    assert (scene.grips, script.attempts) == (1, 3)
    assert scene.bottle[:2] == pytest.approx(scene.pad[:2], abs=2e-3)


def test_too_many_failures_end_with_a_reason() -> None:
    script, scene = policy(retries=1), world()
    scene.slippery = 100
    with pytest.raises(PolicyError, match="2 attempts failed") as error:
        play(script, scene)
    assert error.value.subject == "bottle"


def test_a_bottle_dropped_on_the_way_is_fetched_again() -> None:
    script, scene = policy(), world()
    play_until(script, scene, "carry")
    scene.follow(scene.infer(script), 6)
    scene.drop()
    assert play(script, scene)
    assert (scene.grips, script.attempts) == (2, 2)
    assert scene.bottle[:2] == pytest.approx(scene.pad[:2], abs=2e-3)


def test_a_bottle_that_is_moved_before_the_reach_is_still_met() -> None:
    script, scene = policy(), world()
    play_until(script, scene, "approach")
    scene.bottle[:2] = [0.40, -0.02]
    assert play(script, scene)
    assert (scene.grips, script.attempts) == (1, 1)


def test_how_the_bottle_sits_in_the_gripper_is_made_up_for() -> None:
    script, scene = policy(), world()
    play_until(script, scene, "lift")
    offset, turn = scene.held
    scene.held = (offset + np.array([0.008, 0.0, -0.006]), turn)  # it slips on the way up
    assert play(script, scene)
    assert scene.bottle[:2] == pytest.approx(scene.pad[:2], abs=2e-3)


def test_a_bottle_beside_the_pad_at_the_end_is_placed_again() -> None:
    script, scene = policy(), world()
    play_until(script, scene, "retreat")
    scene.bottle[:2] += [0.0, 0.1]
    assert play(script, scene)
    assert scene.grips == 2
    assert scene.bottle[:2] == pytest.approx(scene.pad[:2], abs=2e-3)


def test_a_fallen_bottle_is_given_up_with_its_angle() -> None:
    scene = world()
    scene.bottle[3:] = [np.cos(0.7), np.sin(0.7), 0.0, 0.0]
    with pytest.raises(PolicyError, match=r"fallen over \(1.40 rad"):
        scene.infer(policy())


def test_an_arm_that_was_held_fast_begins_anew_from_where_it_is() -> None:
    script, scene = policy(), world()
    scene.frozen = True
    for _ in range(20):
        scene.follow(scene.infer(script), 6)
        first = scene.chunks[-1][1].arms[0].eef[0]
        assert np.linalg.norm(first[:3] - scene.eef[:3]) < 0.2
    scene.frozen = False
    assert play(script, scene)
    assert script.attempts == 1


@pytest.mark.parametrize("phase", ["approach", "reach", "carry", "lower", "retreat", "return"])
def test_an_arm_that_was_held_up_for_a_second_goes_on_from_where_it_is(phase: str) -> None:
    script, scene = policy(), world()
    play_until(script, scene, phase)
    scene.follow(scene.infer(script), 4)
    scene.frozen = True
    scene.follow(scene.infer(script), 16)
    scene.now_ns += 600_000_000
    scene.frozen = False
    actions = scene.infer(script)
    assert np.linalg.norm(actions.arms[0].eef[:4, :3] - scene.eef[:3], axis=1).max() < 0.035
    assert play(script, scene)
    assert (scene.grips, script.attempts) == (1, 1)
    assert scene.bottle[:2] == pytest.approx(scene.pad[:2], abs=2e-3)


def test_a_reset_with_the_bottle_in_hand_carries_on_with_it() -> None:
    script, scene = policy(), world()
    play_until(script, scene, "carry")
    script.reset("again", 7)
    assert play(script, scene)
    assert scene.grips == 1
    assert scene.bottle[:2] == pytest.approx(scene.pad[:2], abs=2e-3)


@pytest.mark.parametrize("missing", ["bottle", "pad"])
def test_an_object_that_nobody_publishes_is_named(missing: str) -> None:
    seen = world().observation()
    del seen.objects[missing]
    with pytest.raises(PolicyError, match=f"true pose of '{missing}'") as error:
        policy().infer(seen, Progress())
    assert error.value.subject == missing


def test_a_base_elsewhere_in_the_world_sees_the_same_scene() -> None:
    turned = np.array([0.0, 0.0, 0.0, np.cos(0.25), 0.0, 0.0, np.sin(0.25)])  # base_from_world: half a radian about z
    here, there = world(), world()
    for name in ("bottle", "pad"):
        x, y, z = getattr(here, name)[:3]
        back = np.array([np.cos(-0.5) * x - np.sin(-0.5) * y, np.sin(-0.5) * x + np.cos(-0.5) * y, z])
        getattr(there, name)[:] = [*back, np.cos(-0.25), 0.0, 0.0, np.sin(-0.25)]
    ours, theirs = policy(), ScriptedPolicy(ARM, turned, pose(READY))
    for _ in range(10):
        one, other = here.infer(ours), there.infer(theirs)
        assert one.arms[0].eef == pytest.approx(other.arms[0].eef, abs=1e-9)
        here.follow(one, 6)
        there.follow(other, 6)
