"""The node's own share, from a chunk's bytes to its trajectories' bytes. Measured by a process that has ROS."""

import subprocess
import sys
from importlib.util import find_spec


def measure(rounds: int) -> str:
    """A table in Markdown; one line that says so where ROS is not there."""
    if find_spec("rclpy") is None:
        return "The node's share was not measured: ROS is not there."
    command = [sys.executable, "-m", "mivla_ros.nodes.benchmarks.retargeting", "--rounds", str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        return f"The node's share was not measured: {' '.join(command[1:])}: {last}"
    return done.stdout.strip()
