"""How many images arrive, and how late: the suite's Fast DDS profile against the default, in turn, in one run.

    ros2 run mivla_ros benchmark_images

Each round starts a publisher and a subscriber process for every transport. 640x480 rgb8 images go out best effort at
30 Hz, after both have found each other, so nothing is lost to discovery. Latency is from the stamp in the header,
taken just before publishing, to the callback.
"""

import argparse
import array
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rclpy
from ament_index_python.packages import get_package_share_directory
from rclpy.node import Node
from sensor_msgs.msg import Image

from mivla_ros.nodes import qos
from mivla_ros.nodes.conversions import time_message, time_ns
from mivla_ros.nodes.executor import make_executor

TOPIC = "benchmark/image_raw"
WIDTH, HEIGHT = 640, 480


@dataclass(frozen=True)
class Result:
    """One round of one transport: images sent and received, latencies in milliseconds."""

    sent: int
    received: int
    latency_median: float
    latency_p99: float


def transports() -> dict[str, dict[str, str]]:
    """Environment variables of each transport that is measured; an empty value unsets the variable."""
    profile = Path(get_package_share_directory("mivla_bringup")) / "config" / "fastdds_loopback.xml"
    none = {"FASTRTPS_DEFAULT_PROFILES_FILE": "", "FASTDDS_BUILTIN_TRANSPORTS": ""}
    return {
        "suite's profile": none | {"FASTRTPS_DEFAULT_PROFILES_FILE": str(profile)},
        "default": none,
        "LARGE_DATA": none | {"FASTDDS_BUILTIN_TRANSPORTS": "LARGE_DATA"},
    }


def publish(count: int, rate: float) -> None:
    """Send ``count`` images once a subscriber is there."""
    rclpy.init()
    node = Node("benchmark_publisher")
    publisher = node.create_publisher(Image, TOPIC, qos.IMAGE_PUBLISHER)
    deadline = time.monotonic() + 20
    while publisher.get_subscription_count() == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)  # matched on this side does not yet mean matched on the other
    pixels = np.random.default_rng(0).integers(0, 255, WIDTH * HEIGHT * 3, dtype=np.uint8)
    message = Image(width=WIDTH, height=HEIGHT, encoding="rgb8", step=WIDTH * 3)
    message.data = array.array("B", pixels.tobytes())
    start = time.monotonic()
    for i in range(count):
        time.sleep(max(0.0, start + i / rate - time.monotonic()))
        message.header.stamp = time_message(time.time_ns())
        publisher.publish(message)
    time.sleep(1.0)
    node.destroy_node()
    rclpy.try_shutdown()


def receive(seconds: float) -> None:
    """Receive for so long; print the latencies (ms) as JSON."""
    rclpy.init()
    node = Node("benchmark_subscriber")
    latencies: list[float] = []
    node.create_subscription(
        Image, TOPIC, lambda m: latencies.append((time.time_ns() - time_ns(m.header.stamp)) / 1e6), qos.SENSOR
    )
    executor = make_executor(node)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        executor.spin_once(timeout_sec=0.2)
    sys.stdout.write(json.dumps(latencies))
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown()


def measure(variables: dict[str, str], count: int, rate: float) -> Result:
    """One round of one transport, in two processes."""
    environment = {k: v for k, v in (os.environ | variables).items() if v or k not in variables}
    seconds = count / rate + 6
    me = [sys.executable, "-m", "mivla_ros.nodes.benchmarks.images"]
    receiver = subprocess.Popen([*me, "--receive", str(seconds)], env=environment, stdout=subprocess.PIPE)
    sender = subprocess.Popen([*me, "--publish", str(count), "--rate", str(rate)], env=environment)
    try:
        output, _ = receiver.communicate(timeout=seconds + 60)
        sender.wait(30)
    finally:
        for process in (receiver, sender):
            if process.poll() is None:
                process.kill()
    latencies = json.loads(output) or [float("nan")]
    received = 0 if np.isnan(latencies[0]) else len(latencies)
    return Result(count, received, statistics.median(latencies), float(np.percentile(latencies, 99)))


def main() -> None:
    """Entry point of the command."""
    parser = argparse.ArgumentParser(description="Images received of images sent, by transport.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=150, help="images a round")
    parser.add_argument("--rate", type=float, default=30.0, help="images a second")
    parser.add_argument("--publish", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--receive", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.publish:
        return publish(arguments.publish, arguments.rate)
    if arguments.receive:
        return receive(arguments.receive)
    results: dict[str, list[Result]] = {name: [] for name in transports()}
    for i in range(arguments.rounds):
        for name, variables in transports().items():
            result = measure(variables, arguments.count, arguments.rate)
            results[name].append(result)
            sys.stderr.write(f"round {i + 1}: {name}: {result.received} of {result.sent}\n")
    print("| transport | received, each round | median latency ms | 99 % latency ms |")
    print("| --- | --- | --- | --- |")
    for name, rounds in results.items():
        received = ", ".join(f"{r.received} of {r.sent}" for r in rounds)
        median = statistics.median(r.latency_median for r in rounds)
        worst = statistics.median(r.latency_p99 for r in rounds)
        print(f"| {name} | {received} | {median:.2f} | {worst:.2f} |")
    return None


if __name__ == "__main__":
    main()
