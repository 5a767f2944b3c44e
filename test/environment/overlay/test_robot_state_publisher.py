"""The overlay's robot_state_publisher: what it publishes, how often, and read back through TF elsewhere."""

import math
import subprocess
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

NS = 1_000_000_000


class Recorder:
    """Stands for a publisher and keeps copies of what it was given."""

    def __init__(self) -> None:
        self.sent: list[dict[str, tuple[int, tuple[float, ...]]]] = []

    def publish(self, message: Any) -> None:
        self.sent.append({})
        for frame in message.transforms:
            t, r = frame.transform.translation, frame.transform.rotation
            stamp = frame.header.stamp.sec * NS + frame.header.stamp.nanosec
            value = (t.x, t.y, t.z, r.x, r.y, r.z, r.w)
            self.sent[-1][f"{frame.header.frame_id}>{frame.child_frame_id}"] = (stamp, value)


@pytest.fixture
def make(
    state_publisher: ModuleType, ros_environment: dict[str, str], arm: str
) -> Iterator[Callable[..., SimpleNamespace]]:
    """Make the node in this process, with a recorder in place of /tf."""
    import rclpy
    from rclpy.parameter import Parameter

    context = rclpy.Context()
    context.init()
    nodes = []

    def node(**parameters: object) -> SimpleNamespace:
        wanted = {"robot_description": arm, **parameters}
        overrides = [Parameter(name, value=value) for name, value in wanted.items()]
        made = state_publisher.RobotStatePublisher(context=context, parameter_overrides=overrides)
        nodes.append(made)
        made._tf = Recorder()
        return SimpleNamespace(node=made, tf=made._tf)

    yield node
    for made in nodes:
        made.destroy_node()
    context.shutdown()


def feed(node: SimpleNamespace, nanoseconds: int, **positions: float) -> None:
    from builtin_interfaces.msg import Time
    from sensor_msgs.msg import JointState

    state = JointState(name=list(positions), position=list(positions.values()))
    state.header.stamp = Time(sec=nanoseconds // NS, nanosec=nanoseconds % NS)
    node.node._on_joint_state(state)


def test_movable_joints_are_published_at_the_joint_states_stamp(make: Callable[..., SimpleNamespace]) -> None:
    node = make()
    feed(node, 7 * NS, push=0.1, turn=0.4, unknown=3.0)
    (sent,) = node.tf.sent
    assert set(sent) == {"base>upper", "upper>slide", "tool>finger"}
    assert all(stamp == 7 * NS for stamp, _ in sent.values())
    # "push" runs along x of an origin turned a quarter about z: along y of its parent.
    half = math.sqrt(0.5)
    assert sent["upper>slide"][1] == pytest.approx((0, 0.1, 0, 0, 0, half, half))
    # "pinch" mimics it: -2 * 0.1 + 0.25 along y.
    assert sent["tool>finger"][1] == pytest.approx((0, 0.05, 0, 0, 0, 0, 1))


def test_joints_that_nobody_reports_are_not_published(make: Callable[..., SimpleNamespace]) -> None:
    node = make()
    feed(node, NS, turn=0.4)
    feed(node, NS, unknown=1.0)
    assert [set(sent) for sent in node.tf.sent] == [{"base>upper"}]


def test_a_mimic_joint_that_is_reported_itself_keeps_its_own_position(
    make: Callable[..., SimpleNamespace],
) -> None:
    node = make()
    feed(node, NS, push=0.1, pinch=0.7)
    assert node.tf.sent[0]["tool>finger"][1][:3] == pytest.approx((0, 0.7, 0))


def test_messages_between_two_periods_are_left_out(make: Callable[..., SimpleNamespace]) -> None:
    node = make(publish_frequency=50.0)
    for tick in range(200):  # one second at 200 Hz
        feed(node, NS + tick * NS // 200, turn=0.01 * tick)
    stamps = [sent["base>upper"][0] for sent in node.tf.sent]
    assert stamps == [NS + k * NS // 50 for k in range(50)]


def test_two_senders_of_joints_do_not_hold_each_other_up(make: Callable[..., SimpleNamespace]) -> None:
    node = make()
    feed(node, NS, turn=0.1)
    feed(node, NS + 1_000_000, push=0.1)
    assert [len(sent) for sent in node.tf.sent] == [1, 2]


def test_time_that_goes_back_is_followed(make: Callable[..., SimpleNamespace]) -> None:
    node = make()
    feed(node, 100 * NS, turn=0.1)
    feed(node, 1 * NS, turn=0.2)
    assert [sent["base>upper"][0] for sent in node.tf.sent] == [100 * NS, NS]


def test_stamps_can_be_ignored(make: Callable[..., SimpleNamespace]) -> None:
    node = make(ignore_timestamp=True)
    for _ in range(3):
        feed(node, NS, turn=0.1)
    assert len(node.tf.sent) == 3


def test_a_state_without_positions_is_left_out(make: Callable[..., SimpleNamespace]) -> None:
    from sensor_msgs.msg import JointState

    node = make()
    node.node._on_joint_state(JointState(name=["turn"]))
    assert node.tf.sent == []


def test_parameters_change_while_running(make: Callable[..., SimpleNamespace]) -> None:
    from rclpy.parameter import Parameter

    node = make(frame_prefix="left/")
    feed(node, NS, turn=0.1)
    one = '<robot name="r"><link name="a"/><link name="b"/><joint name="turn" type="continuous">'
    one += '<parent link="a"/><child link="b"/></joint></robot>'
    node.node.set_parameters([Parameter("robot_description", value=one), Parameter("frame_prefix", value="r/")])
    feed(node, 2 * NS, turn=0.1)
    assert [list(sent) for sent in node.tf.sent] == [["left/base>left/upper"], ["r/a>r/b"]]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("robot_description", "", "empty"),
        ("robot_description", "<robot/>", "root link"),
        ("publish_frequency", 0.0, "0.0 Hz"),
        ("publish_frequency", 2000.0, "2000.0 Hz"),
    ],
)
def test_wrong_parameters_are_refused(
    make: Callable[..., SimpleNamespace], name: str, value: object, reason: str
) -> None:
    from rclpy.parameter import Parameter

    with pytest.raises(ValueError, match=reason):
        make(**{name: value})
    node = make()
    (result,) = node.node.set_parameters([Parameter(name, value=value)])
    assert not result.successful
    assert reason in result.reason
    feed(node, NS, turn=0.1)
    assert len(node.tf.sent) == 1


LAUNCH = """
    from launch import LaunchDescription
    from launch_ros.actions import Node

    def generate_launch_description():
        return LaunchDescription([Node(
            package="robot_state_publisher", executable="robot_state_publisher", namespace="a", output="both",
            remappings=[("/tf", "tf"), ("/tf_static", "tf_static")],
            parameters=[{"robot_description": %r, "frame_prefix": "a/"}],
        )])
"""


@pytest.mark.ros
def test_frames_are_read_back_in_another_process(
    tmp_path: Path,
    arm: str,
    ros_environment: dict[str, str],
    built: Callable[[str], None],
    start: Callable[..., "subprocess.Popen[str]"],
) -> None:
    built("ros2launch")
    built("robot_state_publisher")
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from rclpy.time import Time
    from sensor_msgs.msg import JointState
    from std_msgs.msg import String
    from tf2_ros import Buffer, TransformListener

    file = tmp_path / "frames.launch.py"
    file.write_text(textwrap.dedent(LAUNCH % arm))
    launch = start("ros2", "launch", str(file))
    context = rclpy.Context()
    context.init()
    node = rclpy.create_node("listener", namespace="a", context=context, cli_args=[
        "--ros-args", "-r", "/tf:=tf", "-r", "/tf_static:=tf_static"
    ])  # fmt: skip
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    buffer = Buffer(node=node)
    TransformListener(buffer, node)
    described: list[str] = []
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_subscription(String, "robot_description", lambda msg: described.append(msg.data), latched)
    states = node.create_publisher(JointState, "joint_states", 10)
    state = JointState(name=["turn", "push"], position=[math.pi / 2, 0.1])
    try:
        deadline = time.monotonic() + 30.0
        while not (described and buffer.can_transform("a/base", "a/finger", Time())):
            assert time.monotonic() < deadline, "no frames within 30 s"
            assert launch.poll() is None, launch.communicate()[0]
            state.header.stamp = node.get_clock().now().to_msg()
            states.publish(state)
            executor.spin_once(timeout_sec=0.05)
        static = buffer.lookup_transform("a/slide", "a/tool", Time())
        finger = buffer.lookup_transform("a/upper", "a/finger", Time()).transform.translation
    finally:
        executor.shutdown()
        node.destroy_node()
        context.shutdown()
    assert described[0] == arm
    assert static.transform.rotation.w == 1.0
    # 0.1 along y of the upper link, then 0.05 along y of a frame turned a quarter about z: along -x.
    assert (finger.x, finger.y, finger.z) == pytest.approx((-0.05, 0.1, 0.0), abs=1e-9)


@pytest.mark.ros
def test_an_invalid_robot_ends_the_node_with_its_reason(
    tmp_path: Path, built: Callable[[str], None], start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    built("robot_state_publisher")
    parameters = tmp_path / "parameters.yaml"
    parameters.write_text('/**: {ros__parameters: {robot_description: "<robot><link/></robot>"}}')
    node = start(
        "ros2", "run", "robot_state_publisher", "robot_state_publisher",
        "--ros-args", "--params-file", str(parameters),
    )  # fmt: skip
    output, _ = node.communicate(timeout=60)
    assert node.returncode == 1
    assert "a link has no name" in output
    assert "Traceback" not in output
