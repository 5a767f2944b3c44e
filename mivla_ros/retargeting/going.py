"""All arms of a robot to their ready posture, a commanded body to its stance: planned, timed, a motion for each.

Planning takes its time and knows no clock, so that it may be done beside the control path: what it needs is in
``Going``, what comes of it begins whenever it is sent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_chunk import NANOSECONDS
from mivla_ros.retargeting.body import BODY
from mivla_ros.retargeting.limits import JointLimits
from mivla_ros.retargeting.motion import ArmMotion, JointTrajectory
from mivla_ros.retargeting.planning import PlanningOptions, plan_path, timed_motion
from mivla_ros.retargeting.retargeter import Retargeter

Array = NDArray[np.float64]

Planner = Callable[[Array, Array], Array]
"""Postures (K, n), straight lines in between, from one (n,) to another (n,), in the order of ``Going.joint_names``;
raises RetargetingError where there is none.
"""


@dataclass(frozen=True, eq=False)
class Going:
    """One wish to go to ready. begin: by arm, and for a commanded body, joints where it will rest. Nothing in it
    changes, so any thread may plan.
    """

    retargeter: Retargeter
    begin: Mapping[str, Array]

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Columns of postures: joints of all arms in the profile's order, then all six of a commanded body."""
        body = self.retargeter.body
        arms = tuple(name for arm in self.retargeter.profile.arms for name in arm.joints)
        return arms if body is None else arms + body.chain.joint_names

    def plan(self, options: PlanningOptions | None = None, planner: Planner | None = None) -> dict[str, ArmMotion]:
        """Motions from ``begin`` to ready that begin at time zero; grippers are left out.

        planner: who finds the way, ``plan_path`` by default; what it finds is checked against collisions and timed
        here all the same. Raises RetargetingError (COLLISION with the pair, LIMIT_POSITION with the joint) where
        there is no way.
        """
        retargeter, body = self.retargeter, self.retargeter.body
        period_ns, collisions = retargeter.period_ns, retargeter.collision_model()
        begin = [self.begin[arm.name] for arm in retargeter.profile.arms]
        ready = [np.array(arm.ready) for arm in retargeter.profile.arms]
        all_limits = [retargeter.limits(arm.name) for arm in retargeter.profile.arms]
        if body is not None:
            begin.append(body.whole(self.begin[BODY]))
            ready.append(body.whole(np.array(body.ready)))
            all_limits.append(body.whole_limits)
        keys = ("lower", "upper", "velocity", "acceleration", "jerk")
        limits = JointLimits(*(np.concatenate([getattr(part, key) for part in all_limits]) for key in keys))
        if planner is None:
            path = plan_path(np.concatenate(begin), np.concatenate(ready), limits, collisions, options)
        else:
            path = planner(np.concatenate(begin), np.concatenate(ready))
        positions, velocities = timed_motion(path, limits, collisions, period_ns / NANOSECONDS, options)
        motions, first = {}, 0
        for moved in retargeter.moved:
            columns = first + np.arange(len(moved.joints))
            if body is not None and moved.name == BODY:
                columns = first + np.array(body.columns)
            rows = np.ascontiguousarray(positions[:, columns]), np.ascontiguousarray(velocities[:, columns])
            motions[moved.name] = ArmMotion(JointTrajectory(moved.joints, 0, period_ns, *rows))
            first += len(moved.joints)
        return motions
