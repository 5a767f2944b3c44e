"""Steps at which links would touch each other or the surroundings: the arm holds at the step before."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mivla_ros.kinematics.collision import CollisionModel, Obstacle
from mivla_ros.retargeting.body import BODY, BodyModel
from mivla_ros.retargeting.report import Clip
from mivla_ros.retargeting.tracking import TrackedSteps
from mivla_ros.robots.description import robot_semantics
from mivla_ros.robots.profile import RobotProfile
from mivla_ros.stop_reasons import Reason

Array = NDArray[np.float64]

MARGIN = 0.001
"""m that links keep from each other and from the surroundings: what rounding the path between steps may take."""

_WAY_STEP = 0.03  # rad or m between two looks at a way that leads elsewhere


class Collisions:
    """Checks the steps of all arms of one robot together, and of the body that carries them where it is commanded."""

    def __init__(self, profile: RobotProfile, urdf: str, margin: float = MARGIN, body: BodyModel | None = None) -> None:
        """Raises DescriptionError and KinematicsError where the description or its SRDF cannot be used."""
        self._columns: dict[str, slice] = {}
        names: list[str] = []
        for arm in profile.arms:
            self._columns[arm.name] = slice(len(names), len(names) + len(arm.joints))
            names.extend(arm.joints)
        if body is not None:  # all six of its joints, the last columns
            self._columns[BODY] = slice(len(names), len(names) + body.chain.size)
            names.extend(body.chain.joint_names)
        obstacles = [Obstacle(s.name, s.lower, s.upper, s.allowed) for s in profile.surroundings]
        grippers = {arm.gripper.joint: arm.gripper.open for arm in profile.arms if arm.gripper}  # the widest they get
        legs = {} if profile.body is None else dict(profile.body.held)
        self._model = CollisionModel(urdf, robot_semantics(profile), names, obstacles, grippers | legs)
        self._margin = margin

    @property
    def model(self) -> CollisionModel:
        """The model itself; its joints are those of all arms, in the profile's order, then of a commanded body."""
        return self._model

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
        pair = f"{contact.first} and {contact.second}"
        clips = tuple(
            Clip(first_step + k, pair, Reason.COLLISION, contact.distance, self._margin, "m")
            for k in range(step, count)
        )
        for name, steps in tracked.items():
            held[name] = steps.held_from(step, steps.joints[step - 1] if step else seeds[name], clips)
        return held

    def may_go(self, arm: str, target: Array, seeds: Mapping[str, Array]) -> bool:
        """Whether an arm can go straight to joint values (n,) while the others stay where ``seeds`` (n,) say."""
        count = int(np.ceil(np.max(np.abs(target - seeds[arm])) / _WAY_STEP)) + 1
        rows = np.concatenate([np.repeat(seed[None], count, axis=0) for seed in seeds.values()], axis=1)
        share: Array = np.linspace(0.0, 1.0, count)[:, None]
        rows[:, self._columns[arm]] = seeds[arm] + share * (target - seeds[arm])
        return self._model.first_contact(rows, self._model.touching(rows[0], self._margin), self._margin) is None
