"""What recording costs, and what is lost: the suite's recorder against a plain one, in turn, in one run.

    ros2 run mivla_ros benchmark_recording --seconds 60

Three 640x480 cameras at 30 Hz (JPEG) and joint states at 200 Hz, each stream from one publisher process at real rates.
The plain recorder is what one writes with rclpy in an afternoon: it takes messages, decodes every image, encodes it
again and writes it with rosbags. Messages are counted in the finished bags against what was sent; publishing begins
when the recorder listens to every topic and ends before it is asked to stop.
"""

import argparse
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import rclpy
import yaml
from rclpy.node import Node
from rclpy.serialization import serialize_message
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from scipy.ndimage import gaussian_filter
from sensor_msgs.msg import CompressedImage, JointState

from mivla_ros.episodes.bag_writer import suite_typestore
from mivla_ros.episodes.recording.bag_metadata import read_custom_data
from mivla_ros.episodes.recording.episode_info import profile_text
from mivla_ros.nodes import qos
from mivla_ros.nodes.conversions import time_message

CAMERAS = ("front_camera", "left_camera", "right_camera")
WIDTH, HEIGHT, IMAGE_RATE, JOINT_RATE = 640, 480, 30, 200
TOPICS = {f"/{name}/image_raw/compressed": IMAGE_RATE for name in CAMERAS} | {"/joint_states": JOINT_RATE}
START_SECONDS = 60.0


@dataclass(frozen=True)
class Result:
    """One run. cpu: share of one core. megabytes: written a second. sent and recorded: messages by topic. told: what
    the recording itself says was lost, by topic; None where it says nothing."""

    cpu: float
    megabytes: float
    sent: dict[str, int]
    recorded: dict[str, int]
    told: dict[str, int] | None

    @property
    def lost(self) -> int:
        """Messages sent and not recorded."""
        return sum(self.sent[topic] - self.recorded.get(topic, 0) for topic in self.sent)


def robot_profile(folder: Path) -> Path:
    """The PiPer's profile with three cameras and faster joint states, as a file."""
    profile = yaml.safe_load(profile_text("piper"))
    camera = profile["cameras"][0]
    profile["cameras"] = [
        camera | {"name": name, "width": WIDTH, "height": HEIGHT, "rate": float(IMAGE_RATE)} for name in CAMERAS
    ]
    profile["joint_state_rate"] = float(JOINT_RATE)
    path = folder / "three_cameras.yaml"
    path.write_text(yaml.safe_dump(profile), "utf-8")
    return path


def pictures() -> list[bytes]:
    """Eight JPEGs with detail of every size."""
    import simplejpeg

    made = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        grey = sum(gaussian_filter(rng.normal(size=(HEIGHT, WIDTH)), s) * s for s in (2, 4, 8, 16))
        grey = (grey - grey.min()) / np.ptp(grey) * 255
        rgb = np.repeat(grey[:, :, None], 3, axis=2).astype(np.uint8)
        made.append(simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), quality=90))
    return made


def publish(seconds: float) -> None:
    """Send at real rates for so long, once somebody listens to every topic; print what was sent, by topic, as JSON."""
    rclpy.init()
    node = Node("benchmark_publisher")
    publishers = {
        topic: node.create_publisher(CompressedImage, topic, qos.IMAGE_PUBLISHER)
        for topic in TOPICS
        if topic != "/joint_states"
    }
    joints = node.create_publisher(JointState, "/joint_states", qos.STREAM)
    images = [
        bytearray(serialize_message(_image(jpeg))) for jpeg in pictures()
    ]  # stamped in place: serialising them costs the time that the recorders need
    state = bytearray(serialize_message(_joint_state()))
    deadline = time.monotonic() + START_SECONDS
    while not all(p.get_subscription_count() for p in (joints, *publishers.values())) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2.0)  # matched on this side does not yet mean matched on the other
    sent = dict.fromkeys(TOPICS, 0)
    began = time.monotonic()
    for tick in range(round(seconds * JOINT_RATE)):
        time.sleep(max(0.0, began + tick / JOINT_RATE - time.monotonic()))
        joints.publish(_stamped(state))
        sent["/joint_states"] += 1
        if (tick + 1) * IMAGE_RATE // JOINT_RATE > tick * IMAGE_RATE // JOINT_RATE:
            for number, (topic, publisher) in enumerate(publishers.items()):
                publisher.publish(_stamped(images[(sent[topic] + number) % len(images)]))
                sent[topic] += 1
    sys.stdout.write(json.dumps({"sent": sent, "seconds": time.monotonic() - began}))
    sys.stdout.flush()
    time.sleep(1.0)
    node.destroy_node()
    rclpy.try_shutdown()


def _image(jpeg: bytes) -> CompressedImage:
    message = CompressedImage(format="jpeg")
    message.header.frame_id = "camera"
    message.data = jpeg
    return message


def _joint_state() -> JointState:
    return JointState(name=[f"joint{i + 1}" for i in range(6)] + ["gripper"], position=[0.0] * 7, velocity=[0.0] * 7)


def _stamped(serialised: bytearray) -> bytes:
    stamp = time_message(time.time_ns())
    struct.pack_into("<iI", serialised, 4, stamp.sec, stamp.nanosec)
    return bytes(serialised)


def record_plainly(folder: Path) -> None:
    """The plain recorder, until SIGINT."""
    from cv_bridge import CvBridge
    from rclpy.executors import ExternalShutdownException

    rclpy.init()
    node, bridge, store = Node("plain_recorder"), CvBridge(), suite_typestore()
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {
            topic: writer.add_connection(
                topic, f"sensor_msgs/msg/{'CompressedImage' if 'image' in topic else 'JointState'}", typestore=store
            )
            for topic in TOPICS
        }

        def on_image(topic: str, message: CompressedImage) -> None:
            again = bridge.cv2_to_compressed_imgmsg(bridge.compressed_imgmsg_to_cv2(message, "bgr8"))
            again.header = message.header
            writer.write(connections[topic], time.time_ns(), serialize_message(again))

        def on_joints(message: JointState) -> None:
            writer.write(connections["/joint_states"], time.time_ns(), serialize_message(message))

        for topic in TOPICS:
            if "image" in topic:
                node.create_subscription(CompressedImage, topic, lambda m, t=topic: on_image(t, m), qos.SENSOR)
            else:
                node.create_subscription(JointState, topic, on_joints, qos.STREAM)
        with suppress(KeyboardInterrupt, ExternalShutdownException):
            rclpy.spin(node)
    rclpy.try_shutdown()


def measure(kind: str, seconds: float, folder: Path) -> Result:
    """One run of one recorder into a new folder."""
    me = [sys.executable, "-m", "mivla_ros.nodes.benchmarks.recording"]
    target = folder / f"{kind}_{time.monotonic_ns()}"
    if kind == "plain":
        command = [*me, "--record-plainly", str(target)]
    else:
        options = (f"robot:={robot_profile(folder)}", f"folder:={target}", "automatic:=true")
        command = [sys.executable, "-m", "mivla_ros.nodes.recorder_node", "--ros-args"]
        command += [part for option in options for part in ("-p", option)]
    recorder = subprocess.Popen(command, env=os.environ, stdout=sys.stderr)
    publisher = subprocess.Popen([*me, "--publish", str(seconds)], env=os.environ, stdout=subprocess.PIPE)
    try:
        process = psutil.Process(recorder.pid)
        time.sleep(min(8.0, START_SECONDS))  # both have started and found each other; imports are not counted
        before, since = sum(process.cpu_times()[:2]), time.monotonic()
        output, _ = publisher.communicate(timeout=seconds + 2 * START_SECONDS)
        after, until = sum(process.cpu_times()[:2]), time.monotonic()
        recorder.send_signal(signal.SIGINT)
        recorder.wait(120)
    finally:
        for child in (publisher, recorder):
            if child.poll() is None:
                child.kill()
                child.wait()
    sent = json.loads(output)
    bag = target if kind == "plain" else next(target.iterdir())
    with AnyReader([bag], default_typestore=suite_typestore()) as reader:
        recorded = {c.topic: c.msgcount for c in reader.connections}
    size = sum(file.stat().st_size for file in bag.iterdir())
    custom = read_custom_data(bag)
    return Result(
        cpu=(after - before) / (until - since),
        megabytes=size / 1e6 / sent["seconds"],
        sent=sent["sent"],
        recorded=recorded,
        told=json.loads(custom["lost"]) if "lost" in custom else None,
    )


def main() -> None:
    """Entry point of the command."""
    parser = argparse.ArgumentParser(description="CPU, size and loss of recording, against a plain recorder.")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each run")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", choices=("suite", "plain"), help="run only one of the two")
    parser.add_argument("--publish", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--record-plainly", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.publish:
        return publish(arguments.publish)
    if arguments.record_plainly:
        return record_plainly(arguments.record_plainly)
    print("| recorder | seconds | sent | lost | lost, by its own count | CPU, one core | MB/s | load |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory(prefix="benchmark_recording_") as folder:
        for _ in range(arguments.rounds):
            for kind in ("suite", "plain"):
                if arguments.only not in (None, kind):
                    continue
                result = measure(kind, arguments.seconds, Path(folder))
                told = "says nothing" if result.told is None else str(sum(result.told.values()))
                print(
                    f"| {kind} | {arguments.seconds:g} | {sum(result.sent.values())} | {result.lost} | {told} "
                    f"| {result.cpu:.1%} | {result.megabytes:.2f} | {os.getloadavg()[0]:.1f} |",
                    flush=True,
                )
    return None


if __name__ == "__main__":
    main()
