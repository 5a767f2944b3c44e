"""How well the robot imitated, as JSON: every number's unit is in its key, or in ``units``."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mivla_ros.imitation.leaders import Leader
from mivla_ros.imitation.playback import SAMPLE_NS, ArmTrack, Playback
from mivla_ros.imitation.recording import Recording
from mivla_ros.imitation.robot import Robot
from mivla_ros.kinematics import PathStatus, pose_errors

Array = NDArray[np.float64]

SCHEMA = "mivla/imitation/1"
AGREEMENT = 0.1
"""Openings (0 to 1) that differ by no more than this agree."""

UNITS = {
    "_m": "metres",
    "_rad": "radians; joint steps are between two samples, 20 ms",
    "_rad_s": "radians a second",
    "_rad_s2": "radians a second squared, change of the commanded velocity over 20 ms",
    "_s": "seconds",
    "_share": "0 to 1, of executed steps of the motion; of samples (every 20 ms) for touching and agreement",
    "_of_limit": "1 is the robot profile's limit",
    "opening": "0 closed to 1 open",
}


def make_report(
    recording: Recording, robot: Robot, leaders: dict[str, Leader], playback: Playback, options: dict[str, Any]
) -> dict[str, Any]:
    """The report of one playback; ``options`` are repeated in it as they are."""
    held = sum(playback.holds.values())
    return {
        "schema": SCHEMA,
        "file": recording.path.name,
        "sha256": hashlib.sha256(recording.path.read_bytes()).hexdigest(),
        "kind": recording.kind.value,
        "robot": robot.profile.name,
        "robot_profile_sha256": robot.profile.hash,
        "options": options,
        "units": UNITS,
        "motion_s": round(playback.seconds, 6),
        "source": {
            side: {
                "frames": seen.frames,
                "frames_with_hand_share": round(seen.seen / max(seen.frames, 1), 4),
                "longest_gap_s": round(seen.longest_gap, 3),
            }
            for side, seen in recording.coverage.items()
        },
        "notes": list(recording.notes),
        "arms": {name: _arm(robot, name, leaders[name], track, playback) for name, track in playback.arms.items()},
        "collisions": {
            "samples": playback.samples,
            "touching_samples": dict(sorted(playback.touching.items())),
            "held_steps": held,
            "held_before": dict(sorted(playback.holds.items())),
        },
        "chunks": {
            "sent": playback.sent,
            "accepted": len(playback.chunk_seconds),
            "refused": dict(sorted(playback.refusals.items())),
            "retargeting_s": _spread(np.array(playback.chunk_seconds), 6),
        },
    }


def _arm(robot: Robot, name: str, leader: Leader, track: ArmTrack, playback: Playback) -> dict[str, Any]:
    seconds = np.array(track.seconds)
    inside = (seconds >= 0) & (seconds <= playback.seconds)
    targets, wanted = leader.targets(seconds[inside], playback.initial_eef[name])
    errors = pose_errors(targets, robot.end_effector(name, np.array(track.measured)[inside]))
    position, rotation = np.linalg.norm(errors[:, :3], axis=1), np.linalg.norm(errors[:, 3:], axis=1)
    status, reasons = np.array(track.step_status), track.step_reasons
    names = sorted({reason for found in reasons for reason in found})
    clipped = np.array([bool(found) for found in reasons])
    limits = robot.retargeter.arms[name].limits
    speed = np.abs(np.array(track.velocities))
    change = np.abs(np.diff(track.velocities, axis=0)) / (SAMPLE_NS * 1e-9)
    path = targets[:, :3]
    return {
        "follows": track.leader,
        "initial_pose_m_wxyz": [round(float(v), 5) for v in playback.initial_eef[name]],
        "samples": int(inside.sum()),
        "steps": len(status),
        "target_extent_m": [round(float(v), 4) for v in np.ptp(path, axis=0)],
        "position_error_m": _spread(position),
        "rotation_error_rad": _spread(rotation),
        "reachable_position_error_m": _spread(_at_steps(track.step_position_error, status, PathStatus.REACHED)),
        "reachable_rotation_error_rad": _spread(_at_steps(track.step_rotation_error, status, PathStatus.REACHED)),
        "unreachable_share": _share(status == PathStatus.UNREACHABLE),
        "clipped_share": _share(clipped),
        "clipped_share_by_reason": {n: _share(np.array([n in found for found in reasons])) for n in names},
        "largest_delay_s": round(track.delay, 4),
        "largest_joint_step_rad": _largest(np.abs(np.diff(track.commanded, axis=0))),
        "largest_joint_velocity_rad_s": _largest(speed),
        "largest_joint_acceleration_rad_s2": _largest(change),
        "largest_velocity_of_limit": _largest(speed / limits.velocity),
        "largest_acceleration_of_limit": _largest(change / limits.acceleration),
        "gripper": _gripper(track, wanted, inside),
    }


def _gripper(track: ArmTrack, wanted: Array | None, inside: NDArray[np.bool_]) -> dict[str, Any] | None:
    """Agreement of the gripper with the pinch; None where one of them is not there."""
    if wanted is None or not track.openings:
        return None
    opening = np.array(track.openings)[inside]
    both_move = np.ptp(wanted) > 1e-6 and np.ptp(opening) > 1e-6
    correlation = round(float(np.corrcoef(wanted, opening)[0, 1]), 4) if both_move else None
    difference = np.abs(wanted - opening)
    return {
        "correlation": correlation,
        "agreement_share": _share(difference <= AGREEMENT),
        "agreement_within_opening": AGREEMENT,
        "opening_difference": _spread(difference),
        "wanted_opening": [round(float(wanted.min()), 4), round(float(wanted.max()), 4)],
        "reached_opening": [round(float(opening.min()), 4), round(float(opening.max()), 4)],
    }


def _at_steps(values: list[float], status: NDArray[np.int64], wanted: PathStatus) -> Array:
    return np.array(values)[status == wanted]


def _spread(values: Array, digits: int = 5) -> dict[str, float | None]:
    """Median, 95th percentile and maximum; None where there are no values."""
    if not len(values):
        return {"median": None, "p95": None, "max": None}
    median, p95 = np.percentile(values, [50, 95])
    return {"median": round(float(median), digits), "p95": round(float(p95), digits), "max": _largest(values, digits)}


def _share(values: NDArray[np.bool_]) -> float | None:
    return round(float(np.mean(values)), 4) if len(values) else None


def _largest(values: Array, digits: int = 5) -> float:
    return round(float(np.max(values, initial=0.0)), digits)
