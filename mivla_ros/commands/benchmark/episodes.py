"""Random-access training samples a second: ours from bags, and LeRobot's loader on the same episodes, in one run.

Makes the episodes (two cameras, smooth pictures), converts them to LeRobot v3, and reads the same number of random
samples with the same chunk from both, one process each. LeRobot runs in its own environment (--lerobot PYTHON).
"""

import argparse
import json
import os
import random
import subprocess
import tempfile
import time
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla benchmark episodes`."""
    root = Path(__file__).resolve().parents[3]
    parser.add_argument("--episodes", type=int, default=4, help="how many (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=300, help="random samples a loader (default: %(default)s)")
    parser.add_argument("--height", type=int, default=240, help="of the pictures, 4:3 (default: %(default)s)")
    parser.add_argument(
        "--lerobot",
        type=Path,
        default=root / ".environment/extra/lerobot/bin/python",
        help="Python with lerobot (environment/requirements/extra/lerobot.in)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    from mivla_ros.episodes.clients import lerobot_client
    from mivla_ros.episodes.formats import open_episodes
    from mivla_ros.episodes.lerobot_writer import LeRobotWriter
    from mivla_ros.episodes.training_samples import SampleOptions, TrainingSamples

    rate, chunk = 15.0, 16
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for i in range(arguments.episodes):
            _write_bag(folder / f"bags/{i}", arguments.seconds, arguments.height, i)
        episodes = open_episodes(folder / "bags")
        writer = LeRobotWriter(folder / "set", rate, "piper")
        for i, episode in enumerate(episodes):
            writer.write(i, episode, str(i))
        writer.finish()
        options = SampleOptions(chunk=chunk, step_seconds=1 / rate)
        found = {}
        for name, path in (("bags", folder / "bags"), ("lerobot set, our reader", folder / "set")):
            samples = TrainingSamples(open_episodes(path), options)
            found[name] = _measure(samples, arguments.samples)
        if arguments.lerobot.exists():
            command = [str(arguments.lerobot), lerobot_client.__file__, "measure", str(folder / "set")]
            command += ["--samples", str(arguments.samples), "--chunk", str(chunk), "--step", str(1 / rate)]
            environment = os.environ | {"HF_HOME": str(folder / "hf"), "OMP_NUM_THREADS": "1"}
            environment.pop("PYTHONPATH", None)
            result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            if result.returncode:
                raise ValueError(f"{arguments.lerobot}: {result.stderr.strip().splitlines()[-1]}")
            found["lerobot set, lerobot"] = json.loads(result.stdout.splitlines()[-1])["per_second"]
    if arguments.json:
        print(json.dumps(found))
        return 0
    for name, value in found.items():
        print(f"{name:25} {value:8.1f} samples/s")
    if "lerobot set, lerobot" in found:
        print(f"bags / lerobot            {found['bags'] / found['lerobot set, lerobot']:8.1f}")
    else:
        print(f"lerobot was not measured: {arguments.lerobot} is not there")
    return 0


def _measure(samples, count: int) -> float:  # type: ignore[no-untyped-def]  # noqa: ANN001
    order = random.Random(0).choices(range(len(samples)), k=count + 5)
    for index in order[:5]:
        samples[index]
    began = time.perf_counter()
    for index in order[5:]:
        samples[index]
    return count / (time.perf_counter() - began)


def _write_bag(folder: Path, seconds: float, height: int, seed: int) -> None:
    import cv2
    import numpy as np

    from mivla_ros.episodes.episode_bag import EpisodeBag
    from mivla_ros.robots.profile import load_profile

    generator = np.random.default_rng(seed)
    profile, width = load_profile("piper"), height * 4 // 3
    scene = cv2.resize(generator.integers(0, 255, (24, 64, 3), dtype=np.uint8), (2 * width, height))
    with EpisodeBag(folder, profile, "move", "success") as bag:
        for i in range(int(seconds * 100) + 1):
            joints = np.append(0.2 * np.sin(i / 100 + np.arange(6)), 0.05)
            bag.add_joints(i * 10_000_000 + 10**9, profile.joint_names, joints.tolist())
            if i % 2 == 0:
                bag.add_commands(i * 10_000_000 + 10**9, profile.joint_names, joints.tolist())
        for i in range(int(seconds * 15)):
            for camera in profile.cameras:
                shift = int(width * (0.5 + 0.5 * np.sin(i / 20)))
                picture = scene[:, shift : shift + width]
                bag.add_rgb(camera.name, 10**9 + 5_000_000 + round(i * 1e9 / 15), picture)
