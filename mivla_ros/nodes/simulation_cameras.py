"""Cameras of the simulation: pictures drawn and published in one thread of their own, so that physics
never waits."""

import queue
import threading
import time
from collections import Counter

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mivla_ros.nodes import qos
from mivla_ros.nodes.simulation_messages import camera_info_message, compressed_message, header, image_message
from mivla_ros.robots.profile import CameraProfile
from mivla_ros.simulation.errors import RenderingError
from mivla_ros.simulation.pacing import Schedule
from mivla_ros.simulation.rendering import SceneRenderer
from mivla_ros.simulation.simulation import Simulation
from mivla_ros.simulation.state import Snapshot

BACKLOG = 2  # snapshots that may wait; one more is dropped, for it would be old when drawn


class _Camera:
    """Publishers and schedule of one camera."""

    def __init__(self, node: Node, simulation: Simulation, profile: CameraProfile) -> None:
        self.profile = profile
        self.schedule = Schedule(profile.rate, simulation.time_ns)
        self.image = node.create_publisher(Image, f"{profile.name}/image_raw", qos.IMAGE_PUBLISHER)
        self.jpeg = node.create_publisher(CompressedImage, f"{profile.name}/image_raw/compressed", qos.IMAGE_PUBLISHER)
        self.info = node.create_publisher(CameraInfo, f"{profile.name}/camera_info", qos.IMAGE_PUBLISHER)
        self.info_message = camera_info_message(simulation.intrinsics(profile.name))

    def wanted(self) -> bool:
        return any(p.get_subscription_count() for p in (self.image, self.jpeg, self.info))


class Cameras:
    """All cameras of the robot. ``offer`` from the physics thread; the drawing happens here."""

    def __init__(self, node: Node, simulation: Simulation, jpeg_quality: int) -> None:
        self._node, self._model, self._quality = node, simulation.model, jpeg_quality
        self._cameras = [_Camera(node, simulation, profile) for profile in simulation.profile.cameras]
        self._renderers: dict[tuple[int, int], SceneRenderer] = {}
        self._jobs: queue.Queue[tuple[Snapshot, list[_Camera]] | None] = queue.Queue(BACKLOG)
        self.drawn: Counter[str] = Counter({camera.profile.name: 0 for camera in self._cameras})
        self.dropped: Counter[str] = Counter({camera.profile.name: 0 for camera in self._cameras})
        self.drawing_seconds = 0.0
        self.failure: RenderingError | None = None
        self._thread = threading.Thread(target=self._run, name="cameras")

    def start(self) -> None:
        """Begin to draw."""
        self._thread.start()

    def offer(self, simulation: Simulation) -> None:
        """Take a copy of the state if a camera is due and somebody listens; never waits."""
        due = [camera for camera in self._cameras if camera.schedule.due(simulation.time_ns) and camera.wanted()]
        if not due or self.failure is not None:
            return
        try:
            self._jobs.put_nowait((simulation.snapshot(), due))
        except queue.Full:
            self.dropped.update(camera.profile.name for camera in due)

    def stop(self) -> None:
        """End the thread; what waits is not drawn any more."""
        if not self._thread.is_alive():
            return
        while True:
            try:
                self._jobs.get_nowait()
            except queue.Empty:
                break
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            # at once, so that the first picture is not late and a machine that cannot draw says so
            for camera in self._cameras:
                size = (camera.profile.width, camera.profile.height)
                if size not in self._renderers:
                    self._renderers[size] = SceneRenderer(self._model, *size)
            while (job := self._jobs.get()) is not None:
                snapshot, cameras = job
                for camera in cameras:
                    self._publish(snapshot, camera)
        except RenderingError as error:
            self.failure = error
            self._node.get_logger().error(str(error))
        except Exception:  # publishing fails once the context is down, and only then is that all right
            if self._node.context.ok():
                raise
        finally:
            for renderer in self._renderers.values():
                renderer.close()

    def _publish(self, snapshot: Snapshot, camera: _Camera) -> None:
        image_header = header(snapshot.time_ns, camera.profile.frame)
        camera.info_message.header = image_header
        camera.info.publish(camera.info_message)
        wants_image, wants_jpeg = camera.image.get_subscription_count(), camera.jpeg.get_subscription_count()
        if not (wants_image or wants_jpeg):
            return
        began = time.monotonic()
        renderer = self._renderers[camera.profile.width, camera.profile.height]
        rgb = renderer.draw(snapshot, camera.profile.name)
        self.drawing_seconds += time.monotonic() - began
        self.drawn[camera.profile.name] += 1
        if wants_image:
            camera.image.publish(image_message(rgb, image_header))
        if wants_jpeg:
            camera.jpeg.publish(compressed_message(rgb, image_header, self._quality))
