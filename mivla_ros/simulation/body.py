"""A body that carries the arms and gives way: legs that stand are a spring and a damper on each of six directions.

What the model is: trunk and arms hang in joints x, y, z, yaw, pitch, roll from the stance. Each of them pulls back
to its set-point with the profile's stiffness and damping, which stand for the legs' own position control together
with the controller that keeps balance. The arms' drives carry the arms' weight, and the reaction of that goes into
the body, as on a real robot; the load of the ready posture is balanced, so the body stands at its stance there and
leans when an arm reaches out, speeds up or lifts something. The feet never slip or lift off: that is not modelled
(docs/robots.md).
"""

import mujoco
import numpy as np
from numpy.typing import NDArray

from mivla_ros.robots.profile import BodyProfile
from mivla_ros.simulation.trajectory import JointTrajectory, TrajectoryFollower

Row = NDArray[np.float64]

HELD_STIFFNESS = (0.005, 1.0)  # time constant in s and damping ratio with which the legs keep their angles


def add_body(spec: mujoco.MjSpec, body: BodyProfile) -> None:
    """Give the body's joints of a spec their springs, and lock those it stands on."""
    for name, stiffness, damping in zip(body.joints, body.stiffness, body.damping, strict=True):
        joint = spec.joint(name)
        joint.stiffness[0], joint.damping[0] = stiffness, damping
    for name, angle in body.held.items():
        spec.add_equality(
            name=f"{name} stands", type=mujoco.mjtEq.mjEQ_JOINT, name1=name, data=[angle, *[0.0] * 11],
            solref=list(HELD_STIFFNESS),
        )  # fmt: skip
        # the springs stand for the ground under these legs; touching it as well would hold the body twice
        for geom in spec.joint(name).parent.find_all(mujoco.mjtObj.mjOBJ_GEOM):
            geom.contype = geom.conaffinity = 0


class CompliantBody:
    """The body's controller and its balance. Call ``balance`` once the episode's posture is set, then ``update`` every
    control period."""

    def __init__(self, model: mujoco.MjModel, profile: BodyProfile, drive_joints: list[str]) -> None:
        self.profile = profile
        self._model = model
        self._qpos = np.array([model.joint(name).qposadr[0] for name in profile.joints])
        self._dof = np.array([model.joint(name).dofadr[0] for name in profile.joints])
        self._held = {model.joint(name).qposadr[0]: angle for name, angle in profile.held.items()}
        self._state_qpos = np.array([*self._qpos, *(model.joint(name).qposadr[0] for name in profile.held)])
        self._state_dof = np.array([*self._dof, *(model.joint(name).dofadr[0] for name in profile.held)])
        self._arms = np.array([model.joint(name).dofadr[0] for name in drive_joints])
        self._load = np.zeros(len(profile.joints))
        self.setpoint = np.zeros(len(profile.joints))
        self.follower: TrajectoryFollower | None = None
        if profile.commanded:
            self.follower = TrajectoryFollower(profile.controller, profile.commanded, np.zeros(len(profile.commanded)))
        self._commanded = [profile.joints.index(name) for name in profile.commanded]

    def place(self, data: mujoco.MjData) -> None:
        """At its stance, standing on its legs."""
        data.qpos[self._qpos] = 0.0
        for address, angle in self._held.items():
            data.qpos[address] = angle
        self._command(np.zeros(len(self.setpoint)))
        if self.follower is not None:
            self.follower.hold(np.zeros(len(self._commanded)))

    def balance(self, data: mujoco.MjData) -> None:
        """Take the present posture's weight as what the legs carry without leaning."""
        mujoco.mj_forward(self._model, data)
        self._load = data.qfrc_bias[self._dof].copy()
        self._carry(data)

    def command(self, trajectory: JointTrajectory, now_ns: int, data: mujoco.MjData) -> None:
        """A trajectory of the commanded joints. Raises TrajectoryRejectedError."""
        assert self.follower is not None
        self.follower.command(trajectory, now_ns, self.setpoint[self._commanded])

    def update(self, data: mujoco.MjData, due_ns: int, period_ns: int) -> None:
        """Set-points and carried weight for the period that ends at ``due_ns``."""
        if self.follower is not None:
            wanted = self.setpoint.copy()
            wanted[self._commanded] = self.follower.sample(due_ns).positions
            reach = np.array(self.profile.velocity) * period_ns / 1e9
            self._command(np.clip(wanted, self.setpoint - reach, self.setpoint + reach))
        self._carry(data)

    def _command(self, setpoint: Row) -> None:
        self.setpoint = setpoint
        self._model.qpos_spring[self._qpos] = setpoint

    def _carry(self, data: mujoco.MjData) -> None:
        """The drives add what holds the arms against their weight; only the joint feels it, and so the body its
        reaction.
        """
        data.qfrc_applied[:] = 0.0
        data.qfrc_applied[self._dof] = self._load
        data.qfrc_applied[self._arms] = data.qfrc_bias[self._arms]

    def measure(self, data: mujoco.MjData) -> tuple[Row, Row, Row]:
        """Positions, velocities and efforts of the body's joints, then of those it stands on."""
        efforts = data.qfrc_passive[self._state_dof] + data.qfrc_applied[self._state_dof]
        return data.qpos[self._state_qpos], data.qvel[self._state_dof], efforts
