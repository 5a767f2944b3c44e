"""The robot's drives and the controllers in front of them: trajectories in, motor set-points out, measured
joints back."""

from collections.abc import Mapping

import mujoco
import numpy as np
from numpy.typing import NDArray

from mivla_ros.robots.profile import RobotProfile
from mivla_ros.simulation.errors import SceneError
from mivla_ros.simulation.robot import Limits
from mivla_ros.simulation.trajectory import JointTrajectory, TrajectoryFollower

Row = NDArray[np.float64]


class Drives:
    """All arm joints and grippers in the profile's order, with one trajectory controller each arm and
    gripper.

    A drive never leaves its joint's position limits and its set-point never moves faster than the joint's
    velocity limit, whatever the trajectory asks for: as a motor driver would have it.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        profile: RobotProfile,
        limits: Mapping[str, Limits],
        *,
        allow_moving_end: bool = False,
    ) -> None:
        names = profile.joint_names
        self._lower = np.array([limits[name].lower for name in names])
        self._upper = np.array([limits[name].upper for name in names])
        self._velocity = np.array([limits[name].velocity for name in names])
        self._drive = np.array([model.actuator(name).id for name in names])
        self._model = model
        self._position_of_qpos = np.zeros((len(names), model.nq))
        self._velocity_of_qvel = np.zeros((len(names), model.nv))
        for row, name in enumerate(names):
            self._wire(row, name)
        self.setpoint = np.zeros(len(names))
        self.followers: dict[str, TrajectoryFollower] = {}
        self._part: dict[str, slice] = {}
        first = 0
        for arm in profile.arms:
            self._add(arm.controller, arm.joints, first, allow_moving_end)
            first += len(arm.joints)
            if arm.gripper is not None:
                self._add(arm.gripper.controller, (arm.gripper.joint,), first, allow_moving_end)
                first += 1

    def _wire(self, row: int, name: str) -> None:
        """How a joint's value follows from MuJoCo's: itself, or the mean of the fingers that mimic it."""
        model = self._model
        tendon = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_TENDON, name)
        if tendon < 0:
            joint = model.joint(name)
            self._position_of_qpos[row, joint.qposadr[0]] = 1.0
            self._velocity_of_qvel[row, joint.dofadr[0]] = 1.0
            return
        for wrap in range(model.tendon_adr[tendon], model.tendon_adr[tendon] + model.tendon_num[tendon]):
            joint_id = model.wrap_objid[wrap]
            self._position_of_qpos[row, model.jnt_qposadr[joint_id]] = model.wrap_prm[wrap]
            self._velocity_of_qvel[row, model.jnt_dofadr[joint_id]] = model.wrap_prm[wrap]

    def _add(self, controller: str, joints: tuple[str, ...], first: int, allow_moving_end: bool) -> None:
        part = slice(first, first + len(joints))
        self._part[controller] = part
        self.followers[controller] = TrajectoryFollower(
            controller, joints, self.setpoint[part], allow_moving_end=allow_moving_end
        )

    def measure(self, data: mujoco.MjData) -> tuple[Row, Row, Row]:
        """Positions, velocities and efforts, each (J,); efforts with the share that carries gravity."""
        gravity = self._velocity_of_qvel @ (data.qfrc_gravcomp + data.qfrc_applied)
        return (
            self._position_of_qpos @ data.qpos,
            self._velocity_of_qvel @ data.qvel,
            data.actuator_force[self._drive] + gravity,
        )

    def hold(self, data: mujoco.MjData) -> None:
        """Forget all trajectories and hold where the joints are."""
        self.setpoint = self._position_of_qpos @ data.qpos
        for name, follower in self.followers.items():
            follower.hold(self.setpoint[self._part[name]])
        data.ctrl[self._drive] = self.setpoint

    def command(self, controller: str, trajectory: JointTrajectory, now_ns: int, data: mujoco.MjData) -> None:
        """Give a trajectory to one controller. Raises SceneError or TrajectoryRejectedError; nothing
        changes then."""
        if controller not in self.followers:
            raise SceneError(f"controller {controller!r}", f"not there, only {', '.join(self.followers)}")
        measured = self._position_of_qpos @ data.qpos
        self.followers[controller].command(trajectory, now_ns, measured[self._part[controller]])

    def update(self, data: mujoco.MjData, due_ns: int, period_ns: int) -> None:
        """Set-points for the period that ends at ``due_ns``, when the joints shall be where the
        trajectories say."""
        wanted = np.empty_like(self.setpoint)
        for name, follower in self.followers.items():
            wanted[self._part[name]] = follower.sample(due_ns).positions
        seconds = period_ns / 1e9
        reach = self._velocity * seconds
        wanted = np.clip(np.clip(wanted, self._lower, self._upper), self.setpoint - reach, self.setpoint + reach)
        speed = (wanted - self.setpoint) / seconds
        self.setpoint = wanted
        # the drive brakes on speed; leading by as much takes the lag away, as velocity feed-forward does
        lead = -self._model.actuator_biasprm[self._drive, 2] / self._model.actuator_gainprm[self._drive, 0]
        data.ctrl[self._drive] = wanted + lead * speed
