"""Adapters both ways: known vectors, and round trips of observations and actions."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mivla_ros.action_chunk import ArmActions, GripperKind, Space
from mivla_ros.action_space import canonical_quaternion
from mivla_ros.observation import ArmState, CameraImage, Observation
from mivla_ros.policies.policy import Actions
from mivla_ros.robots.profile import RobotProfile, load_profile
from mivla_ros.serving.adapter import adapter_names, load_adapter
from mivla_ros.serving.adapter_layout import AdapterLayout
from mivla_ros.serving.errors import AdapterError, FrameError
from mivla_ros.serving.layout import InferenceRequest

PIPER = load_profile("piper")
RNG = np.random.default_rng(3)


def _bimanual() -> RobotProfile:
    arm, head = PIPER.arms[0], PIPER.cameras[0]
    return replace(
        PIPER,
        arms=tuple(replace(arm, name=f"{side}_arm", side=side) for side in ("left", "right")),
        cameras=tuple(replace(head, name=n) for n in ("head_camera", "left_wrist_camera", "right_wrist_camera")),
    )


def _franka() -> RobotProfile:
    arm = replace(PIPER.arms[0], joints=tuple(f"j{k}" for k in range(7)), ready=(0.0,) * 7)
    return replace(PIPER, arms=(arm,))


ROBOTS = {"droid": _franka(), "libero": _franka(), "piper": PIPER}


def layout(name: str) -> AdapterLayout:
    return AdapterLayout(load_adapter(name), ROBOTS.get(name, _bimanual()))


def request(profile: RobotProfile, gripper: float = 0.25, seed: int = 0) -> InferenceRequest:
    rng = np.random.default_rng(seed)
    images = {c.name: CameraImage(rng.integers(0, 256, (240, 320, 3), np.uint8), 7) for c in profile.cameras}
    arms = {
        arm.name: ArmState(
            rng.uniform(-1, 1, len(arm.joints)),
            np.concatenate([rng.uniform(-0.3, 0.3, 3), canonical_quaternion(rng.normal(size=4))]),
            gripper,
        )
        for arm in profile.arms
    }
    return InferenceRequest(Observation(7, 7, images, arms, "fold the towel"))


def actions(asked: InferenceRequest, profile: RobotProfile, rows: int = 6, step: float = 0.02) -> Actions:
    """Small motions from where the arms are, joints and poses at once."""
    arms = []
    for arm in profile.arms:
        state = asked.observation.arms[arm.name]
        joints = state.joints + np.cumsum(RNG.uniform(-step, step, (rows, len(arm.joints))), axis=0)
        turn = Rotation.from_quat(state.eef[3:], scalar_first=True)
        quaternions = []
        for _ in range(rows):
            turn = Rotation.from_rotvec(RNG.uniform(-step, step, 3)) * turn
            quaternions.append(canonical_quaternion(turn.as_quat(scalar_first=True)))
        positions = state.eef[:3] + np.cumsum(RNG.uniform(-step, step, (rows, 3)), axis=0)
        gripper = RNG.integers(0, 2, rows).astype(float)
        eef = np.hstack([positions, quaternions])
        arms.append(
            ArmActions(arm.name, Space.JOINT, arm.eef_frame, eef, gripper, joint_names=arm.joints, joints=joints)
        )
    return Actions(tuple(arms), 0.0, 0.02)


@pytest.mark.parametrize("name", adapter_names())
def test_an_observation_comes_back_as_far_as_the_wire_carries_it(name: str) -> None:
    adapt = layout(name)
    asked = request(adapt.profile)
    back = adapt.request_from_message(adapt.request_to_message(asked), 99).observation
    assert (back.instruction, back.stamp_ns) == ("fold the towel", 99)
    assert list(back.arms) == [arm.name for arm in adapt.profile.arms]
    for arm, state in asked.observation.arms.items():
        assert back.arms[arm].gripper == pytest.approx(state.gripper, abs=1e-5)
        if name == "libero":
            np.testing.assert_allclose(back.arms[arm].eef[:3], state.eef[:3], atol=1e-6)
            assert abs(back.arms[arm].eef[3:] @ state.eef[3:]) == pytest.approx(1, abs=1e-6)
            assert np.isnan(back.arms[arm].joints).all()
        else:
            np.testing.assert_allclose(back.arms[arm].joints, state.joints, atol=1e-6)
    assert set(back.images) == set(adapt.cameras)
    shapes = {"h_rdt": (384, 384, 3), "robotwin": next(iter(asked.observation.images.values())).rgb.shape}
    assert all(image.rgb.shape == shapes.get(name, (224, 224, 3)) for image in back.images.values())


@pytest.mark.parametrize("name", adapter_names())
def test_actions_come_back(name: str) -> None:
    adapt = layout(name)
    asked = request(adapt.profile)
    given_actions = actions(asked, adapt.profile)
    message = adapt.actions_to_message(given_actions, asked)
    assert message["actions"].shape == (6, adapt.adapter.actions.size)
    back = adapt.actions_from_message(message, asked)
    assert (back.step_seconds, len(back.arms)) == (adapt.adapter.actions.step_seconds, len(adapt.profile.arms))
    for given_arm, arm in zip(given_actions.arms, back.arms, strict=True):
        assert arm.name == given_arm.name
        np.testing.assert_allclose(arm.gripper, given_arm.gripper, atol=1e-9)
        if name == "libero":
            assert arm.space is Space.EEF
            np.testing.assert_allclose(arm.eef, given_arm.eef, atol=1e-9)
        else:
            assert (arm.space, arm.joint_names) == (Space.JOINT, given_arm.joint_names)
            np.testing.assert_allclose(arm.joints, given_arm.joints, atol=1e-9)


def test_alohas_message_has_openpis_keys_order_and_shapes() -> None:
    adapt = layout("aloha")
    asked = request(adapt.profile)
    message = adapt.request_to_message(asked)
    assert set(message) == {"prompt", "images", "state"}
    assert set(message["images"]) == {"cam_high", "cam_left_wrist", "cam_right_wrist"}
    assert all(i.shape == (3, 224, 224) and i.dtype == np.uint8 for i in message["images"].values())
    left, right = (asked.observation.arms[f"{side}_arm"] for side in ("left", "right"))
    np.testing.assert_allclose(message["state"], [*left.joints, 0.25, *right.joints, 0.25], rtol=1e-6)
    # colours in the order red, green, blue: the first plane is red
    asked.observation.images["head_camera"].rgb[:] = (9, 5, 1)
    message = adapt.request_to_message(asked)
    assert message["images"]["cam_high"][:, 112, 112].tolist() == [9, 5, 1]


def test_droid_and_libero_messages_have_flat_keys() -> None:
    droid = layout("droid").request_to_message(request(_franka()))
    assert {k: getattr(v, "shape", None) for k, v in droid.items()} == {
        "prompt": None,
        "observation/exterior_image_1_left": (224, 224, 3),
        "observation/wrist_image_left": (224, 224, 3),
        "observation/joint_position": (7,),
        "observation/gripper_position": (1,),
    }
    assert droid["observation/gripper_position"] == pytest.approx([0.75]), "DROID's gripper is 1 closed"
    libero = layout("libero").request_to_message(request(_franka()))
    assert libero["observation/state"].shape == (8,)
    assert libero["observation/state"][6:] == pytest.approx([0.01, -0.01])


def test_pis_joint_signs_and_gripper_angles_are_those_of_openpi() -> None:
    """adapt_to_pi: signs (1 -1 -1 1 1 1) an arm; the gripper's angle by horn 0.022 m and rod 0.036 m."""
    adapt = layout("aloha_pi")
    asked = request(adapt.profile, gripper=0.5)
    state = adapt.request_to_message(asked)["state"]
    left = asked.observation.arms["left_arm"]
    np.testing.assert_allclose(state[:6], left.joints * [1, -1, -1, 1, 1, 1], rtol=1e-6)
    way = 0.01844 + 0.5 * (0.05800 - 0.01844)
    angle = np.arcsin((0.022**2 + way**2 - 0.036**2) / (2 * 0.022 * way))
    assert state[6] == pytest.approx((angle - 0.5476) / (1.6296 - 0.5476), abs=1e-6)
    table = np.tile(state.astype(float), (3, 1))
    back = adapt.actions_from_message({"actions": table}, asked)
    np.testing.assert_allclose(back.arms[0].joints, np.tile(left.joints, (3, 1)), atol=1e-6)
    np.testing.assert_allclose(back.arms[0].gripper, 0.5, atol=1e-6)


def test_alohas_gripper_commands_are_angles_of_its_horn() -> None:
    """0 is the closed horn (-0.6213 rad), 1 the open one (1.4910 rad); half of that is not half open."""
    adapt = layout("aloha")
    table = np.zeros((3, 14))
    table[:, 6] = [0.0, 0.5, 1.0]
    openings = adapt.actions_from_message({"actions": table}, request(adapt.profile)).arms[0].gripper
    middle = np.sin((-0.6213 + 1.4910) / 2) * 0.022
    way = middle + np.sqrt(middle**2 + 0.036**2 - 0.022**2)
    assert openings[1] == pytest.approx((way - 0.01844) / (0.05800 - 0.01844))
    assert openings[0] == pytest.approx(0.0, abs=0.01)
    assert openings[2] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("name", "wire", "opening"), [("pi_runtime", 0.0, 1.0), ("pi_runtime", 1.0, 0.0), ("piper", 0.0, 0.0)]
)
def test_the_sense_of_grippers(name: str, wire: float, opening: float) -> None:
    adapt = layout(name)
    table = np.zeros((2, adapt.adapter.actions.size))
    table[:, 6] = wire
    back = adapt.actions_from_message({"actions": table}, request(adapt.profile)).arms[0]
    assert back.gripper == pytest.approx([opening] * 2)


def test_droids_rows_are_velocities_added_up_from_where_the_arm_is() -> None:
    adapt = layout("droid")
    asked = request(adapt.profile)
    table = np.zeros((3, 8))
    table[:, 0] = [0.5, -1.0, 7.0]  # the last beyond its bounds
    table[:, 7] = [0.4, 0.6, 1.0]
    arm = adapt.actions_from_message({"actions": table}, asked).arms[0]
    start = asked.observation.arms["arm"].joints
    np.testing.assert_allclose(arm.joints[:, 0] - start[0], [0.1, -0.1, 0.1], atol=1e-12)
    np.testing.assert_allclose(arm.joints[:, 1:], np.tile(start[1:], (3, 1)))
    assert (arm.gripper_kind, arm.gripper.tolist()) == (GripperKind.BINARY, [1.0, 0.0, 0.0])


def test_liberos_rows_move_and_turn_the_end_effector_in_the_base_frame() -> None:
    adapt = layout("libero")
    asked = request(adapt.profile)
    table = np.zeros((2, 7))
    table[:, 2] = 1.0  # 5 cm up a step
    table[:, 5] = 0.5  # 0.25 rad about the base's z a step
    table[:, 6] = [-1, 1]
    arm = adapt.actions_from_message({"actions": table}, asked).arms[0]
    start = asked.observation.arms["arm"].eef
    np.testing.assert_allclose(arm.eef[:, :3] - start[:3], [[0, 0, 0.05], [0, 0, 0.10]], atol=1e-12)
    turned = (
        Rotation.from_quat(arm.eef[:, 3:], scalar_first=True) * Rotation.from_quat(start[3:], scalar_first=True).inv()
    )
    np.testing.assert_allclose(turned.as_rotvec(), [[0, 0, 0.25], [0, 0, 0.5]], atol=1e-9)
    assert arm.gripper.tolist() == [1.0, 0.0]
    assert (adapt.frame_id, arm.eef_frame) == ("base_link", "tcp")


VALUE = {"arm": "any", "of": "rotation"}


@pytest.mark.parametrize("rotation", ["axis_angle", "quaternion_wxyz", "quaternion_xyzw", "rotation_6d", "rpy"])
@pytest.mark.parametrize("reference", ["absolute", "observation", "previous"])
@settings(max_examples=8)
@given(seed=st.integers(0, 1000))
def test_every_way_to_write_a_pose_is_undone(rotation: str, reference: str, seed: int) -> None:
    from mivla_ros.serving.adapter import ActionsEntry, ValueEntry, VectorEntry

    base = load_adapter("libero")
    count = {"axis_angle": 3, "rpy": 3, "rotation_6d": 6}.get(rotation, 4)
    position = ValueEntry("any", "position", 3, (-1.0, 1.0, 1.0), 1e-3, (0.1, 0.0, -0.2), reference=reference)
    turn = ValueEntry("any", "rotation", count, rotation=rotation, reference=reference)
    grip = ValueEntry("any", "gripper", 1)
    adapter = replace(
        base,
        state=(VectorEntry(("state",), 20, tuple(replace(v, reference="absolute") for v in (position, turn, grip))),),
        actions=ActionsEntry(("actions",), 16, (position, turn, grip), 4, 0.05, 0.2, 0.0),
    )
    adapt = AdapterLayout(adapter, PIPER)
    asked = request(PIPER, seed=seed)
    sent = adapt.request_to_message(asked)
    assert sent["state"].shape == (20,)
    seen = adapt.request_from_message(sent, 1).observation.arms["arm"].eef
    np.testing.assert_allclose(seen[:3], asked.observation.arms["arm"].eef[:3], atol=1e-6)
    assert abs(seen[3:] @ asked.observation.arms["arm"].eef[3:]) == pytest.approx(1, abs=1e-6)
    wanted = actions(asked, PIPER, 4)
    back = adapt.actions_from_message(adapt.actions_to_message(wanted, asked), asked)
    np.testing.assert_allclose(back.arms[0].eef, wanted.arms[0].eef, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "profile", "words"),
    [
        ("aloha", PIPER, "need one left arm, robot 'piper' has arm (right)"),
        ("droid", PIPER, "are for 7 joints, arm 'arm' has 6"),
        ("piper", _bimanual(), "one of several must be chosen"),
        ("piper", replace(PIPER, cameras=PIPER.cameras[1:]), "needs a camera head_camera, the robot has wrist_camera"),
        ("piper", replace(PIPER, arms=(replace(PIPER.arms[0], gripper=None),)), "need a gripper"),
    ],
)
def test_a_robot_that_does_not_fit_is_refused_by_name(name: str, profile: RobotProfile, words: str) -> None:
    with pytest.raises(AdapterError) as error:
        AdapterLayout(load_adapter(name), profile)
    assert words in str(error.value)


def test_one_of_two_arms_may_be_chosen() -> None:
    profile = _bimanual()
    adapt = AdapterLayout(load_adapter("piper"), profile, "left_arm")
    assert [arm.name for arm in adapt.arms] == ["left_arm"]
    with pytest.raises(AdapterError, match="is 'third', robot"):
        AdapterLayout(load_adapter("piper"), profile, "third")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (np.zeros((50, 8)), "actions: has shape (50, 8), must be (1 to 1024, 7)"),
        (np.zeros(7), "has shape (7,)"),
        (np.zeros((0, 7)), "has shape (0, 7)"),
        (np.zeros((2000, 7)), "has shape (2000, 7)"),
        (np.array([["a"] * 7]), "must be numbers"),
        (np.vstack([np.zeros((3, 7)), np.full((1, 7), np.nan)]), "row 3 holds NaN"),
        ([[1, 2], [3]], "holds no numbers"),
        (None, "must be numbers"),
    ],
)
def test_rows_that_do_not_fit_are_refused(table: object, words: str) -> None:
    with pytest.raises(FrameError) as error:
        layout("piper").actions_from_message({"actions": table}, request(PIPER))
    assert words in str(error.value)


def test_an_answer_without_actions_names_what_is_there() -> None:
    with pytest.raises(FrameError, match=r"actions: is missing, there are \['state'\]"):
        layout("piper").actions_from_message({"state": 1}, request(PIPER))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"state": np.zeros(6)}, "state: has shape (6,), must be (7,)"),
        ({"state": "x"}, "state: is of type"),
        ({"prompt": 5}, "prompt: is of type int"),
        ({"images": {}}, "images/cam_high: is missing"),
        ({"images": {"cam_high": np.zeros((224, 224, 3), np.uint8)}}, "images/cam_high: has shape"),
        ({"images": 3}, "images/cam_high: is missing"),
    ],
)
def test_observations_that_do_not_fit_are_refused(change: dict, words: str) -> None:
    adapt = layout("piper")
    message = adapt.request_to_message(request(PIPER)) | change
    with pytest.raises(FrameError) as error:
        adapt.request_from_message(message, 1)
    assert words in str(error.value)


def test_a_camera_that_is_not_needed_may_be_absent_and_no_picture_is_made_up() -> None:
    profile = replace(_bimanual(), cameras=_bimanual().cameras[:2])
    adapt = AdapterLayout(load_adapter("aloha"), profile)
    assert set(adapt.request_to_message(request(profile))["images"]) == {"cam_high", "cam_left_wrist"}


def test_a_policy_of_poses_cannot_be_served_as_joints() -> None:
    asked = request(PIPER)
    poses = tuple(replace(arm, joints=None, joint_names=(), space=Space.EEF) for arm in actions(asked, PIPER).arms)
    with pytest.raises(FrameError, match="adapter 'piper' wants joints"):
        layout("piper").actions_to_message(Actions(poses, 0.0, 0.02), asked)
