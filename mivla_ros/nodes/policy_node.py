"""The policy node: streams in, an observation at one moment, the policy's answer as an ActionChunk out.

The executor only moves messages; inference runs in one worker thread.
"""

import threading
import uuid
from collections.abc import Callable, Sequence
from functools import partial

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, State, TransitionCallbackReturn
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from std_msgs.msg import String
from visualization_msgs.msg import MarkerArray

from mivla_msgs.msg import ActionChunk, ExecutedSteps, PolicyStatus, RetargetingStatus, TaskProgress
from mivla_ros.kinematics import KinematicsError, chain_from_urdf, forward_kinematics
from mivla_ros.nodes import qos
from mivla_ros.nodes.conversions import chunk_message, stop_from_message, stop_reason_message, time_message, time_ns
from mivla_ros.nodes.policy_arrival import PolicyArrival
from mivla_ros.nodes.policy_diagnostics import PolicyDiagnostics
from mivla_ros.nodes.policy_inputs import PolicyInputs
from mivla_ros.nodes.policy_messages import chunk_markers, status_message
from mivla_ros.nodes.policy_node_parameters import policy_node_parameters
from mivla_ros.nodes.policy_task_server import PolicyTaskServer
from mivla_ros.nodes.process import run_node
from mivla_ros.observations import StreamLimits, Synchroniser
from mivla_ros.policies.options import split_options
from mivla_ros.policies.policy import Policy, PolicyError, Remote
from mivla_ros.policies.registry import PolicyContext, entry, make_policy
from mivla_ros.policies.runner import PolicyRunner, PolicyState, RunnerOptions, RunnerStatus
from mivla_ros.policies.task_outcome import Judgement, TaskLimits
from mivla_ros.robots.description import DescriptionError, robot_description
from mivla_ros.robots.profile import CameraProfile, load_profile
from mivla_ros.silence import Silence
from mivla_ros.stop_reasons import Reason, Stop

WATCH_SECONDS = 0.05  # between two looks for a change of status
STATUS_SECONDS = 0.1  # the retargeting node takes silence for this node's end
WAKE_SECONDS = 0.1  # the worker looks by itself that often, so that a silent stream is noticed
JUDGE_SECONDS = 3.0  # a task progress older than this says nothing about now

NOT_READY = Stop(Reason.STREAM_MISSING, "mivla/retargeting_status", message="the retargeting node is not ready yet")
NOT_READY_STATES = (RetargetingStatus.UNCONFIGURED, RetargetingStatus.INACTIVE, RetargetingStatus.FAILED)


class PolicyNode(LifecycleNode):
    """Topics, parameters and life cycle around a PolicyRunner."""

    def __init__(self) -> None:
        super().__init__("policy")
        self.status: int | None = None
        self._listener = policy_node_parameters.ParamListener(self)
        self._runner: PolicyRunner | None = None
        self._is_active = False
        self._undo: list[Callable[[], object]] = []
        self._worker: threading.Thread | None = None
        self._wake, self._ending = threading.Event(), threading.Event()
        self._said = ""  # newest words on mivla/instruction
        self._goal_words = ""
        self._task: TaskProgress | None = None
        self._executed_total = 0
        self._published: tuple[object, ...] = ()
        self._published_at = 0.0
        self._retargeting_silence: Silence | None = None
        self._status_publisher = self.create_publisher(PolicyStatus, "mivla/policy_status", qos.STATE)

    def start(self) -> None:
        """Configure and activate, where the parameter asks for it."""
        if not self._listener.get_params().autostart:
            return
        for transition in (self.trigger_configure, self.trigger_activate):
            if transition() is not TransitionCallbackReturn.SUCCESS:
                self.status = 1
                return

    # ---- life cycle ----

    def on_configure(self, state: State) -> TransitionCallbackReturn:
        """Load robot and policy, make topics; those of a policy whose server is not there yet are made when it is."""
        return TransitionCallbackReturn.SUCCESS if self._loaded(self._configure) else TransitionCallbackReturn.FAILURE

    def _loaded(self, load: Callable[[], None]) -> bool:
        """Do that; what goes wrong is said and undone."""
        try:
            load()
        except (PolicyError, DescriptionError, KinematicsError, ValueError, KeyError) as error:
            reason = Stop(Reason.POLICY_NOT_LOADED, message=str(error))
            self.get_logger().fatal(str(reason))
            self._unload()
            self._publish_without_runner(PolicyStatus.UNCONFIGURED, reason)
            return False
        return True

    def _configure(self) -> None:
        parameters = self._listener.get_params()
        profile = load_profile(parameters.robot)
        urdf = robot_description(profile)
        options: dict[str, object] = {**split_options(parameters.policy, parameters.options)}
        if parameters.policy == "demonstration" and parameters.demonstration.file:
            options["path"] = parameters.demonstration.file
        policy = make_policy(parameters.policy, PolicyContext(profile, urdf), options, wait=0)
        self._undo.append(policy.close)
        self._profile = profile
        if not isinstance(policy, Remote) or policy.absence() is None:
            self._prepare(policy, urdf)
            return
        say = partial(self._publish_without_runner, PolicyStatus.WAITING)
        arrival = PolicyArrival(self, policy, STATUS_SECONDS, say, partial(self._on_arrival, policy, urdf))
        self._undo.append(arrival.close)

    def _on_arrival(self, policy: Policy, urdf: str) -> None:
        """The server is there now."""
        if not self._loaded(partial(self._prepare, policy, urdf)):
            self.status = 1
        elif self._is_active:
            self._begin_work()

    def _prepare(self, policy: Policy, urdf: str) -> None:
        """What needs to know the policy: what it looks at, and how long its chunks are."""
        parameters, profile = self._listener.get_params(), self._profile
        cameras = [profile.camera(name) for name in policy.spec.cameras]
        if parameters.require_cameras:
            cameras = list(profile.cameras)
        self._synchroniser = self._make_synchroniser(urdf, cameras, policy.spec.needs_objects)
        runner = PolicyRunner(
            policy,
            profile,
            self._synchroniser,
            self._now_ns,
            uuid.uuid4().bytes,
            entry(parameters.policy).needs_instruction,
            RunnerOptions(parameters.retry, parameters.deadline),
        )
        self._seed = parameters.seed
        runner.reset(self._words(), self._seed)
        self._runner = runner
        self._make_topics(runner, cameras, parameters.image_transport == "compressed")
        names = ", ".join(camera.name for camera in cameras) or "none"
        self.get_logger().info(
            f"policy {policy.spec.name!r} ({policy.spec.revision}) for {profile.name!r}, cameras: {names}"
            + (", reads the simulator's truth" if policy.spec.needs_objects else "")
        )

    def _make_synchroniser(self, urdf: str, cameras: Sequence[CameraProfile], needs_objects: bool) -> Synchroniser:
        arms = self._profile.arms
        chains = {arm.name: chain_from_urdf(urdf, arm.base_frame, arm.eef_frame) for arm in arms}
        for arm in arms:
            forward_kinematics(chains[arm.name], arm.ready)  # compiled here, not in the first observation
        given = self._listener.get_params().limits
        limits = StreamLimits(
            image_age=given.image_age,
            joint_age=given.joint_age,
            object_age=given.object_age,
            image_skew=given.image_skew,
            joint_gap=given.joint_gap,
            future=given.future,
            frozen=given.frozen,
            history=max(2.0, 2 * (given.image_age + given.joint_gap)),
        )
        return Synchroniser(
            arms,
            cameras,
            lambda name, joints: forward_kinematics(chains[name], joints),
            limits,
            needs_objects=needs_objects,
        )

    def _make_topics(self, runner: PolicyRunner, cameras: Sequence[CameraProfile], compressed: bool) -> None:
        spec = runner.policy.spec
        self._chunk_publisher = self._publisher(
            ActionChunk, "mivla/actions", qos.chunks(spec.horizon * spec.step_seconds)
        )
        self._marker_publisher = self._publisher(MarkerArray, "mivla/markers/chunk", qos.STREAM)
        inputs = PolicyInputs(self, self._synchroniser, cameras, compressed, self._wake.set)
        self._undo.append(inputs.close)
        for kind, topic, callback, quality in (
            (String, "mivla/instruction", self._on_instruction, qos.STATE),
            (ExecutedSteps, "mivla/executed", self._on_executed, qos.STREAM),
            (RetargetingStatus, "mivla/retargeting_status", self._on_retargeting, qos.STATE),
            (TaskProgress, "simulation/task", self._on_task, qos.STREAM),
        ):
            subscription = self.create_subscription(kind, topic, callback, quality)
            self._undo.append(partial(self.destroy_subscription, subscription))
        self._retargeting_silence = None
        if self._listener.get_params().require_retargeting:
            runner.wait_for(NOT_READY)
        self._server = PolicyTaskServer(
            self,
            runner,
            self._now_ns,
            self._task_limits,
            self._judgement,
            self._begin_goal,
            lambda: self._executed_total,
            lambda: self._is_active,
        )
        self._undo.append(self._server.close)
        self._diagnostics = PolicyDiagnostics(self, runner, self._synchroniser, self._profile.name, self._now_ns)
        self._undo.append(self._diagnostics.close)
        # the wall clock, so that a simulator that has stopped is still reported on
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        timer = self.create_timer(WATCH_SECONDS, self._watch, clock=self._steady)
        self._undo.append(partial(self.destroy_timer, timer))

    def _publisher(self, kind: type, topic: str, quality: QoSProfile) -> Publisher:
        """A publisher that goes with the configuration."""
        publisher = self.create_publisher(kind, topic, quality)
        self._undo.append(partial(self.destroy_publisher, publisher))
        return publisher

    def on_activate(self, state: State) -> TransitionCallbackReturn:
        """Begin to infer, or wait for a goal."""
        self._is_active = True
        if self._runner is not None:
            self._begin_work()
        return super().on_activate(state)

    def on_deactivate(self, state: State) -> TransitionCallbackReturn:
        """Infer no more."""
        if self._runner is not None:
            self._runner.stop()
        self._end_worker()
        return super().on_deactivate(state)

    def on_cleanup(self, state: State) -> TransitionCallbackReturn:
        """Give everything back."""
        self._unload()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: State) -> TransitionCallbackReturn:
        """End from any state."""
        self.close()
        return TransitionCallbackReturn.SUCCESS

    def close(self) -> None:
        """End the worker and unload the policy; may be called twice."""
        if self._runner is not None:
            self._runner.stop(Stop(Reason.SHUTDOWN, "policy node"))
            self._publish_status(self._runner.status())
        self._end_worker()
        self._unload()

    def _begin_work(self) -> None:
        assert self._runner is not None
        if self._listener.get_params().run_on_start:
            self._runner.start()
        self._ending.clear()
        self._worker = threading.Thread(target=self._work, name="inference")
        self._worker.start()

    def _end_worker(self) -> None:
        self._is_active = False
        self._ending.set()
        self._wake.set()
        if self._worker is not None:
            self._worker.join()
            self._worker = None

    def _unload(self) -> None:
        """Undo what ``_configure`` did, or as much of it as was done, the last thing first."""
        self._runner = None
        while self._undo:
            self._undo.pop()()

    # ---- the worker ----

    def _work(self) -> None:
        assert self._runner is not None
        while not self._ending.is_set() and self.context.ok():
            self._wake.wait(WAKE_SECONDS)
            self._wake.clear()
            chunk = self._runner.step()
            if chunk is None or self._ending.is_set() or not self.context.ok():
                continue
            self._chunk_publisher.publish(chunk_message(chunk))
            if self._marker_publisher.get_subscription_count():
                self._marker_publisher.publish(chunk_markers(chunk, time_message(chunk.inference_end_ns)))

    # ---- what comes in ----

    def _on_instruction(self, message: String) -> None:
        if message.data.strip() == self._said and self._is_busy():
            return
        self._said = message.data.strip()
        self._begin()

    def _on_executed(self, message: ExecutedSteps) -> None:
        if self._runner is None:
            return
        self._executed_total = message.total_executed_steps
        self._runner.report_executed(
            bytes(message.session.uuid),
            message.sequence,
            message.executed_steps,
            message.total_executed_steps,
            message.first_step,
        )

    def _on_retargeting(self, message: RetargetingStatus) -> None:
        if self._runner is None:
            return
        if self._retargeting_silence is None:
            self._retargeting_silence = Silence(2 * WATCH_SECONDS)
        self._retargeting_silence.heard()
        if self._listener.get_params().require_retargeting:
            self._runner.wait_for(_not_ready(message))
        stopped = message.state == RetargetingStatus.STOPPED
        self._runner.block(stop_from_message(message.reason) if stopped else None)
        if self._runner.adopt_generation(message.generation):
            self.get_logger().info(f"generation {message.generation} taken over from the retargeting node")

    def _on_task(self, message: TaskProgress) -> None:
        before, self._task = self._task, message
        if before is not None and before.episode == message.episode:
            return
        if message.seed >= 0:
            self._seed = message.seed
        if before is not None:
            self._synchroniser.forget_before(time_ns(message.header.stamp))
            self.get_logger().info(f"episode {message.episode} with seed {message.seed}: beginning anew")
        self._begin()

    # ---- what is done ----

    def _words(self) -> str:
        """What to do: the running goal's words, else those on the topic, the parameter's, the task's."""
        task = "" if self._task is None else self._task.instruction
        return self._goal_words or self._said or self._listener.get_params().instruction.strip() or task

    def _begin(self) -> None:
        """A new generation with the present words; runs where it is meant to."""
        if self._runner is None:
            return
        self._runner.reset(self._words(), self._seed)
        if self._is_active and (self._listener.get_params().run_on_start or self._server.active):
            self._runner.start()

    def _begin_goal(self, instruction: str) -> None:
        assert self._runner is not None
        self._goal_words = instruction.strip()
        self._runner.reset(self._goal_words, self._seed)
        self._runner.start()

    def _is_busy(self) -> bool:
        return self._runner is not None and self._runner.status().state in (PolicyState.RUNNING, PolicyState.WAITING)

    def _task_limits(self) -> TaskLimits:
        task = self._listener.get_params().task
        return TaskLimits(task.timeout, task.patience)

    def _judgement(self) -> Judgement | None:
        task = self._task
        if task is None or abs(self._now_ns() - time_ns(task.header.stamp)) > JUDGE_SECONDS * 1e9:
            return None
        open_ones = [name for name, done in zip(task.subtasks, task.subtasks_done, strict=False) if not done]
        return Judgement(task.success, task.completion, open_ones[0] if open_ones else "", task.failure)

    def _watch(self) -> None:
        """Publish the status at every change and once a second; judge the running goal."""
        if self._runner is None:
            return
        self._listen_for_retargeting()
        self._server.tick()
        if not self._server.active:
            self._goal_words = ""
        status = self._runner.status()
        key = (
            status.state,
            status.reason.reason,
            status.reason.subject,
            status.generation,
            status.instruction,
        )
        now = self._steady.now().nanoseconds / 1e9
        if key == self._published and now - self._published_at < STATUS_SECONDS:
            return
        if key[:3] != self._published[:3] and status.reason.reason is not Reason.NONE:
            self.get_logger().info(f"{status.state.name.lower()}: {status.reason}")
        if key[:3] != self._published[:3]:
            self._diagnostics.update()
        self._published, self._published_at = key, now
        self._publish_status(status)

    def _publish_status(self, status: RunnerStatus) -> None:
        assert self._runner is not None
        stamp = self.get_clock().now().to_msg()
        self._status_publisher.publish(status_message(status, self._runner, self._profile.name, stamp))

    def _listen_for_retargeting(self) -> None:
        """A retargeting node that has been there and says nothing more executes nothing more."""
        silence, parameters = self._retargeting_silence, self._listener.get_params()
        if self._runner is None or silence is None or not parameters.require_retargeting:
            return
        seconds, limit = silence.look(self._now_ns(), self._steady.now().nanoseconds), parameters.retargeting_timeout
        if seconds > limit:
            self._runner.wait_for(Stop(Reason.STREAM_STALE, "mivla/retargeting_status", seconds, limit, "s"))

    def _publish_without_runner(self, state: int, reason: Stop) -> None:
        name = self._listener.get_params().policy
        message = PolicyStatus(state=state, reason=stop_reason_message(reason), policy=name)
        message.header.stamp = self.get_clock().now().to_msg()
        self._status_publisher.publish(message)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def _not_ready(message: RetargetingStatus) -> Stop | None:
    """Why the retargeting node would refuse the first chunk now: it starts, or has not heard the joints yet."""
    if message.state in NOT_READY_STATES:
        return NOT_READY
    reason = stop_from_message(message.reason)
    new = message.state == RetargetingStatus.HOLDING and not message.accepted_chunks + message.refused_chunks
    return reason if new and reason.reason in (Reason.JOINTS_MISSING, Reason.JOINTS_STALE) else None


def main() -> None:
    """Entry point of the executable."""
    run_node("policy", PolicyNode)


if __name__ == "__main__":
    main()
