"""A head and a wrist camera without cameras: pictures by their profile's size, rate and frame, as drivers publish them.

The wrist's picture moves with the joints, of the head's only a corner does. One may be out of focus, or both swapped.
"""

import math

import cv2
import numpy as np
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, JointState

from mivla_ros.robots.profile import CameraProfile, load_profile
from test.doctor.healthy import blurred, texture

PIXELS_OF_RADIAN = 200.0


class Cameras(Node):
    """All cameras of a profile."""

    def __init__(self, robot: str, unsharp: str, swapped: bool) -> None:
        super().__init__("cameras")
        self._unsharp, self._swapped, self._turned = unsharp, swapped, 0.0
        self._scene = {camera.name: texture(len(camera.name)) for camera in load_profile(robot).cameras}
        self.create_subscription(JointState, "joint_states", self._on_joints, qos_profile_sensor_data)
        for camera in load_profile(robot).cameras:
            pictures = self.create_publisher(
                CompressedImage, f"{camera.name}/image_raw/compressed", qos_profile_sensor_data
            )
            infos = self.create_publisher(CameraInfo, f"{camera.name}/camera_info", qos_profile_sensor_data)
            self.create_timer(1.0 / camera.rate, lambda c=camera, p=pictures, i=infos: self._show(c, p, i))

    def _on_joints(self, message: JointState) -> None:
        self._turned = sum(message.position)

    def _picture(self, camera: CameraProfile) -> np.ndarray:
        shift = round(self._turned * PIXELS_OF_RADIAN)
        picture = self._scene[camera.name]
        if ("wrist" in camera.name) != self._swapped:
            picture = np.roll(picture, shift, axis=1)
        else:
            picture = picture.copy()
            picture[:12, :12] = np.roll(picture[:12, :12], shift, axis=1)
        return blurred(picture) if camera.name == self._unsharp else picture

    def _show(self, camera: CameraProfile, pictures: object, infos: object) -> None:
        stamp = self.get_clock().now().to_msg()
        image = CompressedImage(format="jpeg")
        image.header.stamp, image.header.frame_id = stamp, camera.frame
        _, data = cv2.imencode(".jpg", self._picture(camera))
        image.data = data.tobytes()
        pictures.publish(image)
        info = CameraInfo(width=camera.width, height=camera.height)
        info.header = image.header
        focal = camera.height / 2 / math.tan(camera.vertical_fov / 2)
        info.k = [focal, 0.0, camera.width / 2, 0.0, focal, camera.height / 2, 0.0, 0.0, 1.0]
        infos.publish(info)
