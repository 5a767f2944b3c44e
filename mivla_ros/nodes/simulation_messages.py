"""The simulation's state to messages, and trajectories from messages."""

import array

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory as JointTrajectoryMessage

from mivla_msgs.msg import ObjectPoses
from mivla_msgs.msg import TaskProgress as TaskProgressMessage
from mivla_ros.nodes.conversions import pose_message, time_message, time_ns
from mivla_ros.simulation.state import CameraIntrinsics, JointStates, TaskProgress
from mivla_ros.simulation.trajectory import JointTrajectory, TrajectoryPoint


def header(stamp_ns: int, frame_id: str = "") -> Header:
    """Header of that time and frame."""
    return Header(stamp=time_message(stamp_ns), frame_id=frame_id)


def joint_state_message(states: JointStates) -> JointState:
    """Measured joints, arms and grippers."""
    return JointState(
        header=header(states.time_ns),
        name=list(states.names),
        position=array.array("d", states.positions.tolist()),
        velocity=array.array("d", states.velocities.tolist()),
        effort=array.array("d", states.efforts.tolist()),
    )


def image_message(rgb: NDArray[np.uint8], image_header: Header) -> Image:
    """(height, width, 3) RGB as rgb8."""
    height, width, _ = rgb.shape
    message = Image(header=image_header, height=height, width=width, encoding="rgb8", step=3 * width)
    # an array of bytes is taken over as it is; any other sequence is checked number by number
    message.data = array.array("B", rgb.tobytes())
    return message


def compressed_message(rgb: NDArray[np.uint8], image_header: Header, quality: int) -> CompressedImage:
    """(height, width, 3) RGB as JPEG, quality in percent; its format as image_transport writes it."""
    import cv2

    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    message = CompressedImage(header=image_header, format="rgb8; jpeg compressed bgr8")
    message.data = array.array("B", jpeg.tobytes())
    return message


def camera_info_message(camera: CameraIntrinsics) -> CameraInfo:
    """Intrinsics without distortion; the header is left to whoever publishes it."""
    k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
    return CameraInfo(
        width=camera.width,
        height=camera.height,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=k,
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[*k[0:3], 0.0, *k[3:6], 0.0, *k[6:9], 0.0],
    )


def object_poses_message(poses: dict[str, NDArray[np.float64]], stamp_ns: int, frame_id: str) -> ObjectPoses:
    """Objects' poses (7,) in one frame."""
    return ObjectPoses(
        header=header(stamp_ns, frame_id),
        names=list(poses),
        poses=[pose_message(pose) for pose in poses.values()],
    )


def task_progress_message(
    progress: TaskProgress, stamp_ns: int, instruction: str, seed: int, episode: int
) -> TaskProgressMessage:
    """How far the task is."""
    return TaskProgressMessage(
        header=header(stamp_ns),
        task=progress.task,
        instruction=instruction,
        seed=seed,
        episode=episode,
        success=progress.success,
        completion=progress.completion,
        seconds=progress.seconds,
        subtasks=list(progress.subtasks),
        subtasks_done=[bool(done) for done in progress.subtasks_done],  # a NumPy bool would end the process
        failure=progress.failure,
    )


def trajectory_from_message(message: JointTrajectoryMessage) -> JointTrajectory:
    """A trajectory message to the core's; nothing is checked here."""
    points = tuple(
        TrajectoryPoint(time_ns(p.time_from_start), p.positions, p.velocities, p.accelerations) for p in message.points
    )
    return JointTrajectory(tuple(message.joint_names), points, time_ns(message.header.stamp))
