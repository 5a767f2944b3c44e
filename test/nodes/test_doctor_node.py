"""What the doctor hears of what was published once, on a real graph of two participants."""

from collections.abc import Iterator

import pytest

rclpy = pytest.importorskip("rclpy")

from geometry_msgs.msg import TransformStamped  # noqa: E402
from rclpy.node import Node  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from mivla_ros.nodes import qos  # noqa: E402
from mivla_ros.nodes.doctor_node import Look  # noqa: E402
from mivla_ros.robots.profile import load_profile  # noqa: E402
from test.domain import free_domain  # noqa: E402


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(free_domain()))
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("publisher", context=context)
    yield node
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def publish_once(node: Node) -> None:
    node.create_publisher(String, "robot_description", qos.STATE).publish(String(data="<robot/>"))
    transform = TransformStamped()
    transform.header.frame_id, transform.child_frame_id = "world", "base_link"
    node.create_publisher(TFMessage, "tf_static", qos.STATE).publish(TFMessage(transforms=[transform]))


@pytest.mark.parametrize("deaf", [False, True], ids=["hears", "hears nothing as the participant that it is"])
def test_what_was_published_once_is_heard(publisher: Node, deaf: bool) -> None:
    publish_once(publisher)
    look = Look(load_profile("piper"))
    try:
        if deaf:
            for ear in list(look.node.subscriptions):
                if ear.topic_name in ("/robot_description", "/tf_static"):
                    look.node.destroy_subscription(ear)
        seen = look.still(1.0)
    finally:
        look.close()
    assert seen.description == "<robot/>"
    assert seen.frames == {"base_link": "world"}


def test_what_nobody_publishes_is_not_waited_for(publisher: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    look = Look(load_profile("piper"))
    monkeypatch.setattr(look, "_hear_again", lambda: pytest.fail("nobody publishes it"))
    try:
        assert look.still(0.2).description == ""
    finally:
        look.close()
