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
from mivla_msgs.msg import PolicyStatus, RetargetingStatus
from mivla_msgs.srv import Release, Stop
from mivla_ros.action_chunk import NANOSECONDS, ActionChunk, ActionChunkError
from mivla_ros.alignment import Reference
from mivla_ros.kinematics import KinematicsError
from mivla_ros.nodes import qos
from mivla_ros.nodes.conversions import Array, chunk_from_message, stop_reason_message, time_message, time_ns
from mivla_ros.nodes.diagnosis import add_reason
from mivla_ros.nodes.going_service import GoingService
from mivla_ros.nodes.process import run_node
from mivla_ros.nodes.retargeting_messages import (
    executed_message,
    path_markers,
    policy_report,
    status_message,
    trajectory_message,
)
from mivla_ros.nodes.retargeting_node_parameters import retargeting_node_parameters
from mivla_ros.nodes.trajectory_bytes import are_the_middlewares, trajectory_bytes
from mivla_ros.nodes.transforms import Transforms
from mivla_ros.retargeting import ArmMotion, Command, Follower, FollowerOptions, Mode, Retargeter, RetargetingOptions
from mivla_ros.retargeting.acceptance import AcceptanceOptions
from mivla_ros.retargeting.errors import refuse
from mivla_ros.retargeting.going import Going
from mivla_ros.retargeting.hands import HandOptions
from mivla_ros.retargeting.motion import Moved
from mivla_ros.retargeting.retargeter import IDENTITY
from mivla_ros.robots.description import DescriptionError
from mivla_ros.robots.profile import RobotProfile, load_profile
from mivla_ros.stop_reasons import Reason
from mivla_ros.stop_reasons import Stop as StopReason

STATUS_PERIOD = 0.2  # s; the policy node takes silence for this node's end


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
        self._diagnosed: tuple[object, ...] = ()
        self._as_sent = trajectory_bytes if are_the_middlewares() else trajectory_message
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
        self._going.close()
        if self._active:
            self.trigger_deactivate()

    def _make_topics(self) -> None:
        self._trajectories = {
            controller: self.create_publisher(JointTrajectoryMessage, f"{controller}/joint_trajectory", qos.COMMAND)
            for arm in self._profile.arms
            for controller in (arm.controller, *((arm.gripper.controller,) if arm.gripper else ()))
        }
        body = self._profile.body
        if body is not None and body.commanded:
            topic = f"{body.controller}/joint_trajectory"
            self._trajectories[body.controller] = self.create_publisher(JointTrajectoryMessage, topic, qos.COMMAND)
        self._executed = self.create_publisher(ExecutedStepsMessage, "mivla/executed", qos.STREAM)
        self._status = self.create_publisher(RetargetingStatus, "mivla/retargeting_status", qos.STATE)
        self._markers = self.create_publisher(MarkerArray, "mivla/markers/path", qos.COMMAND)
        self._transforms = Transforms(self)
        self.create_subscription(JointState, "joint_states", self._on_joint_states, qos.SENSOR)
        self.create_subscription(ActionChunkMessage, "mivla/actions", self._on_chunk, qos.COMMAND)
        self.create_subscription(PolicyStatus, "mivla/policy_status", self._on_policy_status, qos.STATE)
        if self._settings.robot_description:
            self._on_description(String(data=self._settings.robot_description))
        else:
            self.create_subscription(String, "robot_description", self._on_description, qos.STATE)
        self.create_service(Stop, "mivla/stop", self._on_stop)
        self.create_service(Release, "mivla/release", self._on_release)
        self._going = GoingService(self, self._begin_going, self._go, self._give_up_going)
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
            policy_silence=p.policy_timeout,
            resumes_after=frozenset(Reason[name] for name in p.resumes_after if name),
            acceptance=AcceptanceOptions(session_timeout_ns=round(p.session_timeout * NANOSECONDS)),
            hands=HandOptions(reference=Reference(p.hands.reference), scale=p.hands.scale),
        )

    def _on_description(self, message: String) -> None:
        if self._follower is not None:
            return
        began = time.perf_counter()
        try:
            p = self._settings
            options = RetargetingOptions(blend=p.blend, cutoff=p.cutoff, collisions=p.collisions)
            self._retargeter = Retargeter(self._profile, message.data, options)
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

    def _on_policy_status(self, message: PolicyStatus) -> None:
        if self._active and self._follower is not None:
            self._send(self._follower.on_policy_report(policy_report(message), self._now_ns))
            self._report(self._now_ns)

    def _base_from_frame(self, arm: Moved, chunk: ActionChunk) -> Array:
        if chunk.frame_id == arm.base_frame:
            return IDENTITY
        return self._transforms.lookup(arm.base_frame, chunk.frame_id, chunk.observation_ns, self._profile.world_frame)

    def _on_tick(self) -> None:
        self._going.take_steps()
        now_ns = self._now_ns
        if self._follower is not None and self._active and now_ns > 0:
            reason = self._follower.reason
            self._send(self._follower.tick(now_ns, time.monotonic_ns()))
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

    # Going to ready, step by step between ticks

    def _begin_going(self) -> Going:
        if self._follower is None or not self._active:
            raise refuse(Reason.SHUTDOWN, "retargeting", "not active, or there is no robot description yet")
        commands, going = self._follower.begin_going(self._now_ns)
        self._send(commands)
        self._report(self._now_ns)
        return going

    def _go(self, going: Going, motions: dict[str, ArmMotion]) -> int:
        """Nanoseconds until the arms are there."""
        assert self._follower is not None
        now_ns = self._now_ns
        commands, end_ns = self._follower.go(going, motions, now_ns)
        self._send(commands)
        self._report(now_ns)
        return end_ns - now_ns

    def _give_up_going(self, going: Going, stop: StopReason) -> None:
        assert self._follower is not None
        self._follower.give_up_going(going, stop)
        self._report(self._now_ns)

    # What goes out

    def _send(self, commands: list[Command]) -> None:
        for command in commands:
            self._trajectories[command.controller].publish(self._as_sent(command))

    def _report(self, now_ns: int) -> None:
        """Executed steps and status, where they have changed or are due again."""
        follower = self._follower
        if follower is not None and self._active:
            executed = follower.executed(now_ns)
            tracking = follower.mode is Mode.TRACKING
            due = tracking and not 0 <= now_ns - self._reported_ns < NANOSECONDS / self._settings.report_rate
            if executed is not None and (due or (executed, follower.mode) != self._reported):
                names, positions = follower.commanded(executed.due_ns or now_ns)
                self._executed.publish(executed_message(executed, names, positions, not tracking, now_ns))
                self._reported, self._reported_ns = (executed, follower.mode), now_ns
        told = () if follower is None else (follower.mode, follower.reason, follower.generation, follower.counts)
        overdue = not 0 <= now_ns - self._told_ns < STATUS_PERIOD * NANOSECONDS
        if overdue or told != self._told:
            self._told = told
            self._tell_status(now_ns)
        if follower is not None and (follower.mode, follower.reason.reason) != self._diagnosed:
            self._diagnosed = (follower.mode, follower.reason.reason)
            self._diagnostics.force_update()  # a reason is on diagnostics as soon as on the status

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
        add_reason(status, reason)
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
