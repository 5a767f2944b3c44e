"""Topics: there, of the right type, from one publisher, taken by somebody."""

from mivla_ros.doctor.collected import Collected
from mivla_ros.doctor.finding import Finding, failure, ok, warning
from mivla_ros.robots.profile import RobotProfile

JOINT_STATE = "sensor_msgs/msg/JointState"
TRAJECTORY = "trajectory_msgs/msg/JointTrajectory"
IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"


def check_topics(profile: RobotProfile, seen: Collected) -> list[Finding]:
    """Joint states, every camera, every controller."""
    findings = [_published(seen, "joint_states", JOINT_STATE, "start the driver, or the adapter (driver:=...)")]
    publishers = seen.topics["joint_states"].publishers if "joint_states" in seen.topics else ()
    if len(publishers) > 1:
        findings.append(
            failure(
                "one_publisher", "joint_states", f"comes from {len(publishers)}: {', '.join(publishers)}",
                "stop all but the driver's; a joint_state_publisher mixes made-up values in, and with piper_ros's own "
                "launch file it even drives the arm", len(publishers), 1,
            )
        )  # fmt: skip
    for camera in profile.cameras:
        raw, compressed = f"{camera.name}/image_raw", f"{camera.name}/image_raw/compressed"
        topic, kind = (compressed, COMPRESSED) if seen.topics.get(compressed) else (raw, IMAGE)
        findings.append(
            _published(seen, topic, kind, f"start the camera's driver with its topics under {camera.name}/")
        )
    for arm in profile.arms:
        for controller in (arm.controller, *((arm.gripper.controller,) if arm.gripper else ())):
            findings += _controller(seen, f"{controller}/joint_trajectory")
    return findings


def _published(seen: Collected, topic: str, kind: str, advice: str) -> Finding:
    found = seen.topics.get(topic)
    if found is None or not found.publishers:
        return failure("topic_missing", topic, "nobody publishes it", advice)
    if found.types != (kind,):
        return failure(
            "topic_type", topic, f"has type {', '.join(found.types)}, must be {kind}", "remap the right topic"
        )
    return ok("topic", topic, f"{kind} from {', '.join(found.publishers)}")


def _controller(seen: Collected, topic: str) -> list[Finding]:
    found = seen.topics.get(topic)
    if found is None or not found.subscribers:
        advice = "start the adapter, or load and activate the joint_trajectory_controller of that name"
        return [failure("controller_missing", topic, "nobody takes trajectories", advice)]
    if found.types != (TRAJECTORY,):
        words = f"has type {', '.join(found.types)}, must be {TRAJECTORY}"
        return [failure("topic_type", topic, words, "choose the trajectory controller's topic, not its action's")]
    findings = [ok("controller", topic, f"taken by {', '.join(found.subscribers)}")]
    if len(found.subscribers) > 1:
        findings.append(
            failure(
                "one_controller", topic, f"is taken by {len(found.subscribers)}: {', '.join(found.subscribers)}",
                "stop the simulator or the second adapter; two would drive the arm", len(found.subscribers), 1,
            )
        )  # fmt: skip
    others = [name for name in found.publishers if name.rpartition("/")[2] not in ("retargeting", "mivla_doctor")]
    if others:
        advice = "stop it: only the retargeting node commands the arm"
        findings.append(warning("foreign_command", topic, f"is also published by {', '.join(others)}", advice))
    return findings
