"""Frames from tf and tf_static, asked for at a time."""

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("mivla_msgs", reason="needs the built ROS workspace")

import rclpy
from geometry_msgs.msg import TransformStamped
from rclpy.context import Context
from rclpy.serialization import serialize_message
from tf2_msgs.msg import TFMessage

from mivla_ros.action_chunk import NANOSECONDS
from mivla_ros.nodes.conversions import time_message
from mivla_ros.nodes.transforms import Transforms
from mivla_ros.retargeting.errors import RetargetingError
from mivla_ros.stop_reasons import Reason


@pytest.fixture
def transforms() -> Iterator[Transforms]:
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node("listener", context=context)
    yield Transforms(node)
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def frame(parent: str, child: str, x: float, seconds: float = 0.0) -> TFMessage:
    transform = TransformStamped(child_frame_id=child)
    transform.header.frame_id = parent
    transform.header.stamp = time_message(round(seconds * NANOSECONDS))
    transform.transform.translation.x = x
    transform.transform.rotation.w = 1.0
    return TFMessage(transforms=[transform])


def moves(transforms: Transforms, parent: str, child: str, x: float, seconds: float) -> None:
    transforms._on_moving(serialize_message(frame(parent, child, x, seconds)))


def test_standing_frames_are_connected_at_any_time(transforms: Transforms) -> None:
    transforms._on_static(frame("world", "base_link", 0.5))
    for seconds in (0, 1, 1000):
        base_from_world = transforms.lookup("base_link", "world", seconds * NANOSECONDS, "world")
        assert np.allclose(base_from_world, [-0.5, 0, 0, 1, 0, 0, 0])


def test_moving_frames_stay_undecoded_until_they_are_asked_for(transforms: Transforms) -> None:
    transforms._on_static(frame("world", "base_link", 0.5))
    moves(transforms, "base_link", "camera", 1.0, 10.0)
    transforms.lookup("base_link", "world", 0, "world")
    assert len(transforms._waiting) == 1
    assert transforms.lookup("base_link", "camera", 10 * NANOSECONDS, "world")[0] == pytest.approx(1.0)
    assert not transforms._waiting
    moves(transforms, "base_link", "camera", 2.0, 11.0)
    assert not transforms._waiting


def test_a_moving_source_is_taken_at_its_own_time(transforms: Transforms) -> None:
    transforms._on_static(frame("world", "base_link", 0.5))
    for seconds, x in ((10.0, 1.0), (10.1, 2.0), (10.2, 3.0)):
        moves(transforms, "base_link", "camera", x, seconds)
    found = transforms.lookup("base_link", "camera", round(10.05 * NANOSECONDS), "world")
    assert found[0] == pytest.approx(1.5)


def test_a_base_that_moves_is_taken_as_it_is_now(transforms: Transforms) -> None:
    for seconds, x in ((10.0, 0.0), (10.5, 1.0)):
        moves(transforms, "world", "base_link", x, seconds)
        moves(transforms, "base_link", "camera", 0.2, seconds)
    # seen by the camera when the base was at 0; the base has gone on by a metre
    found = transforms.lookup("base_link", "camera", 10 * NANOSECONDS, "world")
    assert found[0] == pytest.approx(0.2 - 1.0)


def test_unknown_frames_and_other_times_are_told_apart(transforms: Transforms) -> None:
    transforms._on_static(frame("world", "base_link", 0.5))
    with pytest.raises(RetargetingError) as missing:
        transforms.lookup("base_link", "moon", 0, "world")
    assert missing.value.stop.reason is Reason.TRANSFORM_MISSING and "moon" in missing.value.stop.subject
    moves(transforms, "base_link", "camera", 1.0, 10.0)
    moves(transforms, "base_link", "camera", 1.0, 11.0)
    with pytest.raises(RetargetingError) as stale:
        transforms.lookup("base_link", "camera", 20 * NANOSECONDS, "world")
    assert stale.value.stop.reason is Reason.TRANSFORM_STALE
