from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from test_motion_file import RECORDINGS, eef_arrays, hand_arrays, save

from mivla_ros import action_space
from mivla_ros.action_chunk import ActionChunk, GripperKind, Space, check_chunk
from mivla_ros.observation import ArmState, Observation
from mivla_ros.policies.demonstration import DemonstrationOptions, DemonstrationPolicy
from mivla_ros.policies.policy import Actions, Policy, PolicyError, Progress
from mivla_ros.robots.profile import load_profile

ARMS = load_profile("piper").arms
HOME = np.array([0.3, 0.05, 0.2, *Rotation.from_euler("xyz", [0.2, 1.9, -0.3]).as_quat(scalar_first=True)])
START_NS = 3_000_000_000


def seen(seconds: float = 0.0, eef: np.ndarray = HOME) -> Observation:
    stamp = START_NS + round(seconds * 1e9)
    return Observation(stamp, stamp, {}, {"arm": ArmState(np.zeros(6), eef, 0.5)}, "play")


def player(path: str, **options: object) -> DemonstrationPolicy:
    return DemonstrationPolicy(ARMS, DemonstrationOptions(path=path, **options))


def rotations(poses: np.ndarray) -> Rotation:
    return Rotation.from_quat(poses[:, 3:], scalar_first=True)


def played(policy: DemonstrationPolicy, seconds: float, every: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Times and poses of the steps that a robot would execute: of each chunk those until the next."""
    steps = round(every / policy.spec.step_seconds)
    times, poses = [], []
    for start in np.arange(0.0, seconds, every):
        arm = policy.infer(seen(start), Progress()).arms[0]
        times.append(start + policy.spec.step_seconds * np.arange(steps))
        poses.append(arm.eef[:steps])
    return np.concatenate(times), np.concatenate(poses)


def test_it_is_a_policy_with_the_files_hash_as_revision(tmp_path: Path) -> None:
    policy = player(save(tmp_path, eef_arrays()))
    assert isinstance(policy, Policy)
    assert policy.spec.frame_id == ARMS[0].base_frame
    assert not policy.spec.needs_objects
    again = player(save(tmp_path, eef_arrays(), gripper_width=np.zeros(20)))
    assert policy.spec.revision != again.spec.revision


def test_a_relative_motion_begins_where_the_robot_is_and_moves_by_the_recorded_change(tmp_path: Path) -> None:
    arrays = eef_arrays(200)
    policy = player(save(tmp_path, arrays), start_hold=0.3, position_scale=0.5)
    times, poses = played(policy, 2.0)
    assert poses[0] == pytest.approx(HOME, abs=1e-9)
    assert poses[times <= 0.3] == pytest.approx(np.tile(HOME, (np.sum(times <= 0.3), 1)), abs=1e-9)
    at = np.interp(np.clip(times - 0.3, 0, 1.99), 0.01 * np.arange(200), np.linspace(0, 1, 200))
    assert poses[:, :3] == pytest.approx(HOME[:3] + 0.5 * np.stack([at, 2 * at, -at], axis=1), abs=1e-9)
    turned = rotations(poses) * rotations(HOME[None]).inv()
    assert turned.as_rotvec() == pytest.approx(np.stack([0 * at, 0 * at, at], axis=1), abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.floats(-3.1, 3.1))
def test_yaw_turns_the_change_of_place_and_of_rotation(tmp_path_factory, yaw: float) -> None:
    arrays = eef_arrays(100)
    arrays["quaternion_xyzw"] = Rotation.from_rotvec(np.outer(np.linspace(0, 1, 100), [0.3, -0.5, 0.7])).as_quat()
    path = save(tmp_path_factory.mktemp("yaw"), arrays)
    plain, turned = (player(path, yaw=y, start_hold=0.0).infer(seen(), Progress()).arms[0].eef for y in (0.0, yaw))
    about_z = Rotation.from_euler("z", yaw)
    assert turned[:, :3] - HOME[:3] == pytest.approx(about_z.apply(plain[:, :3] - HOME[:3]), abs=1e-9)
    home = rotations(HOME[None])
    expected = about_z.apply((rotations(plain) * home.inv()).as_rotvec())
    assert (rotations(turned) * home.inv()).as_rotvec() == pytest.approx(expected, abs=1e-6)


def test_an_absolute_motion_goes_to_its_first_pose_before_it_plays(tmp_path: Path) -> None:
    arrays = eef_arrays(100)
    policy = player(save(tmp_path, arrays), relative=False, start_hold=0.0, approach_speed=0.5)
    times, poses = played(policy, 4.0)
    assert poses[0] == pytest.approx(HOME, abs=1e-9)
    assert np.linalg.norm(np.diff(poses[:, :3], axis=0), axis=1).max() < 2.5 * 0.05  # recorded at 2.45 m/s
    last = [*arrays["position"][-1], *arrays["quaternion_xyzw"][-1, [3, 0, 1, 2]]]
    assert policy.infer(seen(8.0), Progress()).arms[0].eef[-1] == pytest.approx(last, abs=1e-9)
    lead = 1.875 * max(np.linalg.norm(HOME[:3]), rotations(HOME[None]).magnitude()[0]) / 0.5
    reached = poses[np.argmin(np.abs(times - lead)), :3]
    assert reached == pytest.approx(arrays["position"][0], abs=0.13)


def test_speed_stretches_time_only(tmp_path: Path) -> None:
    path = save(tmp_path, eef_arrays(200))
    slow, fast = player(path, speed=0.5, start_hold=0.0), player(path, start_hold=0.0)
    slow.infer(seen(), Progress())
    fast.infer(seen(), Progress())
    assert slow.infer(seen(1.0), Progress()).arms[0].eef[0] == pytest.approx(
        fast.infer(seen(0.5), Progress()).arms[0].eef[0], abs=1e-9
    )


def test_it_finishes_when_the_recording_is_over_and_begins_again_after_a_reset(tmp_path: Path) -> None:
    policy = player(save(tmp_path, eef_arrays(101)), start_hold=0.5)

    def finished(at: float) -> bool:
        return policy.infer(seen(at), Progress()).finished

    assert [finished(at) for at in (0.0, 1.4, 1.51)] == [False, False, True]
    policy.reset("again", 1)
    elsewhere = np.concatenate([HOME[:3] + 0.1, HOME[3:]])
    again = policy.infer(seen(9.0, elsewhere), Progress())
    assert not again.finished
    assert again.arms[0].eef[0] == pytest.approx(elsewhere, abs=1e-9)


def test_the_gripper_is_the_recorded_width_over_the_full_one(tmp_path: Path) -> None:
    path = save(tmp_path, eef_arrays(101))
    arm = player(path, start_hold=0.0, full_width=0.04).infer(seen(), Progress()).arms[0]
    assert arm.gripper_kind is GripperKind.CONTINUOUS
    expected = np.clip((0.08 - 0.08 * 0.05 * np.arange(16)) / 0.04, 0, 1)
    assert arm.gripper == pytest.approx(expected, abs=1e-9)
    without = player(save(tmp_path, eef_arrays(), gripper_width=None)).infer(seen(), Progress()).arms[0]
    assert without.gripper is None


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_between_samples_rotations_go_the_shortest_way(tmp_path: Path, interpolation: str) -> None:
    arrays = eef_arrays(3)
    arrays["time"] = np.array([0.0, 0.4, 0.8])
    arrays["quaternion_xyzw"] = Rotation.from_rotvec([[0, 0, 0], [0, 0, 2.0], [0, 0, 0]]).as_quat() * [
        [1],
        [-1],
        [1],
    ]
    policy = player(save(tmp_path, arrays), relative=True, start_hold=0.0, interpolation=interpolation)
    poses = policy.infer(seen(), Progress()).arms[0].eef
    turned = (rotations(poses) * rotations(HOME[None]).inv()).as_rotvec()
    assert turned[:9, 2] == pytest.approx(np.linspace(0, 2.0, 9), abs=1e-6)
    assert poses[8, :3] - HOME[:3] == pytest.approx(arrays["position"][1], abs=1e-9)


def test_hands_are_given_out_as_hands_of_the_arms_side(tmp_path: Path) -> None:
    arrays = hand_arrays(50)
    arrays["hand"][:, 24] = np.linspace(0, 1, 50)
    arrays["hand"][:, 33:48] = np.arange(15) / 100
    policy = player(
        save(tmp_path, arrays, thumb_knuckle_right=np.tile([1.0, 2, 3, 1, 0, 0, 0], (50, 1))), start_hold=0.0
    )
    assert policy.spec.frame_id == "world"
    arm = policy.infer(seen(), Progress()).arms[0]
    assert (arm.name, arm.space, arm.eef) == ("arm", Space.HAND, None)
    assert not arm.hand.left
    assert arm.hand.wrist[:, 0] == pytest.approx(np.linspace(0, 1, 50)[0] + 0.05 / 4.9 * np.arange(16))
    assert arm.hand.wrist[0, 3:] == pytest.approx([1, 0, 0, 0])
    assert arm.hand.finger_tips[3, 1] == pytest.approx([0.03, 0.04, 0.05])
    assert arm.hand.thumb_knuckle[5] == pytest.approx([1, 2, 3, 1, 0, 0, 0])


def test_a_hand_turns_on_so3_between_samples(tmp_path: Path) -> None:
    arrays = hand_arrays(2)
    arrays["time"] = np.array([0.0, 0.75])
    turn = Rotation.from_rotvec([[0.1, 0, 0], [0.1, 0, 2.0]])
    arrays["hand"][:, 27:33] = action_space.rotation_6d_from_matrix(turn.as_matrix())
    hand = player(save(tmp_path, arrays), start_hold=0.0).infer(seen(), Progress()).arms[0].hand
    found = rotations(hand.wrist)
    whole = (turn[0].inv() * turn[1]).magnitude()
    steps = (found[:-1].inv() * found[1:]).magnitude()
    assert steps == pytest.approx(np.full(15, whole / 15), abs=1e-6)


def test_hands_need_a_frame_and_an_arm_of_their_side(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="frame: is missing"):
        player(save(tmp_path, hand_arrays(), frame=None))
    assert player(save(tmp_path, hand_arrays(), frame=None), frame="table").spec.frame_id == "table"
    lefts = tuple(replace(arm, side="left") for arm in ARMS)
    with pytest.raises(PolicyError, match=r"holds \['right'\], the arms are \{'arm': 'left'\}"):
        DemonstrationPolicy(lefts, DemonstrationOptions(path=save(tmp_path, hand_arrays())))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("speed", 0.0),
        ("position_scale", -1.0),
        ("start_hold", -0.1),
        ("full_width", 0.0),
        ("interpolation", "spline"),
        ("arm", "leg"),
    ],
)
def test_options_out_of_range_are_named(tmp_path: Path, name: str, value: object) -> None:
    with pytest.raises(PolicyError, match=name) as error:
        player(save(tmp_path, eef_arrays()), **{name: value})
    assert error.value.subject == name


def test_without_a_file_it_says_so() -> None:
    with pytest.raises(PolicyError, match="option path is empty"):
        player("")


def test_an_observation_without_the_arm_is_refused(tmp_path: Path) -> None:
    policy = player(save(tmp_path, eef_arrays()))
    with pytest.raises(PolicyError, match="no arm 'arm'"):
        policy.infer(Observation(0, 0, {}, {}, ""), Progress())


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings in ../shared/data are not here")
@pytest.mark.parametrize("number", [4, 5, 6, 7])
@pytest.mark.parametrize("relative", [True, False])
def test_real_recordings_play_as_valid_chunks_to_their_end(number: int, relative: bool) -> None:
    policy = player(str(RECORDINGS / f"teleop_eef_{number}.npz"), relative=relative)
    actions, at = policy.infer(seen(), Progress()), 0.0
    while not actions.finished:
        check_chunk(as_chunk(actions, policy))
        at += 0.2
        actions = policy.infer(seen(at), Progress())
        assert at < 60
    assert at > 5
    motion = policy.motion
    travelled = actions.arms[0].eef[-1, :3] - HOME[:3]
    if relative:
        assert travelled == pytest.approx(motion.poses[-1, :3] - motion.poses[0, :3], abs=1e-9)
    else:
        assert actions.arms[0].eef[-1, :3] == pytest.approx(motion.poses[-1, :3], abs=1e-9)


def as_chunk(actions: Actions, policy: DemonstrationPolicy) -> ActionChunk:
    return ActionChunk(
        frame_id=policy.spec.frame_id,
        first_step_ns=0,
        step_ns=round(actions.step_seconds * 1e9),
        horizon=len(actions.arms[0].eef),
        arms=actions.arms,
        valid_until_ns=10**9,
    )
