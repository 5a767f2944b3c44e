"""The simulated robot as a ROS node: the same topics as a real arm with ros2_control, cameras, and the task's
progress.

Physics runs in one thread, paced by the wall clock; drawing in another; the executor only takes commands.
"""

import threading
import time
from functools import partial

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from diagnostic_updater import DiagnosticStatusWrapper, Updater
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from mivla_msgs.msg import ObjectPoses, TaskProgress
from mivla_msgs.srv import ResetSimulation
from mivla_ros.nodes import qos
from mivla_ros.nodes.conversions import time_message
from mivla_ros.nodes.process import run_node
from mivla_ros.nodes.simulation_cameras import Cameras
from mivla_ros.nodes.simulation_messages import (
    joint_state_message,
    object_poses_message,
    task_progress_message,
    trajectory_from_message,
)
from mivla_ros.nodes.simulation_node_parameters import simulation_node_parameters
from mivla_ros.robots.description import DescriptionError
from mivla_ros.robots.profile import load_profile
from mivla_ros.simulation.errors import (
    DivergedError,
    RenderingError,
    SimulationError,
    TrajectoryRejectedError,
)
from mivla_ros.simulation.pacing import Pacer, Schedule
from mivla_ros.simulation.simulation import Simulation
from mivla_ros.simulation.tasks import make_task
from mivla_ros.simulation.viewer import Window
from mivla_ros.stop_reasons import Reason

VIEWER_RATE = 30.0  # Hz of wall time
SLOW = 0.95  # share of the asked real-time factor below which diagnostics warn


class SimulationNode(Node):
    """The simulation, its topics, its service and its threads. ``status`` is 1 when the physics thread
    broke down."""

    def __init__(self) -> None:
        # it is the source of simulated time, so its own timers go by the wall clock
        super().__init__("simulation", parameter_overrides=[Parameter("use_sim_time", value=False)])
        self._settings = simulation_node_parameters.ParamListener(self).get_params()
        parameters = self._settings
        self._simulation = Simulation(
            load_profile(parameters.robot),
            make_task(parameters.task) if parameters.task else None,
            seed=parameters.seed,
            description=parameters.robot_description,
            allow_moving_end=parameters.allow_nonzero_velocity_at_trajectory_end,
        )
        self._profile = self._simulation.profile
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self.status: int | None = None
        self._diverged = ""
        self._accepted = self._refused = 0
        self._refusal = ""
        self._stepping_seconds = 0.0
        self._periods = 0
        self._pacer = Pacer(parameters.real_time_factor)
        self._make_topics()
        self._cameras = Cameras(self, self._simulation, parameters.jpeg_quality)
        self._window = self._open_window() if parameters.viewer else None
        self._make_diagnostics()
        self._physics = threading.Thread(target=self._run, name="physics")

    def start(self) -> None:
        """Let time run."""
        self._cameras.start()
        self._physics.start()
        simulation = self._simulation
        self.get_logger().info(
            f"simulating {self._profile.name!r} with task {simulation.task.name!r}, seed {simulation.seed}"
        )

    def close(self) -> None:
        """End both threads and say how fast time went."""
        self._stopping.set()
        if self._physics.is_alive():
            self._physics.join()
        self._cameras.stop()
        if self._window is not None:
            self._window.close()
        simulated, wall, factor = self._pacer.totals
        drawn, dropped = self._cameras.drawn.total(), self._cameras.dropped.total()
        self.get_logger().info(
            f"simulated {simulated:.1f} s in {wall:.1f} s: real-time factor {factor:.3f}, "
            f"{1e3 * self._stepping_seconds / max(self._periods, 1):.2f} ms of physics each control period; "
            f"{drawn} pictures drawn in {1e3 * self._cameras.drawing_seconds / max(drawn, 1):.1f} ms each, "
            f"{dropped} dropped"
        )

    def _make_topics(self) -> None:
        parameters, start_ns = self._settings, self._simulation.time_ns
        self._clock_publisher = self.create_publisher(Clock, parameters.clock_topic, qos.STREAM)
        self._joint_publisher = self.create_publisher(JointState, "joint_states", qos.STREAM)
        self._task_publisher = self.create_publisher(TaskProgress, "simulation/task", qos.STREAM)
        self._objects_publisher = self.create_publisher(ObjectPoses, "simulation/objects", qos.STREAM)
        self._clock_schedule = Schedule(parameters.clock_rate, start_ns)
        self._joint_schedule = Schedule(self._profile.joint_state_rate, start_ns)
        self._task_schedule = Schedule(parameters.task_rate, start_ns)
        self._objects_schedule = Schedule(parameters.objects_rate, start_ns)
        for controller in self._simulation.controllers:
            self.create_subscription(
                JointTrajectory,
                f"{controller}/joint_trajectory",
                partial(self._on_trajectory, controller),
                qos.COMMAND,
            )
        self.create_service(ResetSimulation, "simulation/reset", self._on_reset)

    def _open_window(self) -> Window | None:
        try:
            window = Window(self._simulation.model)
        except RenderingError as error:
            self.get_logger().warning(f"{error}; going on without")
            return None
        self.create_timer(1.0 / VIEWER_RATE, self._show)
        return window

    def _show(self) -> None:
        if self._window is not None and self._window.is_open:
            with self._lock:
                snapshot = self._simulation.snapshot()
            self._window.show(snapshot)

    def _run(self) -> None:
        """The physics thread."""
        try:
            while not self._stopping.is_set() and self.context.ok():
                self._pacer.wait(self._simulation.time_ns)
                with self._lock:
                    if not self._diverged:
                        self._step()
                if self._diverged:
                    self._stopping.wait(0.1)
        except Exception as error:  # publishing fails once the context is down, and only then is that all right
            if self.context.ok():
                self.status = 1
                self.get_logger().fatal(f"the physics thread broke down: {error!r}")

    def _step(self) -> None:
        began = time.monotonic()
        try:
            self._simulation.step()
        except DivergedError as error:
            self._diverged = f"{error}; call simulation/reset"
            self.get_logger().error(self._diverged)
            return
        self._stepping_seconds += time.monotonic() - began
        self._periods += 1
        self._publish()

    def _publish(self) -> None:
        """Everything that is due at this time of simulation; the clock first."""
        simulation, now_ns = self._simulation, self._simulation.time_ns
        if self._clock_schedule.due(now_ns):
            self._clock_publisher.publish(Clock(clock=time_message(now_ns)))
        if self._joint_schedule.due(now_ns) and self._joint_publisher.get_subscription_count():
            self._joint_publisher.publish(joint_state_message(simulation.joint_states()))
        self._cameras.offer(simulation)
        if self._objects_schedule.due(now_ns) and self._objects_publisher.get_subscription_count():
            poses = simulation.object_poses()
            self._objects_publisher.publish(object_poses_message(poses, now_ns, self._profile.world_frame))
        if self._task_schedule.due(now_ns):
            self._publish_task()

    def _publish_task(self) -> None:
        simulation = self._simulation
        self._task_publisher.publish(
            task_progress_message(
                simulation.progress(),
                simulation.time_ns,
                simulation.instruction,
                simulation.seed,
                simulation.episode,
            )
        )

    def _on_trajectory(self, controller: str, message: JointTrajectory) -> None:
        trajectory = trajectory_from_message(message)
        try:
            with self._lock:
                self._simulation.command(controller, trajectory)
            self._accepted += 1
        except TrajectoryRejectedError as error:
            self._refused += 1
            self._refusal = str(error)
            self.get_logger().warning(str(error), throttle_duration_sec=1.0)

    def _on_reset(
        self, request: ResetSimulation.Request, response: ResetSimulation.Response
    ) -> ResetSimulation.Response:
        simulation = self._simulation
        if request.seed < -1:
            response.message = f"seed is {request.seed}, must be -1 (the next one) or more"
        else:
            with self._lock:
                simulation.reset(None if request.seed == -1 else request.seed)
                self._diverged = ""
                self._publish_task()
            response.success = True
            response.message = f"episode {simulation.episode} with seed {simulation.seed}"
            self.get_logger().info(response.message)
        response.seed, response.episode = simulation.seed, simulation.episode
        return response

    def _make_diagnostics(self) -> None:
        updater = Updater(self, period=1.0)
        updater.setHardwareID(f"simulated {self._profile.name}")
        updater.publisher = _SimulatedStamps(updater.publisher, self._simulation)
        updater.add("physics", self._diagnose_physics)
        updater.add("cameras", self._diagnose_cameras)
        updater.add("controllers", self._diagnose_controllers)
        self._updater = updater
        self._seen_dropped = self._seen_refused = 0

    def _diagnose_physics(self, status: DiagnosticStatusWrapper) -> DiagnosticStatusWrapper:
        wanted, factor = self._settings.real_time_factor, self._pacer.recent_factor
        if self._diverged:
            status.summary(DiagnosticStatus.ERROR, f"{Reason.SIMULATION_FAILED.name}: {self._diverged}")
        elif wanted and 0 < factor < SLOW * wanted:
            status.summary(DiagnosticStatus.WARN, f"real-time factor {factor:.2f} of {wanted:g}: too slow a machine")
        else:
            status.summary(DiagnosticStatus.OK, f"real-time factor {factor:.2f}")
        status.add("real-time factor, last 5 s", f"{factor:.3f}")
        status.add("real-time factor, whole run", f"{self._pacer.totals[2]:.3f}")
        status.add("physics, ms a control period", f"{1e3 * self._stepping_seconds / max(self._periods, 1):.3f}")
        status.add("seed", str(self._simulation.seed))
        status.add("episode", str(self._simulation.episode))
        return status

    def _diagnose_cameras(self, status: DiagnosticStatusWrapper) -> DiagnosticStatusWrapper:
        cameras = self._cameras
        drawn, dropped = cameras.drawn.total(), cameras.dropped.total()
        new, self._seen_dropped = dropped - self._seen_dropped, dropped
        if cameras.failure is not None:
            status.summary(DiagnosticStatus.ERROR, f"{Reason.SIMULATION_FAILED.name}: {cameras.failure}")
        elif new:
            status.summary(DiagnosticStatus.WARN, f"{new} pictures dropped: drawing is too slow")
        else:
            status.summary(DiagnosticStatus.OK, f"{drawn} pictures drawn")
        status.add("ms a picture", f"{1e3 * cameras.drawing_seconds / max(drawn, 1):.1f}")
        for name, count in cameras.drawn.items():
            status.add(f"{name}: drawn", str(count))
            status.add(f"{name}: dropped", str(cameras.dropped[name]))
        return status

    def _diagnose_controllers(self, status: DiagnosticStatusWrapper) -> DiagnosticStatusWrapper:
        new, self._seen_refused = self._refused - self._seen_refused, self._refused
        if new:
            status.summary(DiagnosticStatus.WARN, f"{new} trajectories refused: {self._refusal}")
        else:
            status.summary(DiagnosticStatus.OK, f"{self._accepted} trajectories taken")
        status.add("taken", str(self._accepted))
        status.add("refused", str(self._refused))
        status.add("last refusal", self._refusal)
        return status


class _SimulatedStamps:
    """Stamps diagnostics with simulated time, as every other node's are, though this node's clock is the
    wall clock."""

    def __init__(self, publisher: Publisher, simulation: Simulation) -> None:
        self._publisher, self._simulation = publisher, simulation

    def publish(self, message: DiagnosticArray) -> None:
        """Restamp and publish."""
        message.header.stamp = time_message(self._simulation.time_ns)
        self._publisher.publish(message)


def main() -> None:
    """Entry point of the executable."""
    run_node("simulation", SimulationNode, SimulationError, DescriptionError, ValueError)


if __name__ == "__main__":
    main()
