"""What small slow motions show: a joint that does not follow, follows the wrong way, by the wrong amount, or for
another."""

from mivla_ros.doctor.collected import Collected, Moved
from mivla_ros.doctor.finding import Finding, failure, ok, skipped, warning
from mivla_ros.robots.profile import RobotProfile

FOLLOWED = (0.7, 1.3)  # share of the commanded motion that is measured
STILL = 0.2  # share of the commanded motion by which another joint may move along
PICTURE = 0.5  # grey levels by which a picture changes though nothing in it moves


def check_motions(profile: RobotProfile, seen: Collected) -> list[Finding]:
    """Every commanded joint, then which camera is on the arm."""
    if not seen.moved:
        return [skipped("motion", profile.name, "not asked to move: add --move with a hand at the stop")]
    findings = [_joint(profile, moved) for moved in seen.moved]
    return [*findings, *_cameras(profile, seen)]


def _joint(profile: RobotProfile, moved: Moved) -> Finding:
    gripper = next((arm.gripper for arm in profile.arms if arm.gripper and arm.gripper.joint == moved.joint), None)
    name, did = moved.joint, moved.measured.get(moved.joint, 0.0)
    share = did / moved.commanded
    kind = "gripper" if gripper else "joint"
    others = {other: abs(value / moved.commanded) for other, value in moved.measured.items() if other != name}
    if gripper:  # metres beside radians: nothing to compare
        others = {}
    far = max(others, key=lambda other: others[other], default="")
    if far and others[far] > 1 - STILL and abs(share) < STILL:
        words = f"{far} moved instead"
        advice = "the driver's joint order or names are wrong, or two arms are swapped (CAN ports, left and right)"
        return failure(f"{kind}_order", name, words, advice, others[far], STILL)
    if abs(share) < STILL:
        words = f"moved by {did:.4g} of {moved.commanded:.4g}"
        advice = (
            "no torque (enable it), emergency stop, teach mode, or commands that do not arrive: look at driver/status"
        )
        return failure(f"{kind}_follows", name, words, advice, did, moved.commanded)
    if share < 0:
        words = f"moved by {did:.4g}, {moved.commanded:.4g} was commanded"
        advice = (
            "the gripper closes when told to open: set its kind (ARX end:=0 or 2), or swap closed and open"
            if gripper
            else "its sign is flipped in the driver or its feedback: do not go on; compare with the vendor's own tool"
        )
        return failure(f"{kind}_sign", name, words, advice, did, moved.commanded)
    if not FOLLOWED[0] <= share <= FOLLOWED[1]:
        words = f"moved by {did:.4g}, {moved.commanded:.4g} was commanded"
        advice = (
            "a factor in the driver: gripper_multiple must be its gripper_val_mutiple (2: it counts fingers)"
            if gripper
            else "a factor in the driver (degrees, gear), or an arm that is blocked: clear it and look again"
        )
        return failure(f"{kind}_scale", name, words, advice, did, moved.commanded)
    if far and others[far] > STILL:
        words = f"{far} moved along by {others[far]:.0%}"
        return warning(
            f"{kind}_coupled", name, words, "weak gains or a loose joint: look at the arm", others[far], STILL
        )
    return ok(f"{kind}_motion", name, f"moved by {did:.4g} of {moved.commanded:.4g}")


def _cameras(profile: RobotProfile, seen: Collected) -> list[Finding]:
    """A camera on the wrist sees everything move; if one at rest changes more, they are swapped."""
    grippers = {arm.gripper.joint for arm in profile.arms if arm.gripper}
    findings: list[Finding] = []
    changes: dict[str, float] = {}
    for camera in profile.cameras:
        values = [moved.pictures[camera.name] for moved in seen.moved if camera.name in moved.pictures]
        arm_values = [
            m.pictures[camera.name] for m in seen.moved if camera.name in m.pictures and m.joint not in grippers
        ]
        if values and not any(values):
            advice = "the driver repeats one picture: restart it, look at its plug"
            findings.append(
                failure("camera_frozen", camera.name, "did not change by a bit while the arm moved", advice)
            )
        changes[camera.name] = max(arm_values, default=0.0)
    wrist = {name: change for name, change in changes.items() if "wrist" in name}
    still = {name: change for name, change in changes.items() if "wrist" not in name}
    for name, change in wrist.items():
        steadier = [other for other, value in still.items() if value > max(2 * change, PICTURE)]
        if steadier and not findings:
            words = f"changed less than {steadier[0]} while the arm moved"
            advice = "the cameras are swapped: assign them by serial number"
            findings.append(failure("camera_order", name, words, advice, change, changes[steadier[0]]))
    if not findings and wrist and still:
        findings.append(ok("camera_order", profile.name, "wrist cameras move with the arm, the others do not"))
    return findings
