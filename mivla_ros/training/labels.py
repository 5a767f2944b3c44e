"""Pseudo-labels: what the other body would do, by our alignment (paper, Eq. 2 and 3); what it cannot do is masked."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mivla_ros import action_space
from mivla_ros.alignment import AlignmentOptions, eef_from_rows, rows_from_eef
from mivla_ros.episodes.interpolation import continuous
from mivla_ros.episodes.unified import UnifiedEpisode
from mivla_ros.kinematics import Chain, chain_from_urdf, forward_kinematics
from mivla_ros.kinematics.inverse import PathStatus, solve_path
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import RobotProfile

Array = NDArray[np.float64]
GRID_RATE = 30.0  # Hz at which a person's motion is made a robot's


def human_labels(
    actions: NDArray[np.float32], mask: NDArray[np.bool_], options: AlignmentOptions | None = None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Hands (N, H, 76) with mask for a robot's actions (N, H, 76), Eq. 3: the end effector's pose becomes the thumb
    knuckle's, the opening the pinch. A side without pose or gripper has no hand."""
    rows, there = np.zeros_like(actions), np.zeros_like(mask)
    for side in action_space.SIDES:
        pose, gripper = action_space.pose_slice(side), action_space.arm_slice(side).stop - 1
        known = mask[..., pose].all(axis=-1) & mask[..., gripper]
        if not known.any():
            continue
        hand = action_space.hand_slice(side)
        eef, opening = actions[known][:, pose].astype(np.float64), actions[known][:, gripper].astype(np.float64)
        rows[known, hand] = rows_from_eef(eef, opening, side, options or AlignmentOptions())
        there[known, hand] = True
    return rows, there


@dataclass(frozen=True, eq=False)
class RobotTarget:
    """The robot that people's demonstrations are turned into: a chain and the joints it begins with, by side."""

    name: str
    chains: dict[str, Chain]
    ready: dict[str, Array]
    max_step: dict[str, Array]


def robot_target(profile: RobotProfile) -> RobotTarget:
    """The robot of a profile; arms of another number of joints than six are left out."""
    urdf = robot_description(profile)
    arms = [arm for arm in profile.arms if len(arm.joints) == action_space.ARM_JOINTS]
    return RobotTarget(
        profile.name,
        {arm.side: chain_from_urdf(urdf, arm.base_frame, arm.eef_frame) for arm in arms},
        {arm.side: np.array(arm.ready) for arm in arms},
        {arm.side: np.array(arm.velocity) / GRID_RATE for arm in arms},
    )


def robot_labels(
    episode: UnifiedEpisode,
    moments_ns: NDArray[np.int64],
    target: RobotTarget,
    options: AlignmentOptions | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Arms (M, 76) with mask at moments (M,) of a person's episode, Eq. 2: from ready, each arm moves as the thumb
    knuckle does from the episode's beginning. Steps that are out of reach, or faster than the joints, are masked."""
    size = action_space.ACTION_SIZE
    rows, there = np.zeros((len(moments_ns), size), np.float32), np.zeros((len(moments_ns), size), bool)
    begin, end = episode.episode.info.start_ns, max(episode.end_ns, episode.episode.info.start_ns + 1)
    grid = np.arange(begin, end + 1, round(1e9 / GRID_RATE), dtype=np.int64)
    states, knuckles = episode.states(grid), episode.thumb_knuckles(grid)
    nearest = np.clip(np.round((moments_ns - begin) * GRID_RATE / 1e9).astype(np.int64), 0, len(grid) - 1)
    for side, chain in target.chains.items():
        hand = action_space.hand_slice(side)
        if not states.mask[:, hand].all():
            continue
        eef, opening = eef_from_rows(
            states.values[:, hand].astype(np.float64),
            side,
            forward_kinematics(chain, target.ready[side]),
            thumb_knuckle=knuckles.get(side),
            options=options or AlignmentOptions(),
        )
        solved = solve_path(chain, eef, target.ready[side], target.max_step[side])
        change = np.abs(np.diff(solved.q, axis=0, prepend=target.ready[side][None]))
        good = (solved.status == PathStatus.REACHED) & (change <= 1.5 * target.max_step[side]).all(axis=1)
        arm, pose = action_space.arm_slice(side), action_space.pose_slice(side)
        values = np.zeros((len(grid), size))
        values[:, arm] = np.concatenate([solved.q, opening[:, None]], axis=1)
        values[:, pose] = continuous(eef)
        mask = np.zeros((len(grid), size), dtype=bool)
        mask[:, arm], mask[:, pose] = good[:, None], good[:, None]
        rows += values[nearest].astype(np.float32)
        there |= mask[nearest]
    return np.where(there, rows, 0.0).astype(np.float32), there
