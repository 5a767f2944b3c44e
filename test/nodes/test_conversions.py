"""Chunks and messages say the same, in both directions, for every robot and any number of arms."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("mivla_msgs", reason="needs the built ROS workspace")

from rclpy.serialization import deserialize_message, serialize_message

from mivla_msgs.msg import ActionChunk as ActionChunkMessage
from mivla_msgs.msg import StopReason
from mivla_ros.action_chunk import (
    ActionChunk,
    ActionChunkError,
    ArmActions,
    BodyActions,
    GripperKind,
    HandActions,
    Space,
    check_chunk,
)
from mivla_ros.episodes.bag_chunks import chunk_from_decoded, chunk_to_decoded
from mivla_ros.episodes.message_source import decode_cdr, ros2_types
from mivla_ros.nodes import conversions
from mivla_ros.stop_reasons import Reason, Stop

TIMES = st.integers(0, (2**31 - 2) * 10**9)


def _poses(random: np.random.Generator, horizon: int) -> np.ndarray:
    quaternions = random.normal(size=(horizon, 4))
    return np.hstack([random.normal(size=(horizon, 3)), quaternions / np.linalg.norm(quaternions, axis=1)[:, None]])


@st.composite
def chunks(draw: st.DrawFn) -> ActionChunk:
    """Any chunk a robot of the suite may get: one to three arms, every space, with and without a body."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    horizon = draw(st.integers(1, 6))
    arms = []
    for name in draw(st.lists(st.sampled_from(["left", "right", "third"]), min_size=1, max_size=3, unique=True)):
        space = draw(st.sampled_from(Space))
        filled = {space} | draw(st.sets(st.sampled_from(Space)))
        names = tuple(f"{name}_joint{i}" for i in range(draw(st.integers(1, 7))))
        hand = HandActions(
            wrist=_poses(random, horizon),
            finger_tips=random.normal(size=(horizon, 5, 3)),
            thumb_knuckle=_poses(random, horizon) if draw(st.booleans()) else None,
            left=draw(st.booleans()),
        )
        arms.append(
            ArmActions(
                name=name,
                space=space,
                eef_frame=f"{name}_tcp",
                eef=_poses(random, horizon) if Space.EEF in filled else None,
                gripper=random.uniform(size=horizon) if draw(st.booleans()) else None,
                gripper_kind=draw(st.sampled_from(GripperKind)),
                joint_names=names if Space.JOINT in filled else (),
                joints=random.normal(size=(horizon, len(names))) if Space.JOINT in filled else None,
                hand=hand if Space.HAND in filled else None,
            )
        )
    body = BodyActions("trunk", _poses(random, horizon), random.normal(size=(horizon, 6)))
    first = draw(TIMES)
    return ActionChunk(
        frame_id="world",
        first_step_ns=first,
        step_ns=draw(st.integers(1, 10**9)),
        horizon=horizon,
        arms=tuple(arms),
        observation_ns=draw(TIMES),
        oldest_observation_ns=draw(TIMES),
        inference_start_ns=draw(TIMES),
        inference_end_ns=draw(TIMES),
        valid_until_ns=first + draw(st.integers(0, 10**9)),
        session=draw(st.binary(min_size=16, max_size=16)),
        generation=draw(st.integers(0, 2**32 - 1)),
        sequence=draw(st.integers(0, 2**64 - 1)),
        executed_sequence=draw(st.integers(0, 2**64 - 1)),
        executed_steps=draw(st.integers(0, 2**32 - 1)),
        policy=draw(st.text(st.characters(codec="ascii", min_codepoint=32), max_size=8)),
        model_revision="1",
        instruction=draw(st.sampled_from(["", "move the bottle onto the pad", "bouteille à gauche"])),
        robot="piper",
        body=draw(st.sampled_from([None, body])),
    )


def _assert_same(left: object, right: object, path: str = "chunk") -> None:
    """Equal in every field; arrays bit by bit."""
    assert type(left) is type(right), path
    if isinstance(left, np.ndarray):
        assert np.array_equal(left, right), path
    elif isinstance(left, tuple):
        assert len(left) == len(right), path
        for i, (a, b) in enumerate(zip(left, right, strict=True)):
            _assert_same(a, b, f"{path}[{i}]")
    elif hasattr(left, "__dataclass_fields__"):
        for f in fields(left):
            _assert_same(getattr(left, f.name), getattr(right, f.name), f"{path}.{f.name}")
    else:
        assert left == right, path


@given(chunks())
@settings(max_examples=60, deadline=None)
def test_chunk_survives_the_wire_bit_by_bit(chunk: ActionChunk) -> None:
    check_chunk(chunk)
    wire = serialize_message(conversions.chunk_message(chunk))
    _assert_same(chunk, conversions.chunk_from_message(deserialize_message(wire, ActionChunkMessage)))


@given(chunks())
@settings(max_examples=30, deadline=None)
def test_what_is_written_and_read_without_ros_is_the_same_message(chunk: ActionChunk) -> None:
    store, kind = ros2_types(), "mivla_msgs/msg/ActionChunk"
    written = bytes(store.serialize_cdr(chunk_to_decoded(store.types, chunk), kind))
    _assert_same(chunk, conversions.chunk_from_message(deserialize_message(written, ActionChunkMessage)))
    wire = serialize_message(conversions.chunk_message(chunk))
    _assert_same(chunk, chunk_from_decoded(decode_cdr(wire, kind)))


@given(chunks())
@settings(max_examples=20, deadline=None)
def test_message_survives_the_arrays(chunk: ActionChunk) -> None:
    message = conversions.chunk_message(chunk)
    assert conversions.chunk_message(conversions.chunk_from_message(message)) == message


def test_quaternions_are_wxyz_in_arrays_and_xyzw_in_messages() -> None:
    message = conversions.pose_message(np.array([1.0, 2.0, 3.0, 0.1, 0.2, 0.3, 0.4]))
    assert (message.orientation.w, message.orientation.x) == (0.1, 0.2)
    assert (message.orientation.y, message.orientation.z) == (0.3, 0.4)


@given(TIMES)
def test_times_keep_every_nanosecond(nanoseconds: int) -> None:
    assert conversions.time_ns(conversions.time_message(nanoseconds)) == nanoseconds
    assert conversions.time_ns(conversions.duration_message(nanoseconds)) == nanoseconds


def test_wrong_number_of_joint_values_names_arm_and_sizes() -> None:
    chunk = ActionChunk("world", 0, 1, 2, (ArmActions("a", Space.JOINT, joint_names=("j",), joints=np.zeros((2, 1))),))
    message = conversions.chunk_message(chunk)
    message.arms[0].joint_positions = [0.0, 0.0, 0.0]
    with pytest.raises(ActionChunkError, match=r"'a'.*3 values.*2 x 1"):
        conversions.chunk_from_message(message)


def test_unknown_space_is_refused() -> None:
    chunk = ActionChunk("world", 0, 1, 2, (ArmActions("a", Space.JOINT, joint_names=("j",), joints=np.zeros((2, 1))),))
    message = conversions.chunk_message(chunk)
    message.arms[0].space = 9
    with pytest.raises(ActionChunkError, match="9"):
        conversions.chunk_from_message(message)


def test_reasons_have_the_same_names_and_numbers_as_the_message() -> None:
    constants = {name: getattr(StopReason, name) for name in dir(StopReason) if name.isupper() and name[0] != "_"}
    constants.pop("SLOT_TYPES", None)
    assert {reason.name: int(reason) for reason in Reason} == constants


def test_reason_message_carries_its_evidence() -> None:
    stop = Stop(Reason.STREAM_STALE, "head_camera/image_raw", 0.61, 0.5, "s")
    message = conversions.stop_reason_message(stop)
    assert (message.code, message.name) == (101, "STREAM_STALE")
    assert "head_camera/image_raw is 0.61 s, limit 0.5 s" in message.message
