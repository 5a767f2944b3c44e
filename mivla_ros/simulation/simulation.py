"""The simulated robot in its scene: stepped faster or slower than real time, without ROS."""

import mujoco
import numpy as np
from numpy.typing import NDArray

from mivla_ros.robots.description import robot_description, robot_semantics
from mivla_ros.robots.profile import RobotProfile
from mivla_ros.simulation.body import CompliantBody
from mivla_ros.simulation.drives import Drives
from mivla_ros.simulation.errors import DivergedError, RenderingError, SceneError
from mivla_ros.simulation.rendering import SceneRenderer, camera_intrinsics
from mivla_ros.simulation.robot import finger_positions, parse_xml, read_limits, robot_spec, tune_drives
from mivla_ros.simulation.scene import TIMESTEP_NS, add_surroundings, furniture_for
from mivla_ros.simulation.state import CameraIntrinsics, JointStates, SceneState, Snapshot, TaskProgress
from mivla_ros.simulation.tasks import RaisableTask, Task, make_task
from mivla_ros.simulation.touch import TouchMap
from mivla_ros.simulation.trajectory import JointTrajectory
from mivla_ros.simulation.variation import Stage, Variation, add_clutter

STEPS_PER_PERIOD = 2
CONTROL_PERIOD_NS = STEPS_PER_PERIOD * TIMESTEP_NS
JUDGE_PERIODS = 4  # the task is judged every 20 ms
FIRST_NS = 1_000_000_000
GREATEST_SPEED = 1e3  # rad/s or m/s; beyond, physics has diverged


class Simulation:
    """``Simulation(load_profile("piper"), seed=3)``: robot, table and the profile's task (or ``task``).

    One control period is 5 ms (``CONTROL_PERIOD_NS``). Time is an int in nanoseconds, begins at 1 s and
    never goes back, not even at a reset. The same seed and the same commands give the same states. Not
    thread safe: one thread calls it; others draw from what ``snapshot()`` gave them.
    """

    def __init__(
        self,
        profile: RobotProfile,
        task: Task | None = None,
        *,
        seed: int = 0,
        description: str = "",
        allow_moving_end: bool = False,
    ) -> None:
        """Empty ``description``: the profile's own URDF. allow_moving_end: see TrajectoryFollower.

        Raises SceneError or DescriptionError if URDF, SRDF, profile and task do not fit together.
        """
        self.profile = profile
        self.task = make_task(profile.task) if task is None else task
        self.time_ns = FIRST_NS
        self.episode = 0
        self.seed = seed
        self._root = parse_xml("URDF", description or robot_description(profile))
        spec = robot_spec(profile, self._root, parse_xml("SRDF", robot_semantics(profile)))
        robot_bodies = [body.name for body in spec.bodies[1:]]
        add_surroundings(spec, furniture_for(profile))
        add_clutter(spec)
        self.usual_task = self.task
        self.variation = Variation()
        self.task.build(spec)
        try:
            self.model = spec.compile()
        except ValueError as error:
            raise SceneError("scene", f"MuJoCo cannot compile it: {error}") from error
        self._data = mujoco.MjData(self.model)
        self._touch = TouchMap(self.model, robot_bodies, self.task.objects)
        self._free = {n: self.model.joint(n) for n in self.task.objects if self.model.body(n).dofnum[0] == 6}
        self._mocap = {n: int(self.model.body(n).mocapid[0]) for n in self.task.objects if n not in self._free}
        self._eef = {arm.name: self.model.body(arm.eef_frame).id for arm in profile.arms}
        self._drives = Drives(self.model, profile, read_limits(self._root), allow_moving_end=allow_moving_end)
        arm_joints = [name for arm in profile.arms for name in arm.joints]
        self._body = None if profile.body is None else CompliantBody(self.model, profile.body, arm_joints)
        self._renderers: dict[tuple[int, int], SceneRenderer] = {}
        self._stage = Stage(self.model)
        self._place()
        tune_drives(self.model, self._data)
        self._begin()

    @property
    def controllers(self) -> tuple[str, ...]:
        """Names of the trajectory controllers."""
        body = () if self._body is None or self._body.follower is None else (self._body.profile.controller,)
        return (*self._drives.followers, *body)

    @property
    def instruction(self) -> str:
        """The usual words for the task."""
        return self.task.instructions[0]

    def reset(self, seed: int | None = None, variation: Variation | None = None) -> None:
        """New episode: arms at ``ready``, grippers open, objects placed by the seed (None: the one after
        the current), in a scene that differs by ``variation`` from the usual one.

        Raises SceneError for a table height with a task that cannot be raised; nothing changes then."""
        wanted = variation or Variation()
        self.task = self._raised(wanted.table_height)
        self.variation = wanted
        self.seed = self.seed + 1 if seed is None else seed
        self.episode += 1
        self._begin()

    def _raised(self, height: float) -> Task:
        if height == 0:
            return self.usual_task
        if not isinstance(self.usual_task, RaisableTask):
            raise SceneError(f"task {self.usual_task.name!r}", f"cannot stand on a table {height:+.3f} m higher")
        return self.usual_task.raised(height)

    def _begin(self) -> None:
        self._place()
        self._drives.hold(self._data)
        mujoco.mj_forward(self.model, self._data)
        self._periods = 0
        self._tracker = self.task.tracker({arm.name: np.array(arm.ready) for arm in self.profile.arms})
        self._progress = self._tracker.update(self.scene_state())

    def _place(self) -> None:
        """Everything where the episode begins, at rest; nothing of an earlier episode stays."""
        data = self._data
        mujoco.mj_resetData(self.model, data)
        self._stage.show(self.variation, data)
        for arm in self.profile.arms:
            for name, value in zip(arm.joints, arm.ready, strict=True):
                data.joint(name).qpos[0] = value
        for name, value in finger_positions(self.profile, self._root, {a.name: 1.0 for a in self.profile.arms}).items():
            data.joint(name).qpos[0] = value
        if self._body is not None:
            self._body.place(data)
            self._body.balance(data)
        for name, pose in self.task.place(self.seed).items():
            if name in self._free:
                data.joint(name).qpos[:] = pose
            else:
                data.mocap_pos[self._mocap[name]] = pose[:3]
                data.mocap_quat[self._mocap[name]] = pose[3:]

    def step(self, periods: int = 1) -> None:
        """Advance by that many control periods. Raises DivergedError if physics breaks down; reset then."""
        data = self._data
        for _ in range(periods):
            self._drives.update(data, self.time_ns + CONTROL_PERIOD_NS, CONTROL_PERIOD_NS)
            if self._body is not None:
                self._body.update(data, self.time_ns + CONTROL_PERIOD_NS, CONTROL_PERIOD_NS)
            mujoco.mj_step(self.model, data, STEPS_PER_PERIOD)
            self.time_ns += CONTROL_PERIOD_NS
            self._periods += 1
            fastest = np.abs(data.qvel).max()
            if not fastest < GREATEST_SPEED:
                raise DivergedError("physics", f"a joint or body moves at {fastest:g}", float(fastest), GREATEST_SPEED)
            if self._periods % JUDGE_PERIODS == 0:
                self._progress = self._tracker.update(self.scene_state())

    def command(self, controller: str, trajectory: JointTrajectory) -> None:
        """Give a trajectory to a controller. Raises TrajectoryRejectedError with the reason, SceneError if
        there is no such controller; in both cases nothing changes."""
        body = self._body
        if body is not None and body.follower is not None and controller == body.profile.controller:
            body.command(trajectory, self.time_ns, self._data)
            return
        self._drives.command(controller, trajectory, self.time_ns, self._data)

    def joint_states(self) -> JointStates:
        """Measured joints and grippers; after them the body's joints and those it stands on, where it has a body."""
        parts = [self._drives.measure(self._data)]
        if self._body is not None:
            parts.append(self._body.measure(self._data))
        positions, velocities, efforts = (np.concatenate(rows) for rows in zip(*parts, strict=True))
        return JointStates(self.time_ns, self.profile.state_names, positions, velocities, efforts)

    def object_poses(self) -> dict[str, NDArray[np.float64]]:
        """Name to pose (7,) xyz m + wxyz in the world frame, of every object of the task, and of the robot's body."""
        data = self._data
        poses = {}
        for name in self.task.objects:
            if name in self._free:
                poses[name] = np.array(data.joint(name).qpos)
            else:
                index = self._mocap[name]
                poses[name] = np.concatenate([data.mocap_pos[index], data.mocap_quat[index]])
        if self.profile.body is not None:
            poses[self.profile.body.frame] = self.frame_pose(self.profile.body.frame)
        return poses

    def frame_pose(self, frame: str) -> NDArray[np.float64]:
        """Pose (7,) xyz m + wxyz of a link of the URDF in the world frame. Raises SceneError if there is
        no such link."""
        index = mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_BODY, frame)
        if index < 0:
            raise SceneError(f"frame {frame!r}", "not a link of the URDF")
        mujoco.mj_kinematics(self.model, self._data)
        return np.concatenate([self._data.xpos[index], self._data.xquat[index]])

    def scene_state(self) -> SceneState:
        """All that a task may judge."""
        data = self._data
        mujoco.mj_kinematics(self.model, data)
        positions, velocities, _ = self._drives.measure(data)
        joints, speeds, openings = {}, {}, {}
        first = 0
        for arm in self.profile.arms:
            part = slice(first, first + len(arm.joints))
            joints[arm.name], speeds[arm.name] = positions[part], velocities[part]
            first = part.stop
            if arm.gripper is not None:
                openings[arm.name] = float(arm.gripper.opening(positions[first]))
                first += 1
        return SceneState(
            time_ns=self.time_ns,
            objects=self.object_poses(),
            velocities={name: np.array(data.joint(name).qvel) for name in self._free},
            touching=self._touch.read(data),
            eef={name: np.concatenate([data.xpos[i], data.xquat[i]]) for name, i in self._eef.items()},
            joints=joints,
            joint_velocities=speeds,
            openings=openings,
        )

    def progress(self) -> TaskProgress:
        """How far the task is, judged every 20 ms of simulated time."""
        return self._progress

    def snapshot(self) -> Snapshot:
        """A copy of what a picture needs; another thread may draw from it."""
        data = self._data
        return Snapshot(self.time_ns, data.qpos.copy(), data.mocap_pos.copy(), data.mocap_quat.copy())

    def intrinsics(self, camera: str) -> CameraIntrinsics:
        """Intrinsics of a camera of the profile. Raises KeyError naming those there are."""
        return camera_intrinsics(self.profile.camera(camera))

    def render(self, camera: str, snapshot: Snapshot | None = None) -> NDArray[np.uint8]:
        """RGB (height, width, 3) of a camera of the profile, now or when a snapshot was taken. Raises
        RenderingError."""
        try:
            size = self.profile.camera(camera)
        except KeyError as error:
            raise RenderingError(f"camera {camera!r}", str(error)) from error
        key = (size.width, size.height)
        if key not in self._renderers:
            self._renderers[key] = SceneRenderer(self.model, *key)
        return self._renderers[key].draw(snapshot or self.snapshot(), camera)

    def close(self) -> None:
        """Give graphics contexts back."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()

    def __enter__(self) -> "Simulation":
        """Itself; closed at the end of the with block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()
