"""Whether profile, description, driver, firmware and checkpoint are about the same robot."""

from collections.abc import Mapping
from pathlib import Path

from mivla_ros.doctor.collected import Collected
from mivla_ros.doctor.finding import Finding, failure, ok, skipped, warning
from mivla_ros.doctor.limits import UrdfLimits, urdf_limits
from mivla_ros.hardware.errors import HardwareError
from mivla_ros.hardware.piper_units import check_dh, read_firmware
from mivla_ros.robots.profile import RobotProfile

SAME = 0.01  # rad or m that rounding explains


def check_limits(profile: RobotProfile, limits: UrdfLimits, driver: Mapping[str, tuple[float, float]]) -> list[Finding]:
    """The driver takes all that our limits allow, and the ready posture."""
    if not driver:
        return [skipped("limits", profile.name, "this driver publishes no limits")]
    findings = []
    for name, (low, high) in driver.items():
        ours_low, ours_high = limits.position[name]
        if ours_low < low - SAME or ours_high > high + SAME:
            words = f"we allow {ours_low:.4g} to {ours_high:.4g}, the driver {low:.4g} to {high:.4g}"
            advice = (
                "the driver clips without a word beyond its limits: narrow joint limits or workspace in the profile"
            )
            value, limit = (ours_low, low) if ours_low < low - SAME else (ours_high, high)
            findings.append(warning("limits", name, words, advice, value, limit))
    for arm in profile.arms:
        for name, value in zip(arm.joints, arm.ready, strict=True):
            low, high = driver.get(name, (-float("inf"), float("inf")))
            if not low <= value <= high:
                words = f"ready is {value:.4g}, the driver allows {low:.4g} to {high:.4g}"
                limit = low if value < low else high
                findings.append(failure("ready_limits", name, words, "choose another ready posture", value, limit))
    return findings or [ok("limits", profile.name, "the driver allows all that we do")]


def check_description(profile: RobotProfile, limits: UrdfLimits, seen: Collected) -> list[Finding]:
    """What the graph publishes as robot_description is what the profile says."""
    if not seen.description:
        advice = "start robot_state_publisher (the suite's launch file does)"
        return [failure("description_missing", "robot_description", "nobody publishes it", advice)]
    try:
        found = urdf_limits(seen.description)
    except ValueError as error:
        return [failure("description", "robot_description", str(error), "restart robot_state_publisher")]
    missing = [name for name in profile.joint_names if name not in found.position]
    if missing:
        words = f"lacks {', '.join(missing)}"
        advice = "it is another robot's: stop the vendor's robot_state_publisher, use one namespace a robot"
        return [failure("description", "robot_description", words, advice)]
    findings = []
    for name in profile.joint_names:
        (a, b), (c, d) = found.position[name], limits.position[name]
        if abs(a - c) > SAME or abs(b - d) > SAME:
            words = f"published limits {a:.4g} to {b:.4g}, the suite's {c:.4g} to {d:.4g}"
            advice = "the vendor's description has other (often wrong) limits: publish the suite's"
            findings.append(failure("description_limits", name, words, advice))
    return findings or [ok("description", "robot_description", "is this robot's")]


def check_firmware(profile: RobotProfile, firmware: str) -> list[Finding]:
    """PiPer only: the firmware's zeros of joint2 and joint3 are the description's."""
    if not profile.name.startswith("piper"):
        return []
    if not firmware:
        return [skipped("firmware", profile.name, "not given: --firmware S-V..., as the vendor's tool prints it")]
    described = profile.description_arguments.get("dh_variant", "new")
    try:
        read = read_firmware(firmware)
        check_dh(read, described)
    except HardwareError as error:
        advice = "give it as the vendor's tool prints it; set dh_variant as said: it is 10 mm at the wrist"
        return [failure("firmware", error.subject, str(error), advice)]
    return [ok("firmware", read.text, f"has the {described} zeros, as the description")]


def check_checkpoint(profile: RobotProfile, folder: Path | None) -> list[Finding]:
    """The checkpoint's contract is this robot's; its files are whole."""
    if folder is None:
        return [skipped("checkpoint", profile.name, "none was given: --checkpoint FOLDER")]
    from mivla_ros.model.checkpoint_files import read_description
    from mivla_ros.model.contract import contract_mismatches
    from mivla_ros.model.errors import CheckpointError

    try:
        contract = read_description(folder).contract
    except (CheckpointError, OSError) as error:
        return [failure("checkpoint", str(folder), str(error), "copy it again, whole")]
    mismatches = contract_mismatches(contract, profile)
    if mismatches:
        return [
            failure(
                "checkpoint_robot", f"{folder.name}: {key}", f"expects {expected}, this robot has {found}",
                "fine-tune it for this robot, or choose the profile it was made for",
            )
            for key, expected, found in mismatches
        ]  # fmt: skip
    if contract.robot_hash != profile.hash:
        advice = "compare limits and rates of both; nothing that changes the numbers' meaning differs"
        return [warning("checkpoint_profile", str(folder), "the profile was edited since it was made", advice)]
    return [ok("checkpoint", str(folder), "was made for this robot")]
