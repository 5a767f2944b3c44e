"""Subscriptions of the policy node: messages in, samples into the synchroniser."""

from collections.abc import Callable, Sequence
from functools import partial

from cv_bridge import CvBridge, CvBridgeError
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CompressedImage, Image, JointState

from mivla_msgs.msg import ObjectPoses
from mivla_ros.nodes import qos
from mivla_ros.nodes.conversions import pose_array, time_ns
from mivla_ros.observations import Synchroniser
from mivla_ros.observations.compressed_image import rgb_from_compressed
from mivla_ros.robots.profile import CameraProfile


class PolicyInputs:
    """Feeds a synchroniser. ``on_complete`` is called when every camera (or, without one, the joints) has
    delivered anew.
    """

    def __init__(
        self,
        node: LifecycleNode,
        synchroniser: Synchroniser,
        cameras: Sequence[CameraProfile],
        compressed: bool,
        on_complete: Callable[[], None],
    ) -> None:
        self._node = node
        self._synchroniser = synchroniser
        self._bridge = CvBridge()
        self._on_complete = on_complete
        self._cameras = frozenset(camera.name for camera in cameras)
        self._fresh: set[str] = set()
        self._subscriptions = [node.create_subscription(JointState, "joint_states", self._on_joints, qos.JOINT_STATES)]
        for camera in cameras:
            topic = f"{camera.name}/image_raw" + ("/compressed" if compressed else "")
            kind = CompressedImage if compressed else Image
            callback = partial(self._on_image, camera.name)
            self._subscriptions.append(node.create_subscription(kind, topic, callback, qos.SENSOR))
        if synchroniser.needs_objects:
            topic = "simulation/objects"
            self._subscriptions.append(node.create_subscription(ObjectPoses, topic, self._on_objects, qos.STREAM))

    def close(self) -> None:
        """End every subscription."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _on_image(self, camera: str, message: Image | CompressedImage) -> None:
        try:
            if isinstance(message, CompressedImage):
                rgb = rgb_from_compressed(memoryview(message.data))
            else:
                rgb = self._bridge.imgmsg_to_cv2(message, "rgb8")
        except (CvBridgeError, ValueError, TypeError) as error:
            self._synchroniser.add_fault(camera, str(error))
            return
        self._synchroniser.add_image(camera, time_ns(message.header.stamp), rgb, message.header.frame_id)
        self._fresh.add(camera)
        if self._fresh >= self._cameras:
            self._fresh.clear()
            self._on_complete()

    def _on_joints(self, message: JointState) -> None:
        self._synchroniser.add_joints(time_ns(message.header.stamp), message.name, message.position)
        if not self._cameras:
            self._on_complete()

    def _on_objects(self, message: ObjectPoses) -> None:
        if len(message.names) != len(message.poses):
            words = f"{len(message.names)} names, {len(message.poses)} poses"
            self._synchroniser.add_fault("simulation/objects", words)
            return
        poses = {name: pose_array(pose) for name, pose in zip(message.names, message.poses, strict=True)}
        self._synchroniser.add_objects(time_ns(message.header.stamp), poses, message.header.frame_id)
