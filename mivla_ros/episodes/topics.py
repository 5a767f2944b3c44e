"""Which topics a recording holds: an explicit list made from the robot profile, so that nothing is missed or recorded
twice."""

from dataclasses import dataclass

from mivla_ros.robots.profile import RobotProfile


@dataclass(frozen=True)
class RecordedTopic:
    """One topic of a recording: relative name and message type. ``latched``: its last message also reaches late
    joiners. rate: messages a second that the profile promises, 0 where it does not. required: an episode without it is
    worth nothing."""

    name: str
    type: str
    latched: bool = False
    rate: float = 0.0
    required: bool = False


def recorded_topics(profile: RobotProfile) -> tuple[RecordedTopic, ...]:
    """All topics of one robot's recording. Images are taken compressed, one stream a camera."""
    cameras = [
        topic
        for camera in profile.cameras
        for topic in (
            RecordedTopic(
                f"{camera.name}/image_raw/compressed",
                "sensor_msgs/msg/CompressedImage",
                rate=camera.rate,
                required=True,
            ),
            RecordedTopic(f"{camera.name}/camera_info", "sensor_msgs/msg/CameraInfo"),
        )
    ]
    controllers = dict.fromkeys(
        name for arm in profile.arms for name in (arm.controller, *((arm.gripper.controller,) if arm.gripper else ()))
    )
    trajectories = [
        RecordedTopic(f"{name}/joint_trajectory", "trajectory_msgs/msg/JointTrajectory") for name in controllers
    ]
    return (
        *cameras,
        RecordedTopic("joint_states", "sensor_msgs/msg/JointState", rate=profile.joint_state_rate, required=True),
        RecordedTopic("mivla/instruction", "std_msgs/msg/String", latched=True),
        RecordedTopic("mivla/actions", "mivla_msgs/msg/ActionChunk"),
        RecordedTopic("mivla/executed", "mivla_msgs/msg/ExecutedSteps"),
        RecordedTopic("mivla/policy_status", "mivla_msgs/msg/PolicyStatus", latched=True),
        RecordedTopic("mivla/retargeting_status", "mivla_msgs/msg/RetargetingStatus", latched=True),
        *trajectories,
        RecordedTopic("simulation/task", "mivla_msgs/msg/TaskProgress"),
        RecordedTopic("simulation/objects", "mivla_msgs/msg/ObjectPoses"),
        RecordedTopic("tf", "tf2_msgs/msg/TFMessage"),
        RecordedTopic("tf_static", "tf2_msgs/msg/TFMessage", latched=True),
        RecordedTopic("robot_description", "std_msgs/msg/String", latched=True),
        RecordedTopic("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray"),
    )
