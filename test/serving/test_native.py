import numpy as np
import pytest

from mivla_ros.action_chunk import ActionChunk, ArmActions, BodyActions, GripperKind, HandActions, Space
from mivla_ros.policies.policy import Actions, Progress
from mivla_ros.serving.array_packing import pack, unpack_map
from mivla_ros.serving.errors import FrameError
from mivla_ros.serving.layout import InferenceRequest
from mivla_ros.serving.native import NativeLayout
from test.serving.running import observation

LAYOUT = NativeLayout()
REQUEST = InferenceRequest(observation(), seed=9, episode=4, progress=Progress(12, 3, 99))
POSES = np.tile([0.3, 0.1, 0.2, 0.5, -0.5, 0.5, 0.5], (4, 1))


def wire(message: dict) -> dict:
    return unpack_map(pack(message))


def test_what_is_under_way_survives_whole() -> None:
    chunks = tuple(
        ActionChunk("base_link", 7 * k, 50_000_000, 4, (ANSWERS[name],), observation_ns=6 * k, sequence=k)
        for k, name in enumerate(("joints", "poses", "hand"), 12)
    )
    progress = Progress(12, 3, 99, first_step=2, late_steps=(1, 2), chunks=chunks)
    asked = InferenceRequest(observation(), progress=progress)
    back = LAYOUT.request_from_message(wire(LAYOUT.request_to_message(asked)), 0)
    assert repr(back.progress) == repr(progress)


def test_clients_that_count_nothing_need_not_say_so() -> None:
    message = LAYOUT.request_to_message(REQUEST)
    del message["under_way"], message["progress"]
    assert LAYOUT.request_from_message(wire(message), 0).progress == Progress()


def test_a_request_survives_whole() -> None:
    asked = InferenceRequest(
        observation().__class__(**{**observation().__dict__, "objects": {"bottle": POSES[0]}, "world_frame": "map"}),
        seed=9,
        episode=4,
        progress=Progress(12, 3, 99),
    )
    back = LAYOUT.request_from_message(wire(LAYOUT.request_to_message(asked)), 0)
    assert (back.seed, back.episode, back.progress) == (9, 4, Progress(12, 3, 99))
    seen, wanted = back.observation, asked.observation
    assert (seen.stamp_ns, seen.oldest_ns, seen.instruction, seen.world_frame) == (
        wanted.stamp_ns,
        wanted.oldest_ns,
        wanted.instruction,
        "map",
    )
    for name, image in wanted.images.items():
        np.testing.assert_array_equal(seen.images[name].rgb, image.rgb)
        assert (seen.images[name].stamp_ns, seen.images[name].frame_id) == (image.stamp_ns, image.frame_id)
    for name, arm in wanted.arms.items():
        assert seen.arms[name].joints.tobytes() == arm.joints.tobytes()
        assert seen.arms[name].eef.tobytes() == arm.eef.tobytes()
        assert seen.arms[name].gripper == arm.gripper
    assert seen.objects["bottle"].tolist() == POSES[0].tolist()


ANSWERS = {
    "joints": ArmActions("arm", Space.JOINT, joint_names=("a", "b"), joints=np.arange(8.0).reshape(4, 2)),
    "poses": ArmActions(
        "arm", Space.EEF, "tcp", eef=POSES, gripper=np.array([0, 0.5, 1, 1.0]), gripper_kind=GripperKind.BINARY
    ),
    "hand": ArmActions(
        "arm", Space.HAND, hand=HandActions(POSES, np.random.default_rng(0).normal(size=(4, 5, 3)), POSES, left=True)
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_survives_whole(name: str) -> None:
    given = Actions((ANSWERS[name],), 0.01, 0.05, BodyActions("trunk", POSES, np.ones((4, 6))), finished=True)
    message = wire(LAYOUT.actions_to_message(given, REQUEST))
    back = LAYOUT.actions_from_message(message, REQUEST)
    assert repr(back) == repr(given)


@pytest.mark.parametrize("name", ANSWERS)
def test_tables_for_other_clients_have_a_name_for_each_column_and_a_row_for_each_step(name: str) -> None:
    message = LAYOUT.actions_to_message(Actions((ANSWERS[name],), 0.0, 0.05), REQUEST)
    assert message["actions"].shape == (4, len(message["action_names"]))


def under_way(**change: object) -> dict:
    chunk = {"sequence": 1, "observation_ns": 1, "first_step_ns": 2, "step_ns": 3, "horizon": 4, "arms": []}
    return {"under_way": {"chunks": [chunk | change], "late_steps": [], "first_step": 0}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stamp_ns": "now"}, "stamp_ns: is of type str"),
        ({"images": [1]}, "images: must be a map"),
        ({"images": {"head_camera": np.zeros((2, 2))}}, "images/head_camera: has shape (2, 2)"),
        ({"image_stamps": {"head_camera": [1]}}, "image_stamps/head_camera"),
        (
            {"arms": {"arm": {"joints": np.zeros(6), "eef": np.zeros(6), "gripper": 0.5}}},
            "arms/arm/eef: has shape (6,)",
        ),
        ({"arms": {"arm": {"joints": np.zeros(6), "eef": np.zeros(7)}}}, "arms/arm/gripper: is missing"),
        ({"objects": {"bottle": 3}}, "objects/bottle"),
        ({"progress": [1, 2]}, "progress"),
        ({"progress": [1, 2, -3]}, "progress"),
        ({"under_way": {"late_steps": [], "first_step": 0}}, "under_way/chunks: is missing"),
        ({"under_way": {"chunks": [], "late_steps": [1.5], "first_step": 0}}, "under_way/late_steps"),
        ({"under_way": {"chunks": [{}] * 101, "late_steps": [], "first_step": 0}}, "under_way/chunks: are 101"),
        (under_way(step_ns=0), "under_way/chunks[0]/step_ns: is 0, must be from 1"),
        (under_way(observation_ns=2**63), "under_way/chunks[0]/observation_ns"),
        (under_way(arms=None), "under_way/chunks[0]/arms: must be a list"),
        ({"prompt": None}, "prompt: is of type NoneType"),
        ({"seed": 1.5}, "seed"),
    ],
)
def test_requests_that_do_not_fit_are_refused_with_their_key(change: dict, words: str) -> None:
    message = LAYOUT.request_to_message(REQUEST) | change
    with pytest.raises(FrameError) as error:
        LAYOUT.request_from_message(wire(message), 0)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"arms": None}, "arms: must be a list"),
        ({"arms": [{"name": "arm", "space": "dance", "gripper_kind": "binary"}]}, "arms[0]/space: is 'dance'"),
        ({"step_seconds": "fast"}, "step_seconds: is of type str"),
        ({"body": {"frame": "trunk", "poses": np.zeros((4, 6))}}, "body/poses: has shape (4, 6)"),
    ],
)
def test_answers_that_do_not_fit_are_refused_with_their_key(change: dict, words: str) -> None:
    message = LAYOUT.actions_to_message(Actions((ANSWERS["joints"],), 0.0, 0.05), REQUEST) | change
    with pytest.raises(FrameError) as error:
        LAYOUT.actions_from_message(message, REQUEST)
    assert words in str(error.value)
