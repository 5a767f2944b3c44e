"""Installs mivla_ros, as a ROS package (colcon) or as a plain Python package (pip) where there is no ROS."""

import os
import sys
from contextlib import redirect_stdout
from itertools import groupby
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "mivla_ros"
HERE = Path(__file__).resolve().parent
NODES = HERE / PACKAGE / "nodes"


def generate_parameters() -> None:
    """Make nodes/NAME_parameters.py from nodes/parameters/NAME.yaml, where generate_parameter_library is installed."""
    try:
        from generate_parameter_library_py.generate_python_module import run
    except ImportError:  # no ROS here: the nodes cannot run anyway
        return
    for yaml_file in sorted((NODES / "parameters").glob("*.yaml")):
        module = NODES / f"{yaml_file.stem}_parameters.py"
        if not module.exists() or module.stat().st_mtime < yaml_file.stat().st_mtime:
            with redirect_stdout(sys.stderr):  # colcon reads what setup.py prints
                run(str(module), str(yaml_file), "")


def data_files() -> list[tuple[str, list[str]]]:
    """The ament index mark, package.xml and every file under urdf/, each in its share folder."""
    files = sorted(p.relative_to(HERE) for p in (HERE / "urdf").rglob("*") if p.is_file())
    # colcon puts entry points where only `ros2 run` looks; pip puts them into bin/ by itself.
    commands = [("bin", ["scripts/mivla"])] if "AMENT_PREFIX_PATH" in os.environ else []
    return [
        *commands,
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        *(
            (f"share/{PACKAGE}/{folder}", [str(f) for f in members])
            for folder, members in groupby(files, key=lambda f: f.parent)
        ),
    ]


generate_parameters()

setup(
    name=PACKAGE,
    version="0.1.0",
    description="Vision-language-action policies with human-robot mutual imitation on real robots",
    author="MiVLA maintainers",
    maintainer="MiVLA maintainers",
    maintainer_email="maintainers@mivla.dev",
    license="Apache-2.0",
    python_requires=">=3.12",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={
        PACKAGE: [
            "py.typed",
            "evaluation/*.j2",
            "checkpoints/*/*.json",
            "checkpoints/*/*.safetensors",
            "nodes/parameters/*.yaml",
            "robots/*.yaml",
            "serving/adapters/*.yaml",
            "serving/robotwin_side/*.yml",
        ]
    },
    data_files=data_files(),
    install_requires=["numpy>=1.26", "scipy>=1.11", "PyYAML", "numba>=0.59", "xacro"],
    extras_require={
        "simulation": ["mujoco>=4.0"],
        "imitation": ["mujoco>=4.0", "av", "h5py", "opencv-python-headless", "tqdm"],
        "episodes": ["rosbags>=0.11", "mcap>=1.6", "h5py", "pyarrow", "av", "simplejpeg", "tqdm", "matplotlib"],
        "model": [
            "torch>=2.11",
            "transformers>=5",
            "safetensors",
            "onnx",
            "onnxscript",
            "onnxruntime",
            "simplejpeg",
        ],
        "serving": ["websockets>=14", "msgpack", "pillow"],
        "training": ["accelerate", "peft", "tensorboard", "matplotlib", "tqdm"],
    },
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "mivla = mivla_ros.commands.main:main",
            "benchmark_images = mivla_ros.nodes.benchmarks.images:main",
            "benchmark_seeds = mivla_ros.nodes.benchmarks.seeds:main",
            "benchmark_recording = mivla_ros.nodes.benchmarks.recording:main",
            "benchmark_deadlines = mivla_ros.nodes.benchmarks.deadlines:main",
            "benchmark_latency = mivla_ros.nodes.benchmarks.latency:main",
            "hardware_node = mivla_ros.nodes.hardware_node:main",
            "recorder_node = mivla_ros.nodes.recorder_node:main",
            "policy_node = mivla_ros.nodes.policy_node:main",
            "retargeting_node = mivla_ros.nodes.retargeting_node:main",
            "simulation_node = mivla_ros.nodes.simulation_node:main",
            "task_watch_node = mivla_ros.nodes.task_watch_node:main",
        ],
    },
)
