"""Test helper: poses to joints and a whole pick and place, by plain damped least squares on the
simulation's own model."""

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.simulation.simulation import Simulation
from mivla_ros.simulation.trajectory import joint_trajectory

PITCH = 0.4  # rad, how far the gripper points down
GRASP_HEIGHT = 0.08  # m above the bottle's base
PERIODS_A_SECOND = 200
LIFT = np.array([0.0, 0.0, 0.12])


def solve(simulation: Simulation, position: NDArray[np.float64], start: NDArray[np.float64]) -> NDArray[np.float64]:
    """Joints (6,) rad that put the tcp there, pointing away from the base and down by PITCH, fingers
    level."""
    model, arm = simulation.model, simulation.profile.arms[0]
    data = mujoco.MjData(model)
    joints = [model.joint(name) for name in arm.joints]
    qpos, dof = [j.qposadr[0] for j in joints], [j.dofadr[0] for j in joints]
    lower, upper = np.array([j.range for j in joints]).T
    body = model.body(arm.eef_frame).id
    yaw = np.arctan2(position[1], position[0])
    forward = np.array([np.cos(PITCH) * np.cos(yaw), np.cos(PITCH) * np.sin(yaw), -np.sin(PITCH)])
    sideways = np.array([-np.sin(yaw), np.cos(yaw), 0.0])
    wanted = Rotation.from_matrix(np.column_stack([np.cross(sideways, forward), sideways, forward]))
    q = np.array(start, dtype=float)
    jacobian = np.zeros((6, model.nv))
    for _ in range(300):
        data.qpos[qpos] = q
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        here = Rotation.from_quat(data.xquat[body], scalar_first=True)
        error = np.concatenate([position - data.xpos[body], (wanted * here.inv()).as_rotvec()])
        if np.linalg.norm(error) < 1e-5:
            return q
        mujoco.mj_jacBody(model, data, jacobian[:3], jacobian[3:], body)
        part = jacobian[:, dof]
        step = part.T @ np.linalg.solve(part @ part.T + 1e-5 * np.eye(6), error)
        q = np.clip(q + step * min(1.0, 0.3 / np.abs(step).max()), lower, upper)
    raise AssertionError(f"no joints reach {position}, {np.linalg.norm(error):.3g} is left")


def move(simulation: Simulation, joints: NDArray[np.float64], seconds: float) -> None:
    """Go there smoothly and wait a moment."""
    arm = simulation.profile.arms[0]
    here = simulation.joint_states().positions[: len(arm.joints)]
    rows = np.stack([here, joints])
    simulation.command(arm.controller, joint_trajectory(arm.joints, [0.001, seconds], rows, np.zeros_like(rows)))
    simulation.step(round(seconds * PERIODS_A_SECOND) + 20)


def grip(simulation: Simulation, opening: float) -> None:
    """Bring the gripper to an opening in m."""
    simulation.command("gripper_controller", joint_trajectory(["gripper"], [0.4], [[opening]]))
    simulation.step(140)


class PickAndPlace:
    """The task's motion in parts, so that a test can look in between."""

    def __init__(self, simulation: Simulation) -> None:
        poses = simulation.object_poses()
        self._simulation = simulation
        self.ready = np.array(simulation.profile.arms[0].ready)
        grasp = poses["bottle"][:3] + np.array([0, 0, GRASP_HEIGHT])
        put = poses["pad"][:3] + np.array([0, 0, GRASP_HEIGHT])
        turned = np.concatenate([[np.arctan2(grasp[1], grasp[0])], self.ready[1:]])
        self.before = solve(simulation, self._back(grasp), turned)
        self.grasp = solve(simulation, grasp, self.before)
        self.lifted = solve(simulation, grasp + LIFT, self.grasp)
        turned = np.concatenate([[np.arctan2(put[1], put[0])], self.lifted[1:]])
        self.above = solve(simulation, put + LIFT, turned)
        self.put = solve(simulation, put, self.above)
        self.after = solve(simulation, self._back(put), self.put)

    @staticmethod
    def _back(point: NDArray[np.float64]) -> NDArray[np.float64]:
        away = point[:2] / np.linalg.norm(point[:2]) * np.cos(PITCH)
        return point - 0.11 * np.array([*away, -np.sin(PITCH)])

    def pick(self) -> None:
        """Take the bottle and lift it."""
        move(self._simulation, self.before, 1.5)
        move(self._simulation, self.grasp, 1.0)
        grip(self._simulation, 0.0)
        move(self._simulation, self.lifted, 1.0)

    def place(self) -> None:
        """Stand it on the pad and let go, hand still around it."""
        move(self._simulation, self.above, 1.5)
        move(self._simulation, self.put, 1.0)
        grip(self._simulation, 0.1)

    def retreat(self) -> None:
        """Draw the hand back."""
        move(self._simulation, self.after, 1.0)
        self._simulation.step(100)

    def go_home(self) -> None:
        """Back to ready."""
        move(self._simulation, self.ready, 1.5)
        self._simulation.step(100)
