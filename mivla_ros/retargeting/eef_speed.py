"""The robot's own cap on how fast an end effector may be sent: steps farther apart than it allows are given more
time.
"""

import numpy as np
from numpy.typing import NDArray

from mivla_ros.kinematics import Chain, forward_kinematics
from mivla_ros.retargeting.report import Clip
from mivla_ros.robots.profile import ArmProfile
from mivla_ros.stop_reasons import Reason

Array = NDArray[np.float64]


def capped_times(arm: ArmProfile, chain: Chain, joints: Array, times: Array, first: int) -> tuple[Array, list[Clip]]:
    """Times (K,) s of steps with joint values (K, n), later than ``times`` where the end effector would be faster
    between two of them than the profile's ``eef_speed``; and a clip (LIMIT_VELOCITY) for each such step. first:
    index of step 0.

    Source of LocoMan's cap: 1 mm and 2 mrad in every control period of 2.5 ms (Human2LocoMan's commander).
    """
    cap = arm.eef_speed
    if cap is None or len(times) < 2:
        return times, []
    poses = forward_kinematics(chain, joints)
    metres = np.linalg.norm(np.diff(poses[:, :3], axis=0), axis=1)
    cosine = np.clip(np.abs(np.sum(poses[1:, 3:] * poses[:-1, 3:], axis=1)), 0.0, 1.0)
    radians = 2.0 * np.arccos(cosine)
    wanted = np.diff(times)
    least = np.maximum(metres / cap.linear, radians / cap.angular)
    clips = []
    for k in np.flatnonzero(least > wanted * (1 + 1e-6)):
        moved, limit, unit = (metres[k], cap.linear, "m/s")
        if radians[k] / cap.angular > metres[k] / cap.linear:
            moved, limit, unit = (radians[k], cap.angular, "rad/s")
        clips.append(
            Clip(first + int(k) + 1, arm.eef_frame, Reason.LIMIT_VELOCITY, float(moved / wanted[k]), limit, unit)
        )
    return times[0] + np.concatenate([[0.0], np.cumsum(np.maximum(wanted, least))]), clips
