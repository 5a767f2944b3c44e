"""Action chunks in, joint trajectories out: the rim around mivla_ros.retargeting."""

import time

from diagnostic_msgs.msg import DiagnosticStatus
from diagnostic_updater import DiagnosticStatusWrapper, Updater
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory as JointTrajectoryMessage
from visualization_msgs.msg import MarkerArray

from mivla_msgs.msg import ActionChunk as ActionChunkMessage
from mivla_msgs.msg import ExecutedSteps as ExecutedStepsMessage
from mivla_msgs.msg import RetargetingStatus
from mivla_msgs.srv import Release, Stop
from mivla_ros.action_chunk import NANOSECONDS, ActionChunk, ActionChunkError
from mivla_ros.alignment import Reference
from mivla_ros.kinematics import KinematicsError
from mivla_ros.nodes import qos
from mivla_ros.nodes.conversions import Array, chunk_from_message, stop_reason_message, time_message, time_ns
from mivla_ros.nodes.process import run_node
from mivla_ros.nodes.retargeting_messages import (
    executed_message,
    path_markers,
    status_message,
    trajectory_message,
)
from mivla_ros.nodes.retargeting_node_parameters import retargeting_node_parameters
from mivla_ros.nodes.transforms import Transforms
from mivla_ros.retargeting import Command, Follower, FollowerOptions, Mode, Retargeter, RetargetingOptions
from mivla_ros.retargeting.acceptance import AcceptanceOptions
from mivla_ros.retargeting.hands import HandOptions
from mivla_ros.retargeting.retargeter import IDENTITY
from mivla_ros.robots.description import DescriptionError
from mivla_ros.robots.profile import ArmProfile, RobotProfile, load_profile
from mivla_ros.stop_reasons import Reason
from mivla_ros.stop_reasons import Stop as StopReason

STATUS_PERIOD = 1.0  # s


class RetargetingNode(LifecycleNode):
    """One robot's retargeting. ``status`` is 1 when it cannot go on; the process then ends with it."""

    def __init__(self) -> None:
        super().__init__("retargeting")
        self._settings = retargeting_node_parameters.ParamListener(self).get_params()
        self._profile: RobotProfile = load_profile(self._settings.robot)
        self._follower: Follower | None = None
        self._retargeter: Retargeter | None = None
        self._active = False
        self._reported: tuple[object, ...] = ()
        self._reported_ns = 0
        self._told: tuple[object, ...] = ()
        self._told_ns = 0
        self._sending_seconds = 0.0
        self.status: int | None = None
        self._make_topics()

    def start(self) -> None:
        """Configure and activate, where the parameter asks for it."""
        if not self._settings.autostart or self.status is not None:
            return
        for transition in (self.trigger_configure, self.trigger_activate):
            if transition() is not TransitionCallbackReturn.SUCCESS:
                self.status = 1
                return

    def close(self) -> None:
        """Brake the arms, so that none runs on without its node."""
        if self._active:
            self.trigger_deactivate()

    def _make_topics(self) -> None:
        self._trajectories = {
            controller: self.create_publisher(JointTrajectoryMessage, f"{controller}/joint_trajectory", qos.COMMAND)
            for arm in self._profile.arms
            for controller in (arm.controller, *((arm.gripper.controller,) if arm.gripper else ()))
        }
        self._executed = self.create_publisher(ExecutedStepsMessage, "mivla/executed", qos.STREAM)
        self._status = self.create_publisher(RetargetingStatus, "mivla/retargeting_status", qos.STATE)
        self._markers = self.create_publisher(MarkerArray, "mivla/markers/path", qos.COMMAND)
        self._transforms = Transforms(self)
        self.create_subscription(JointState, "joint_states", self._on_joint_states, qos.SENSOR)
        self.create_subscription(ActionChunkMessage, "mivla/actions", self._on_chunk, qos.COMMAND)
        if self._settings.robot_description:
            self._on_description(String(data=self._settings.robot_description))
        else:
            self.create_subscription(String, "robot_description", self._on_description, qos.STATE)
        self.create_service(Stop, "mivla/stop", self._on_stop)
        self.create_service(Release, "mivla/release", self._on_release)
        self._tick_timer = self.create_timer(1.0 / self._profile.command_rate, self._on_tick)
        self._diagnostics = Updater(self)
        self._diagnostics.setHardwareID(self._profile.name)
        self._diagnostics.add("retargeting", self._diagnose)

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Nothing is opened here; the robot description may come at any time."""
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """From now on chunks move the robot."""
        self._active = True
        self._tell_status(self._now_ns)
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Brake, then command nothing."""
        if self._follower is not None:
            self._send(self._follower.hold(StopReason(Reason.SHUTDOWN, message="deactivated"), self._now_ns))
        self._active = False
        self._tell_status(self._now_ns)
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget what has happened; the robot's models stay."""
        if self._retargeter is not None:
            self._follower = Follower(self._retargeter, self._options)
        return TransitionCallbackReturn.SUCCESS

    # What comes in

    @property
    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    @property
    def _options(self) -> FollowerOptions:
        p = self._settings
        return FollowerOptions(
            lead_ns=round(p.lead * NANOSECONDS),
            joints_stale_ns=round(p.joint_states_timeout * NANOSECONDS),
            clock_jump_ns=round(p.clock_jump * NANOSECONDS),
            tracking_error=p.tracking_error,
            tracking_error_latches=p.tracking_error_latches,
            rest_error=p.rest_error,
            acceptance=AcceptanceOptions(session_timeout_ns=round(p.session_timeout * NANOSECONDS)),
            hands=HandOptions(reference=Reference(p.hands.reference), scale=p.hands.scale),
        )

    def _on_description(self, message: String) -> None:
        if self._follower is not None:
            return
        began = time.perf_counter()
        try:
            self._retargeter = Retargeter(self._profile, message.data, RetargetingOptions(blend=self._settings.blend))
        except (KinematicsError, DescriptionError) as error:
            self.get_logger().fatal(str(error))
            self.status = 1
            return
        self._retargeter.warm_up()
        self._follower = Follower(self._retargeter, self._options)
        seconds = time.perf_counter() - began
        self.get_logger().info(f"ready for robot {self._profile.name!r}, made ready in {seconds:.1f} s")

    def _on_joint_states(self, message: JointState) -> None:
        if self._follower is not None:
            stamp_ns = time_ns(message.header.stamp) or self._now_ns
            self._follower.on_joint_states(stamp_ns, message.name, message.position, message.velocity)

    def _on_chunk(self, message: ActionChunkMessage) -> None:
        follower = self._follower
        if not self._active or follower is None:
            return
        began, now_ns, refused = time.perf_counter(), self._now_ns, follower.counts.refused_chunks
        try:
            chunk = chunk_from_message(message)
        except ActionChunkError as error:
            stop = StopReason(Reason.CHUNK_INVALID, error.field, error.value, error.limit, "", str(error))
            self._send(follower.on_unreadable_chunk(stop, now_ns))
        else:
            self._send(follower.on_chunk(chunk, now_ns, self._base_from_frame))
        self._sending_seconds = time.perf_counter() - began
        if follower.counts.refused_chunks > refused:
            why = follower.reason
            self.get_logger().warning(f"chunk {message.sequence} refused: {why}", throttle_duration_sec=1.0)
        else:
            self._show_path(now_ns)
        self._report(now_ns)

    def _base_from_frame(self, arm: ArmProfile, chunk: ActionChunk) -> Array:
        if chunk.frame_id == arm.base_frame:
            return IDENTITY
        return self._transforms.lookup(arm.base_frame, chunk.frame_id, chunk.observation_ns, self._profile.world_frame)

    def _on_tick(self) -> None:
        now_ns = self._now_ns
        if self._follower is not None and self._active and now_ns > 0:
            reason = self._follower.reason
            self._send(self._follower.tick(now_ns))
            if self._follower.reason.reason is not reason.reason:
                if self._follower.reason.reason is Reason.CLOCK_JUMP:
                    self._transforms.forget()
                self.get_logger().info(f"{self._follower.mode}: {self._follower.reason}")
        self._report(now_ns)

    def _on_stop(self, request: Stop.Request, response: Stop.Response) -> Stop.Response:
        follower = self._follower
        if follower is None:
            response.message = "there is no robot description yet, so nothing is commanded"
            return response
        now_ns = self._now_ns
        latched = follower.mode is Mode.STOPPED
        commands = follower.stop(StopReason(Reason.OPERATOR_STOP, message=request.reason), now_ns)
        self._send(commands)
        self._report(now_ns)
        doing = "braking" if commands else "at rest"
        response.success, response.message = (
            True,
            f"{'was latched already' if latched else 'stop latched'}, {doing}",
        )
        self.get_logger().warning(f"{follower.reason}: {response.message}")
        return response

    def _on_release(self, request: Release.Request, response: Release.Response) -> Release.Response:
        follower = self._follower
        if follower is None:
            response.message = "there is no robot description yet"
            return response
        if follower.mode is Mode.STOPPED:
            response.message = f"released, generation {follower.release()} is obeyed from now on"
        else:
            response.message = "no stop is latched"
        response.success, response.generation = True, follower.generation
        self.get_logger().info(response.message)
        self._report(self._now_ns)
        return response

    # What goes out

    def _send(self, commands: list[Command]) -> None:
        for command in commands:
            self._trajectories[command.controller].publish(trajectory_message(command))

    def _report(self, now_ns: int) -> None:
        """Executed steps and status, where they have changed or are due again."""
        follower = self._follower
        if follower is not None and self._active:
            executed = follower.executed(now_ns)
            tracking = follower.mode is Mode.TRACKING
            due = tracking and now_ns - self._reported_ns >= NANOSECONDS / self._settings.report_rate
            if executed is not None and (due or (executed, follower.mode) != self._reported):
                names, positions = follower.commanded(executed.due_ns or now_ns)
                self._executed.publish(executed_message(executed, names, positions, not tracking, now_ns))
                self._reported, self._reported_ns = (executed, follower.mode), now_ns
        told = () if follower is None else (follower.mode, follower.reason, follower.generation, follower.counts)
        overdue = not 0 <= now_ns - self._told_ns < STATUS_PERIOD * NANOSECONDS
        if overdue or told != self._told:
            self._told = told
            self._tell_status(now_ns)

    def _tell_status(self, now_ns: int) -> None:
        self._told_ns = now_ns
        if self._follower is not None:
            message = status_message(self._follower, self._profile.name, now_ns)
            if not self._active:
                message.state = RetargetingStatus.INACTIVE
        else:
            message = RetargetingStatus(state=RetargetingStatus.UNCONFIGURED, robot=self._profile.name)
            reason = StopReason(Reason.DESCRIPTION_MISSING, "robot_description")
            message.reason = stop_reason_message(reason)
            message.header.stamp = time_message(now_ns)
        self._status.publish(message)

    def _show_path(self, now_ns: int) -> None:
        follower, retargeter = self._follower, self._retargeter
        if follower is None or retargeter is None or self._markers.get_subscription_count() == 0:
            return
        paths = {}
        for arm in self._profile.arms:
            motion = follower.motion(arm.name)
            if motion is not None:
                paths[arm.name] = (arm.base_frame, retargeter.end_effector_path(motion, arm.name))
        self._markers.publish(path_markers(paths, now_ns))

    def _diagnose(self, status: DiagnosticStatusWrapper) -> DiagnosticStatusWrapper:
        follower = self._follower
        if follower is None:
            status.summary(DiagnosticStatus.WARN, "no robot description yet")
            return status
        reason = follower.reason
        quiet = (Reason.NONE, Reason.CHUNK_MISSING, Reason.CHUNK_EXHAUSTED)
        level = DiagnosticStatus.OK if reason.reason in quiet else DiagnosticStatus.WARN
        if follower.mode is Mode.STOPPED:
            level = DiagnosticStatus.ERROR
        words = "" if reason.reason is Reason.NONE else f": {reason}"
        status.summary(level, f"{follower.mode}{words}")
        counts = follower.counts
        status.add("accepted chunks", str(counts.accepted_chunks))
        status.add("refused chunks", str(counts.refused_chunks))
        status.add("dropped steps", str(counts.dropped_steps))
        status.add("clipped steps", str(counts.clipped_steps))
        status.add("chunk age (s)", f"{counts.chunk_age:.4f}")
        status.add("retargeting (s)", f"{counts.retargeting_seconds:.5f}")
        status.add("chunk received to trajectory sent (s)", f"{self._sending_seconds:.5f}")
        return status


def main() -> None:
    """Entry point of the executable."""
    run_node("retargeting", RetargetingNode, ValueError)


if __name__ == "__main__":
    main()
