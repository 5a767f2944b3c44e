"""The robot that imitates: its profile, where it begins, its retargeting and its simulation, as on the live graph."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.imitation.errors import ImitationError
from mivla_ros.kinematics import Chain, chain_from_urdf, forward_kinematics, solve_pose
from mivla_ros.kinematics.collision import CollisionModel, Obstacle
from mivla_ros.policies.frames import fixed_transform
from mivla_ros.retargeting import Retargeter
from mivla_ros.robots.description import robot_description, robot_semantics
from mivla_ros.robots.profile import RobotProfile, load_profile
from mivla_ros.simulation.simulation import Simulation
from mivla_ros.simulation.tasks.empty_table import EmptyTable

Array = NDArray[np.float64]

REACHED = (1e-3, 1e-2)  # m and rad of the initial pose


class Robot:
    """Models of one robot; ``initial_poses`` move where its arms begin."""

    def __init__(self, name: str, initial_poses: Mapping[str, Array] | None = None) -> None:
        """initial_poses: by arm name, "" is the first arm: (3,) m with the ready pose's rotation, or (7,) with a
        quaternion wxyz, in the arm's base.

        Raises ImitationError where it cannot be reached or touches something, ProfileError and DescriptionError.
        """
        profile = load_profile(name)
        self.urdf = robot_description(profile)
        self.chains: dict[str, Chain] = {
            a.name: chain_from_urdf(self.urdf, a.base_frame, a.eef_frame) for a in profile.arms
        }
        self.collision_model = _collision_model(profile, self.urdf)
        for arm, pose in (initial_poses or {}).items():
            profile = self._beginning_at(profile, pose, arm or profile.arms[0].name)
        self.profile: RobotProfile = profile
        self.retargeter = Retargeter(profile, self.urdf)
        self.retargeter.warm_up()
        self.simulation = Simulation(profile, EmptyTable())
        world = {a.name: fixed_transform(self.urdf, a.base_frame, profile.world_frame) for a in profile.arms}
        self.base_from_world = world
        self.base_from_world_rotation = {
            name: Rotation.from_quat(pose[3:], scalar_first=True).as_matrix() for name, pose in world.items()
        }

    def end_effector(self, arm: str, joints: Array) -> Array:
        """Poses (..., 7) of an arm's end effector in its base for joints (..., n)."""
        return forward_kinematics(self.chains[arm], joints)

    def _beginning_at(self, profile: RobotProfile, pose: Array, name: str) -> RobotProfile:
        if name not in self.chains:
            raise ImitationError(profile.name, f"has no arm {name!r}, only {', '.join(self.chains)}", "option arm")
        arm, chain = profile.arm(name), self.chains[name]
        ready = np.array(arm.ready)
        wanted = forward_kinematics(chain, ready)
        wanted[: len(pose)] = pose
        wanted[3:] /= np.linalg.norm(wanted[3:])
        found = solve_pose(chain, wanted, ready, tolerance=REACHED)
        if not found.reached:
            words = f"is out of reach by {found.position_error:.3g} m and {found.rotation_error:.3g} rad"
            raise ImitationError(profile.name, words, f"initial pose of arm {name!r}")
        moved = replace(arm, ready=tuple(float(v) for v in found.q))
        profile = replace(profile, arms=tuple(moved if a.name == name else a for a in profile.arms))
        touching = self.collision_model.touching(np.concatenate([np.array(a.ready) for a in profile.arms]))
        if touching:
            pairs = ", ".join(" and ".join(pair) for pair in sorted(touching))
            raise ImitationError(profile.name, f"lets {pairs} touch", f"initial pose of arm {name!r}")
        return profile


def _collision_model(profile: RobotProfile, urdf: str) -> CollisionModel:
    names = [name for arm in profile.arms for name in arm.joints]
    obstacles = [Obstacle(s.name, s.lower, s.upper, s.allowed) for s in profile.surroundings]
    grippers = {arm.gripper.joint: arm.gripper.open for arm in profile.arms if arm.gripper}
    return CollisionModel(urdf, robot_semantics(profile), names, obstacles, grippers)
