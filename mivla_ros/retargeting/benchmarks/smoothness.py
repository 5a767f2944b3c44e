"""How calm the joints stay when a chunk's poses are noisy.

Protocol: joint paths of 64 steps at 30 Hz, waves of 2 to 4 seconds on every joint whose largest step is 0.04 rad;
white noise of 1 mm and 0.5 degrees an axis on their poses; errors are to the poses without noise.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter
from scipy.spatial.transform import Rotation

from mivla_ros.kinematics import Chain, IkOptions, PathStatus, forward_kinematics, pose_errors, solve_path
from mivla_ros.retargeting.smoothing import smooth_poses

Array = NDArray[np.float64]
Solver = Callable[[Chain, Array, Array], Array]

HORIZON, STEP, LARGEST_STEP = 64, 1 / 30, 0.04
NOISE = (1e-3, np.deg2rad(0.5))
MAX_STEP = 2.5 * STEP
"""rad: PiPER's slowest joint over one step; taken for all three arms."""


@dataclass(frozen=True)
class Smoothness:
    """Largest joint steps (rad) of the chunks, their largest second differences, errors to the clean poses (m, rad)."""

    largest_steps: Array
    second_differences: Array
    position_errors: Array
    rotation_errors: Array


def clean_path(chain: Chain, rng: np.random.Generator) -> Array:
    """Joint values (64, n) within limits: three waves a joint of 60 to 120 steps, scaled to the largest step."""
    t = np.arange(HORIZON)[:, None, None]
    while True:
        middle = rng.uniform(chain.lower, chain.upper)
        rate = 2 * np.pi / rng.uniform(60, 120, (3, chain.size))
        phase = rng.uniform(0, 2 * np.pi, (3, chain.size))
        waves = (rng.normal(size=(3, chain.size)) * np.sin(rate * t + phase)).sum(axis=1)
        waves *= LARGEST_STEP / np.abs(np.diff(waves, axis=0)).max()
        path: Array = waves - waves.mean(axis=0) + middle
        if (path > chain.lower + 0.02).all() and (path < chain.upper - 0.02).all():
            return path


def with_noise(poses: Array, rng: np.random.Generator) -> Array:
    """Poses (H, 7) with white noise on every axis of position and rotation."""
    noisy = poses.copy()
    noisy[:, :3] += rng.normal(0, NOISE[0], (len(poses), 3))
    half = 0.5 * rng.normal(0, NOISE[1], (len(poses), 3))
    w, v = poses[:, 3:4], poses[:, 4:]
    noisy[:, 3:4] = w - np.sum(half * v, axis=1, keepdims=True)
    noisy[:, 4:] = v + w * half + np.cross(half, v)
    noisy[:, 3:] /= np.linalg.norm(noisy[:, 3:], axis=1, keepdims=True)
    return noisy


def exact(chain: Chain, poses: Array, seed: Array) -> Array:
    """Poses as they are, solved exactly."""
    options = IkOptions(damped_steps=0, reach=(1e-4, 1e-3), near_reach=(1e-4, 1e-3))
    return solve_path(chain, poses, seed, np.inf, options).q


def damped(chain: Chain, poses: Array, seed: Array) -> Array:
    """Poses as they are, two damped steps each, joints bounded near singularities."""
    return solve_path(chain, poses, seed, MAX_STEP).q


def savgol(chain: Chain, poses: Array, seed: Array) -> Array:
    """What is to be beaten: Savitzky-Golay (9 steps, order 2) over positions and over rotation vectors about the
    chunk's middle, then two damped steps.
    """
    smooth, rotations = poses.copy(), Rotation.from_quat(poses[:, 3:], scalar_first=True)
    smooth[:, :3] = savgol_filter(poses[:, :3], 9, 2, axis=0)
    middle = rotations[len(poses) // 2]
    vectors = savgol_filter((middle.inv() * rotations).as_rotvec(), 9, 2, axis=0)
    smooth[:, 3:] = (middle * Rotation.from_rotvec(vectors)).as_quat(scalar_first=True)
    any_error = (np.inf, np.inf)
    options = IkOptions(aim=(0.0, 0.0), reach=any_error, near_reach=any_error, damping=1e-3)
    return solve_path(chain, smooth, seed, np.inf, options).q


def smoothed(chain: Chain, poses: Array, seed: Array) -> Array:
    """What retargeting does: smoothed over the chunk, two damped steps, joints bounded near singularities."""
    return solve_path(chain, smooth_poses(poses, STEP), seed, MAX_STEP).q


def measure(chain: Chain, solver: Solver, chunks: int, seed: int = 0) -> Smoothness:
    """Run the protocol on ``chunks`` chunks."""
    rng = np.random.default_rng(seed)
    steps, seconds, position, rotation = [], [], [], []
    for _ in range(chunks):
        path = clean_path(chain, rng)
        clean = forward_kinematics(chain, path)
        q = solver(chain, with_noise(clean, rng), path[0])
        error = pose_errors(clean, forward_kinematics(chain, q))
        steps.append(np.abs(np.diff(q, axis=0)).max())
        seconds.append(np.abs(np.diff(q, 2, axis=0)).max())
        position.append(np.linalg.norm(error[:, :3], axis=1))
        rotation.append(np.linalg.norm(error[:, 3:], axis=1))
    return Smoothness(np.array(steps), np.array(seconds), np.concatenate(position), np.concatenate(rotation))


def slowed_share(chain: Chain, chunks: int, seed: int = 0) -> float:
    """Share of poses of the protocol that retargeting reports as kept back near a singularity or out of reach."""
    rng = np.random.default_rng(seed)
    kept = 0
    for _ in range(chunks):
        path = clean_path(chain, rng)
        noisy = with_noise(forward_kinematics(chain, path), rng)
        solution = solve_path(chain, smooth_poses(noisy, STEP), path[0], MAX_STEP)
        kept += int(np.count_nonzero(solution.status != PathStatus.REACHED))
    return kept / (chunks * HORIZON)
