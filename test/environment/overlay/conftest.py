"""The overlay's packages from their sources, and a private ROS graph for the live tests."""

import importlib.util
import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

OVERLAY = Path(__file__).resolve().parents[3] / "environment" / "overlay"


def _source(package: str) -> ModuleType:
    """Load a package of the overlay beside an installed one of the same name, as overlay_NAME."""
    alias = f"overlay_{package}"
    if alias not in sys.modules:
        folder = OVERLAY / package / package
        spec = importlib.util.spec_from_file_location(
            alias, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[alias] = module
        try:
            spec.loader.exec_module(module)
        except ImportError:
            del sys.modules[alias]
            raise
    return sys.modules[alias]


def _source_or_skip(package: str, *needs: str) -> ModuleType:
    for need in needs:
        pytest.importorskip(need, reason=f"{package} needs {need}: no ROS here", exc_type=ImportError)
    return _source(package)


@pytest.fixture(scope="session")
def tf_transformations() -> ModuleType:
    """The overlay's tf_transformations."""
    return _source("tf_transformations")


@pytest.fixture(scope="session")
def cv_bridge() -> ModuleType:
    """The overlay's cv_bridge."""
    return _source_or_skip("cv_bridge", "cv2", "sensor_msgs.msg", "std_msgs.msg")


@pytest.fixture(scope="session")
def urdf() -> ModuleType:
    """The URDF reader of the overlay's robot_state_publisher."""
    _source("robot_state_publisher")
    return importlib.import_module("overlay_robot_state_publisher.urdf")


@pytest.fixture(scope="session")
def state_publisher() -> ModuleType:
    """The node module of the overlay's robot_state_publisher."""
    _source_or_skip("robot_state_publisher", "rclpy", "tf2_msgs.msg", "sensor_msgs.msg")
    return importlib.import_module("overlay_robot_state_publisher.node")


@pytest.fixture(scope="session")
def launch_api() -> ModuleType:
    """The overlay's ros2launch.api."""
    _source_or_skip("ros2launch", "launch", "ament_index_python")
    return importlib.import_module("overlay_ros2launch.api")


@pytest.fixture(scope="session")
def arm() -> str:
    """A robot with a turning, a sliding, a fixed and a mimicking joint, as URDF."""
    return Path(__file__).with_name("arm.urdf").read_text()


def _free_domain() -> int:
    # A participant binds UDP port 7400 + 250 * domain + 10 first: where that is free, nobody is at home.
    for domain in random.sample(range(1, 101), 100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", 7410 + 250 * domain))
            except OSError:
                continue
        return domain
    pytest.skip("no free ROS_DOMAIN_ID on this machine")


@pytest.fixture(scope="module")
def ros_environment() -> Iterator[dict[str, str]]:
    """Environment of a ROS graph of its own on this machine; also set in this process."""
    pytest.importorskip("rclpy", reason="no ROS here", exc_type=ImportError)
    if shutil.which("ros2") is None:
        pytest.skip("no ros2 command here")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(_free_domain()))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        patch.setenv("PYTHONUNBUFFERED", "1")
        yield dict(os.environ)


@pytest.fixture(scope="session")
def built() -> Callable[[str], None]:
    """Skip unless the package that ROS finds is the overlay's own."""

    def check(package: str) -> None:
        from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

        try:
            manifest = Path(get_package_share_directory(package), "package.xml").read_text()
        except PackageNotFoundError:
            pytest.skip(f"the overlay's {package} is not built here")
        if "maintainers@mivla.dev" not in manifest:
            pytest.skip(f"{package} here is the real one, not the overlay's")

    return check


@pytest.fixture
def start(ros_environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start processes whose output is read as text; they are ended with the test."""
    running: list[subprocess.Popen[str]] = []

    def begin(*command: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command,
            env={**ros_environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.send_signal(2)
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker of tests that need a running ROS."""
    config.addinivalue_line("markers", "ros: needs a ROS environment (skipped where there is none)")
