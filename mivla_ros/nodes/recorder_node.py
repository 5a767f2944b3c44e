"""Records every stream of one robot into a rosbag2 folder (MCAP), from start to SIGINT. Messages are never decoded."""

from datetime import datetime
from functools import partial
from pathlib import Path

from rclpy.node import Node
from rosidl_runtime_py.utilities import get_message

from mivla_ros import __version__
from mivla_ros.episodes.bag_writer import BagWriter, RecordingError
from mivla_ros.episodes.topics import recorded_topics
from mivla_ros.nodes import qos
from mivla_ros.nodes.process import run_node
from mivla_ros.nodes.recorder_node_parameters import recorder_node_parameters
from mivla_ros.robots.profile import load_profile


class RecorderNode(Node):
    """One recording, open as long as the node lives."""

    def __init__(self) -> None:
        super().__init__("recorder")
        parameters = recorder_node_parameters.ParamListener(self).get_params()
        profile = load_profile(parameters.robot)
        name = f"{profile.name}_{datetime.now().astimezone():%Y-%m-%d_%H-%M-%S_%f}"
        topics = {self.resolve_topic_name(topic.name): topic for topic in recorded_topics(profile)}
        self.status: int | None = None
        self._writer = BagWriter(
            Path(parameters.folder) / name,
            topics,
            {"robot": profile.name, "profile_hash": profile.hash, "mivla_version": __version__},
        )
        for full_name, topic in topics.items():
            self.create_subscription(
                get_message(topic.type),
                full_name,
                partial(self._on_message, full_name),
                qos.STATE if topic.latched else qos.SENSOR,
                raw=True,
            )
        self.get_logger().info(f"recording {len(topics)} topics into {self._writer.folder}")

    def _on_message(self, topic: str, data: bytes) -> None:
        if self.status is not None:
            return
        try:
            self._writer.write(topic, self.get_clock().now().nanoseconds, data)
        except RecordingError as error:
            self._fail(error)

    def _fail(self, error: RecordingError) -> None:
        self.get_logger().fatal(str(error))
        self.status = 1

    def start(self) -> None:
        """Nothing to do: it records from the first message on."""

    def close(self) -> None:
        """Finish the file and say what is in it."""
        try:
            self._writer.close()
        except RecordingError as error:
            self._fail(error)
            return
        silent = [topic for topic, count in self._writer.counts.items() if count == 0]
        self.get_logger().info(
            f"recorded {sum(self._writer.counts.values())} messages into {self._writer.folder}"
            + (f"; nothing came on {', '.join(silent)}" if silent else "")
        )


def main() -> None:
    """Entry point of the executable."""
    run_node("recorder", RecorderNode, RecordingError, ValueError)


if __name__ == "__main__":
    main()
