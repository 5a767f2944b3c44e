"""The adapter beside a vendor's driver: the rim around mivla_ros.hardware.

Trajectories of our controllers in, the driver's own messages out; its feedback in, joint_states with our names, units
and clock out. It never takes torque away by itself: an arm without torque falls.
"""

from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from diagnostic_updater import DiagnosticStatusWrapper, Updater
from rclpy.node import Node
from rclpy.task import Future
from rosidl_runtime_py.set_message import set_message_fields
from rosidl_runtime_py.utilities import get_message, get_service
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool
from trajectory_msgs.msg import JointTrajectory

from mivla_ros.hardware.dialect import IN_PROCESS, InProcess, Send
from mivla_ros.hardware.drivers import controllers_of, make_dialects
from mivla_ros.hardware.errors import HardwareError
from mivla_ros.hardware.piper_units import check_dh, read_firmware
from mivla_ros.hardware.session import Sample, Session, SessionOptions
from mivla_ros.nodes import qos
from mivla_ros.nodes.conversions import time_message
from mivla_ros.nodes.diagnosis import add_reason
from mivla_ros.nodes.hardware_node_parameters import hardware_node_parameters
from mivla_ros.nodes.process import run_node
from mivla_ros.nodes.simulation_messages import trajectory_from_message
from mivla_ros.robots.description import DescriptionError, robot_description
from mivla_ros.robots.profile import ProfileError, load_profile
from mivla_ros.stop_reasons import Reason


class HardwareNode(Node):
    """One robot's adapter: a session for each process of the driver. ``status`` stays None."""

    def __init__(self) -> None:
        super().__init__("hardware")
        settings = hardware_node_parameters.ParamListener(self).get_params()
        self._settings = settings
        self._profile = load_profile(settings.robot)
        if settings.firmware:
            check_dh(read_firmware(settings.firmware), self._profile.description_arguments.get("dh_variant", "new"))
        options = dict(option.split("=", 1) for option in settings.options if "=" in option)
        session_options = SessionOptions(silence=settings.silence, distance=settings.distance)
        self._sessions = [
            Session(dialect, controllers_of(arms, self._profile.body), session_options)
            for dialect, arms in make_dialects(
                settings.driver, self._profile, robot_description(self._profile), options
            )
        ]
        self._samples: dict[int, tuple[int, Sample]] = {}
        self._fresh: set[int] = set()
        self._told: dict[int, Reason] = {}
        self._ways: dict[int, str] = {}
        self.status: int | None = None
        self._make_topics()

    def start(self) -> None:
        """Say what to do next."""
        topics = ", ".join(s.dialect.listens[0].topic for s in self._sessions)
        self.get_logger().info(f"{self._settings.driver} for {self._profile.name!r}: waiting for {topics}")

    def close(self) -> None:
        """The driver holds what was sent last."""

    def _make_topics(self) -> None:
        self._joint_publisher = self.create_publisher(JointState, "joint_states", qos.STREAM)
        self._publishers_of: dict[str, Any] = {}
        self._clients_of: dict[str, Any] = {}
        for number, session in enumerate(self._sessions):
            for listen in session.dialect.listens:
                if listen.type == IN_PROCESS:
                    self.create_timer(1.0 / session.dialect.rate, partial(self._on_driver, number, listen.topic, None))
                    continue
                try:
                    kind = get_message(listen.type)
                except (ModuleNotFoundError, AttributeError, ValueError) as error:
                    package = listen.type.partition("/")[0]
                    if not listen.optional:
                        raise HardwareError(listen.topic, f"needs the vendor's package {package}: source it") from error
                    self.get_logger().warning(f"{package} is not sourced: faults on {listen.topic} are not seen")
                    continue
                hear = partial(self._on_driver, number, listen.topic)
                self.create_subscription(kind, listen.topic, hear, qos.SENSOR)
            for topic, kind in session.dialect.speaks:
                self._publishers_of[topic] = self.create_publisher(get_message(kind), topic, qos.COMMAND)
            for controller in session.controllers:
                command = partial(self._on_trajectory, number, controller)
                self.create_subscription(JointTrajectory, f"{controller}/joint_trajectory", command, qos.COMMAND)
            self.create_timer(1.0 / session.dialect.rate, partial(self._on_tick, number))
        self.create_timer(1.0 / self._profile.joint_state_rate, self._publish_joints)
        self.create_service(SetBool, "driver/enable", self._on_enable)
        self._diagnostics = Updater(self)
        self._diagnostics.setHardwareID(f"{self._profile.name} by {self._settings.driver}")
        for number, session in enumerate(self._sessions):
            self._diagnostics.add(f"{session.dialect.name} {number}", partial(self._diagnose, number))

    @property
    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _on_driver(self, number: int, topic: str, message: Any) -> None:  # noqa: ANN401
        now_ns, session = self._now_ns, self._sessions[number]
        sample = session.hear(topic, message, now_ns)
        if sample is not None:
            self._samples[number] = (now_ns, sample)
            self._fresh.add(number)
            if self._settings.auto_enable and not session.enabled and session.reason.reason is Reason.NONE:
                self._enable(number, True)
        self._tell(number)

    def _publish_joints(self) -> None:
        """All sessions in one message, and only what is new: silence of a driver stays visible as such."""
        if len(self._fresh) < len(self._sessions):
            return
        self._fresh.clear()
        message = JointState()
        message.header.stamp = time_message(min(stamp for stamp, _ in self._samples.values()))
        samples = [sample for _, sample in self._samples.values()]
        message.name = [name for sample in samples for name in sample.names]
        message.position = [value for sample in samples for value in sample.positions]
        message.velocity = [value for sample in samples for value in sample.velocities]
        message.effort = [value for sample in samples for value in sample.efforts]
        self._joint_publisher.publish(message)

    def _on_trajectory(self, number: int, controller: str, message: JointTrajectory) -> None:
        try:
            self._sessions[number].command(controller, trajectory_from_message(message), self._now_ns)
        except HardwareError as error:
            self.get_logger().warning(f"trajectory refused: {error}", throttle_duration_sec=1.0)

    def _on_tick(self, number: int) -> None:
        session, now_ns = self._sessions[number], self._now_ns
        self._send(number, session.tick(now_ns))
        self._tell_way(number, session.stage(now_ns).partition(":")[0])
        self._tell(number)

    def _tell_way(self, number: int, way: str) -> None:
        """Say each step of a driver that takes commands only after some, and when it does."""
        if way == self._ways.get(number, ""):
            return
        self._ways[number] = way
        session = self._sessions[number]
        if way:
            self.get_logger().info(f"{session.dialect.name}: on its way, {way}")
        elif session.reason.reason is Reason.NONE:
            self.get_logger().info(f"{session.dialect.name}: {'takes commands' if session.enabled else 'let go'}")
        self._diagnostics.force_update()

    def _send(self, number: int, sends: tuple[Send, ...]) -> None:
        for send in sends:
            if send.type == IN_PROCESS:
                self._take(number, send)
                continue
            if send.service:
                self._call(number, send)
                continue
            publisher = self._publishers_of[send.topic]
            message = publisher.msg_type()
            set_message_fields(message, dict(send.fields))
            if hasattr(message, "header"):
                message.header.stamp = self.get_clock().now().to_msg()
            publisher.publish(message)

    def _take(self, number: int, send: Send) -> None:
        dialect = self._sessions[number].dialect
        assert isinstance(dialect, InProcess)
        try:
            dialect.take(send)
        except HardwareError as error:
            self._sessions[number].enabling_refused(str(error))

    def _call(self, number: int, send: Send) -> None:
        kind = get_service(send.type)
        client = self._clients_of.setdefault(send.topic, self.create_client(kind, send.topic))
        if not client.service_is_ready() and not client.wait_for_service(timeout_sec=1.0):
            self._sessions[number].enabling_refused(f"{send.topic} is not there: is the driver running?")
            return
        request = kind.Request()
        set_message_fields(request, dict(send.fields))
        client.call_async(request).add_done_callback(partial(self._on_answer, number, send.topic))

    def _on_answer(self, number: int, topic: str, future: Future) -> None:
        answer = future.result()
        if not getattr(answer, "success", True):
            self._sessions[number].enabling_refused(f"{topic}: {getattr(answer, 'message', '') or 'refused'}")
            self._tell(number)

    def _enable(self, number: int, on: bool) -> None:
        self._send(number, self._sessions[number].enable(on, self._now_ns))

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        try:
            for number in range(len(self._sessions)):
                self._enable(number, request.data)
            ways = [words for session in self._sessions if (words := session.stage(self._now_ns))]
            words = "asked for torque" if request.data else "asked to let go"
            response.success, response.message = True, "; ".join((words, *ways))
        except HardwareError as error:
            response.message = str(error)
        self.get_logger().info(response.message)
        return response

    def _tell(self, number: int) -> None:
        reason = self._sessions[number].reason
        if reason.reason is not self._told.get(number, Reason.NONE):
            self._told[number] = reason.reason
            if reason.reason is not Reason.NONE:
                self.get_logger().error(f"stopped commanding: {reason}")
            self._diagnostics.force_update()

    def _diagnose(self, number: int, status: DiagnosticStatusWrapper) -> DiagnosticStatusWrapper:
        session = self._sessions[number]
        reason, age = session.reason, session.age(self._now_ns)
        if reason.reason is not Reason.NONE:
            status.summary(DiagnosticStatus.ERROR, str(reason))
        elif not age <= self._settings.silence:
            status.summary(DiagnosticStatus.ERROR, f"no feedback on {session.dialect.listens[0].topic}")
        elif way := session.stage(self._now_ns):
            status.summary(DiagnosticStatus.WARN, f"on its way: {way}")
        elif not session.enabled:
            status.summary(DiagnosticStatus.WARN, "not enabled: call driver/enable")
        else:
            status.summary(DiagnosticStatus.OK, "commanding")
        add_reason(status, reason)
        status.add("on its way", session.stage(self._now_ns))
        status.add("age of feedback, s", f"{age:.3f}")
        for name in ("sent", "received", "unusable", "refused_trajectories"):
            status.add(name, str(getattr(session.counts, name)))
        return status


def main() -> None:
    """Entry point of the executable."""
    run_node("hardware", HardwareNode, HardwareError, DescriptionError, ProfileError)


if __name__ == "__main__":
    main()
