"""The robot_state_publisher node: joint states in, frames out."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import rclpy
from geometry_msgs.msg import TransformStamped
from rcl_interfaces.msg import SetParametersResult
from rclpy.executors import ExternalShutdownException
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.task import Future
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from .urdf import MOVABLE, UNSUPPORTED, Joint, Robot, UrdfError, parse, pose

_LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
_FREQUENCY_LIMIT = 1000.0
_SPIN_SECONDS = 1.0


def _frame(joint: Joint, prefix: str) -> TransformStamped:
    frame = TransformStamped()
    frame.header.frame_id = prefix + joint.parent
    frame.child_frame_id = prefix + joint.child
    _move(frame, joint, 0.0)
    return frame


def _move(frame: TransformStamped, joint: Joint, position: float) -> None:
    transform = frame.transform
    t, r = transform.translation, transform.rotation
    (t.x, t.y, t.z), (r.x, r.y, r.z, r.w) = pose(joint, position)


@dataclass
class _Part:
    """The joints one sender names, ready to publish: what moves, from which index, when it last went out."""

    message: TFMessage
    # frame, joint, index, multiplier, offset
    moves: tuple[tuple[TransformStamped, Joint, int, float, float], ...]
    published: int | None = None  # ns


def _part(robot: Robot, names: Sequence[str], prefix: str) -> _Part:
    index = {name: i for i, name in enumerate(names)}
    moves = []
    for joint in robot.of_kind(*MOVABLE):
        frame = _frame(joint, prefix)
        if joint.name in index:
            moves.append((frame, joint, index[joint.name], 1.0, 0.0))
        elif joint.mimic is not None and joint.mimic.joint in index:
            mimic = joint.mimic
            moves.append((frame, joint, index[mimic.joint], mimic.multiplier, mimic.offset))
    return _Part(TFMessage(transforms=[move[0] for move in moves]), tuple(moves))


class RobotStatePublisher(Node):
    """Publishes fixed joints once and movable joints as joint states arrive.

    Raises UrdfError or ValueError where the parameters hold no robot or a frequency out of range.
    """

    def __init__(self, **options: object) -> None:
        """Read the parameters and the robot, and publish what does not move; options are Node's."""
        super().__init__("robot_state_publisher", **options)
        declare = self.declare_parameter
        description = declare("robot_description", "").value
        frequency = declare("publish_frequency", 20.0).value
        self._prefix = declare("frame_prefix", "").value
        self._ignore_timestamp = declare("ignore_timestamp", False).value
        self._period = _period_ns(frequency)
        self._robot = _robot(description)
        # The names with a slash are the real node's: a namespace moves them by remapping /tf to tf.
        self._tf = self.create_publisher(TFMessage, "/tf", QoSProfile(depth=100))
        self._tf_static = self.create_publisher(TFMessage, "/tf_static", _LATCHED)
        self._description = self.create_publisher(String, "robot_description", _LATCHED)
        self._parts: dict[tuple[str, ...], _Part] = {}
        self._start(description)
        self.add_on_set_parameters_callback(self._check)
        self.add_post_set_parameters_callback(self._apply)
        self.create_subscription(
            JointState,
            "joint_states",
            self._on_joint_state,
            qos_profile_sensor_data,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def _start(self, description: str) -> None:
        self._parts.clear()
        for joint in self._robot.of_kind(*UNSUPPORTED):
            self.get_logger().warning(f"joint '{joint.name}' is {joint.kind}: its frame is left to others")
        self._description.publish(String(data=description))
        self._publish_fixed()
        self.get_logger().info("Robot initialized")

    def _publish_fixed(self) -> None:
        stamp = self.get_clock().now().to_msg()
        frames = [_frame(joint, self._prefix) for joint in self._robot.of_kind("fixed")]
        for frame in frames:
            frame.header.stamp = stamp
        self._tf_static.publish(TFMessage(transforms=frames))

    def _on_joint_state(self, state: JointState) -> None:
        names = tuple(state.name)
        part = self._parts.get(names)
        if part is None:
            part = self._parts[names] = _part(self._robot, names, self._prefix)
        stamp = state.header.stamp
        now = stamp.sec * 1_000_000_000 + stamp.nanosec
        if part.published is not None and not self._ignore_timestamp:
            if now < part.published:
                self.get_logger().warning("joint states went back in time: publishing from there on")
            elif now < part.published + self._period:
                return
        positions = state.position
        if len(positions) != len(names):
            problem = f"joint state ignored: {len(names)} names, {len(positions)} positions"
            self.get_logger().error(problem, throttle_duration_sec=5.0)
            return
        for frame, joint, index, multiplier, offset in part.moves:
            frame.header.stamp = stamp
            _move(frame, joint, positions[index] * multiplier + offset)
        if part.moves:
            self._tf.publish(part.message)
        part.published = now

    def _check(self, parameters: Iterable[Parameter]) -> SetParametersResult:
        try:
            for parameter in parameters:
                if parameter.name == "robot_description":
                    _robot(parameter.value)
                elif parameter.name == "publish_frequency":
                    _period_ns(parameter.value)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply(self, parameters: Iterable[Parameter]) -> None:
        changed = {parameter.name: parameter.value for parameter in parameters}
        if "publish_frequency" in changed:
            self._period = _period_ns(changed["publish_frequency"])
        self._ignore_timestamp = changed.get("ignore_timestamp", self._ignore_timestamp)
        if "frame_prefix" in changed:
            self._prefix = changed["frame_prefix"]
            self._parts.clear()
        if "robot_description" in changed:
            self._robot = _robot(changed["robot_description"])
            self._start(changed["robot_description"])


def _robot(description: str) -> Robot:
    if not description:
        raise UrdfError("parameter robot_description is empty")
    return parse(description)


def _period_ns(frequency: float) -> int:
    if not 0.0 < frequency <= _FREQUENCY_LIMIT:
        raise ValueError(f"publish_frequency is {frequency} Hz: it must be in (0, {_FREQUENCY_LIMIT}] Hz")
    # Whole milliseconds, as the real node counts: 60 Hz is 16 ms.
    return int(1000.0 / frequency) * 1_000_000


def main(args: list[str] | None = None) -> int:
    """Run the node until it is interrupted; status 1 where there is no valid robot to publish."""
    rclpy.init(args=args)
    try:
        _spin(RobotStatePublisher())
    except ValueError as error:
        get_logger("robot_state_publisher").fatal(str(error))
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RuntimeError:
        if rclpy.ok():  # else the signal came in the middle of a callback, which the executor tells that way
            raise
    finally:
        rclpy.try_shutdown()
    return 0


def _spin(node: Node) -> None:
    try:
        from rclpy.experimental import EventsExecutor as Executor  # a third of the cost per message
    except ImportError:
        from rclpy.executors import SingleThreadedExecutor as Executor
    executor = Executor()
    executor.add_node(node)
    try:
        # Not spin(): where rclpy was compiled for an older glibc, its endless wait turns in place and hangs.
        while node.context.ok():
            executor.spin_until_future_complete(Future(), timeout_sec=_SPIN_SECONDS)
    finally:
        executor.shutdown()
        node.destroy_node()


if __name__ == "__main__":
    sys.exit(main())
