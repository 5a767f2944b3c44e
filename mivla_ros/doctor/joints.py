"""Joint states at rest: names, numbers, units, ranges, rates, stamps, clocks."""

import numpy as np

from mivla_ros.doctor.collected import Collected, JointsSeen
from mivla_ros.doctor.finding import Finding, failure, ok, warning
from mivla_ros.doctor.limits import UrdfLimits
from mivla_ros.robots.profile import RobotProfile

SECOND = 1e9
RATE_SHARE = 0.8  # of the profile's rate that must come
SKEW = 0.1  # s between a stamp and our clock; the retargeting node refuses 0.2
GAP = 0.1  # s between two joint states
OUTSIDE = 0.02  # rad beyond the URDF's limit that calibration explains
DEGREES = 7.0  # rad that no joint of these robots reaches: more than two pi and a bit
NOISE_SPEED = 0.05  # rad/s at rest


def check_joints(profile: RobotProfile, seen: Collected, limits: UrdfLimits) -> list[Finding]:
    """All of it; one finding where nothing came."""
    samples = seen.joints
    if len(samples) < 2:
        words, advice = (
            f"{len(samples)} messages came",
            "is the driver's bus up? `ip -details link show can0`, then its log",
        )
        return [failure("joint_states_silent", "joint_states", words, advice, len(samples), 2)]
    findings = [_rate(profile, samples), *_stamps(samples), *_names(profile, samples[-1])]
    if any(len(s.names) != len(s.positions) for s in samples):
        advice = "report it to the driver's maker; the adapter would refuse these messages"
        return [*findings, failure("joint_sizes", "joint_states", "names and positions differ in number", advice)]
    findings += _values(profile, samples, limits)
    return findings


def _rate(profile: RobotProfile, samples: tuple[JointsSeen, ...]) -> Finding:
    times = np.array([s.received_ns for s in samples]) / SECOND
    rate = (len(times) - 1) / max(times[-1] - times[0], 1e-9)
    wanted = RATE_SHARE * profile.joint_state_rate
    if rate < wanted:
        advice = "look for a full bus or a busy machine (top), a slow driver setting, best-effort loss over Wi-Fi"
        return failure("joint_rate", "joint_states", f"come at {rate:.1f} Hz", advice, float(rate), wanted)
    gap = float(np.diff(times).max())
    if gap > GAP:
        advice = "look for a busy machine or a hub shared with cameras; the retargeting node stops at 0.2 s"
        return warning("joint_gaps", "joint_states", f"once did not come for {gap:.3f} s", advice, gap, GAP)
    return ok("joint_rate", "joint_states", f"{rate:.1f} Hz")


def _stamps(samples: tuple[JointsSeen, ...]) -> list[Finding]:
    stamps = np.array([s.stamp_ns for s in samples])
    if not stamps.all():
        advice = "use the adapter (it stamps with the ROS clock), or a driver that stamps"
        return [failure("joint_stamps_missing", "joint_states", "stamps are zero", advice)]
    findings = []
    if (np.diff(stamps) < 0).any():
        advice = "two publishers, or a clock that is set while running: stop one, or let chrony slew instead of step"
        findings.append(failure("joint_stamps_order", "joint_states", "stamps go back", advice))
    ages = np.array([s.received_ns - s.stamp_ns for s in samples]) / SECOND
    age = float(np.median(ages))
    if abs(age) > SKEW:
        words = f"stamps are {abs(age):.3f} s {'behind' if age > 0 else 'ahead of'} this machine's clock"
        advice = (
            "synchronise the machines' clocks (chrony), or use the ROS clock for stamps; use_sim_time alike everywhere"
        )
        findings.append(failure("clock_skew", "joint_states", words, advice, age, SKEW))
    return findings or [ok("joint_stamps", "joint_states", f"{1e3 * age:.1f} ms old on arrival")]


def _names(profile: RobotProfile, sample: JointsSeen) -> list[Finding]:
    twice = sorted({name for name in sample.names if sample.names.count(name) > 1})
    if twice:
        advice = "two arms need names of their own: choose the driver's naming, or the bimanual profile"
        return [failure("joint_names_twice", "joint_states", f"{', '.join(twice)} appear twice", advice)]
    missing = [name for name in profile.joint_names if name not in sample.names]
    if missing:
        words = f"lack {', '.join(missing)}; they have {', '.join(sample.names)}"
        advice = "choose the driver:= that speaks to this arm, and the profile of this robot"
        return [failure("joint_names", "joint_states", words, advice, len(missing), 0)]
    return [ok("joint_names", "joint_states", f"all {len(profile.joint_names)} joints")]


def _values(profile: RobotProfile, samples: tuple[JointsSeen, ...], limits: UrdfLimits) -> list[Finding]:
    findings: list[Finding] = []
    names = [name for name in profile.joint_names if all(name in s.names for s in samples)]
    rows = np.array([[s.positions[s.names.index(name)] for name in names] for s in samples]).reshape(len(samples), -1)
    if not np.isfinite(rows).all():
        name = names[int(np.argmin(np.isfinite(rows).all(axis=0)))]
        return [failure("joint_finite", name, "is not finite", "restart the driver; look at that motor's cable")]
    arms = [name for arm in profile.arms for name in arm.joints if name in names]
    columns = [names.index(name) for name in arms]
    if arms and not rows[:, columns].any():
        words = "every joint is exactly 0"
        advice = "no frame of the bus has arrived: check power, the CAN plug, bitrate 1000000, then `candump can0`"
        return [failure("joints_zero", "joint_states", words, advice)]
    grippers = {arm.gripper.joint: arm.gripper for arm in profile.arms if arm.gripper}
    for name, value in zip(names, rows[-1].tolist(), strict=True):
        low, high = limits.position[name]
        if name in grippers:
            span = max(abs(grippers[name].open), abs(grippers[name].closed))
            if abs(value) > 5 * span:
                advice = "the driver counts mm or a motor's angle: set its gripper option (gripper_multiple, end)"
                findings.append(failure("gripper_unit", name, f"reads {value:.4g}", advice, value, span))
            elif not low - 0.1 * span <= value <= high + 0.1 * span:
                advice = "calibrate the gripper's zero with the vendor's tool, closed by hand"
                findings.append(warning("gripper_range", name, f"reads {value:.4g}", advice, value, high))
        elif abs(value) > DEGREES:
            words = f"reads {value:.4g}: degrees?"
            advice = "the driver counts degrees: use the adapter for it, which converts"
            findings.append(failure("joint_unit", name, words, advice, value, DEGREES))
        elif not low - OUTSIDE <= value <= high + OUTSIDE:
            limit = low if value < low else high
            words = f"reads {value:.4g} rad, outside {low:.4g} to {high:.4g}"
            advice = "wrong zero, sign or joint order, or another model: compare with the arm by eye, then calibrate"
            findings.append(failure("joint_range", name, words, advice, value, limit))
    findings += _velocities(names, samples, rows)
    return findings or [ok("joint_values", "joint_states", "units and ranges are plausible")]


def _velocities(names: list[str], samples: tuple[JointsSeen, ...], rows: np.ndarray) -> list[Finding]:
    if not names or any(len(s.velocities) != len(s.names) for s in samples):
        return []
    speeds = np.array([[s.velocities[s.names.index(name)] for name in names] for s in samples])
    seconds = (samples[-1].received_ns - samples[0].received_ns) / SECOND
    drift = np.abs(rows[-1] - rows[0]) / max(seconds, 1e-9)
    told = np.abs(np.nanmean(np.where(np.isfinite(speeds), speeds, 0.0), axis=0))
    worst = int(np.argmax(told - drift))
    if told[worst] - drift[worst] > NOISE_SPEED:
        words = f"is said to move at {told[worst]:.3g} rad/s and stands still"
        advice = "the driver's velocities have another unit or offset; do not use them (leave velocity empty)"
        return [warning("joint_velocity", names[worst], words, advice, float(told[worst]), NOISE_SPEED)]
    return []
