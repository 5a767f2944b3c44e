"""Steps at which links would touch each other or the surroundings: the arm holds at the step before."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mivla_ros.kinematics.collision import CollisionModel, Obstacle
from mivla_ros.retargeting.report import Clip
from mivla_ros.retargeting.tracking import TrackedSteps
from mivla_ros.robots.description import robot_semantics
from mivla_ros.robots.profile import RobotProfile
from mivla_ros.stop_reasons import Reason

Array = NDArray[np.float64]

MARGIN = 0.001
"""m that links keep from each other and from the surroundings: what rounding the path between steps may take."""


class Collisions:
    """Checks the steps of all arms of one robot together."""

    def __init__(self, profile: RobotProfile, urdf: str, margin: float = MARGIN) -> None:
        """Raises DescriptionError and KinematicsError where the description or its SRDF cannot be used."""
        self._columns: dict[str, slice] = {}
        names: list[str] = []
        for arm in profile.arms:
            self._columns[arm.name] = slice(len(names), len(names) + len(arm.joints))
            names.extend(arm.joints)
        obstacles = [Obstacle(s.name, s.lower, s.upper, s.allowed) for s in profile.surroundings]
        grippers = {arm.gripper.joint: arm.gripper.open for arm in profile.arms if arm.gripper}  # the widest they get
        self._model = CollisionModel(urdf, robot_semantics(profile), names, obstacles, grippers)
        self._margin = margin

    def hold_before(
        self, tracked: Mapping[str, TrackedSteps], seeds: Mapping[str, Array], first_step: int
    ) -> dict[str, TrackedSteps]:
        """Steps of the arms in motion, at rest at the last step in front of the first one at which links would touch.

        seeds: joint values (n,) of every arm where the steps begin; arms that are not ``tracked`` stay there. Half way
        between two steps is looked at too. What touches at the beginning does not count: it could not be left.
        """
        count = len(next(iter(tracked.values())).joints)
        rows = np.empty((2 * count, sum(len(seed) for seed in seeds.values())))
        for name, seed in seeds.items():
            way = tracked[name].joints if name in tracked else np.repeat(seed[None], count, axis=0)
            rows[1::2, self._columns[name]] = way
            rows[0, self._columns[name]] = 0.5 * (seed + way[0])
            rows[2::2, self._columns[name]] = 0.5 * (way[1:] + way[:-1])
        contact = self._model.first_contact(rows, margin=self._margin)
        if contact is None:
            return dict(tracked)
        begin = np.empty(rows.shape[1])
        for name, seed in seeds.items():
            begin[self._columns[name]] = seed
        touching = self._model.touching(begin, self._margin)
        if touching:
            contact = self._model.first_contact(rows, touching, self._margin)
        if contact is None:
            return dict(tracked)
        held, step = {}, contact.row // 2
        for name, steps in tracked.items():
            joints = steps.joints.copy()
            joints[step:] = joints[step - 1] if step else seeds[name]
            pair = f"{contact.first} and {contact.second}"
            clips = tuple(
                Clip(first_step + k, pair, Reason.COLLISION, contact.distance, self._margin, "m")
                for k in range(step, count)
            )
            held[name] = replace(steps, joints=joints, clips=(*steps.clips, *clips))
        return held
