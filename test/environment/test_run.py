"""`run` itself: what it sets, what it keeps, and the one line it says when something is wrong."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN = (
    "MIVLA_INSIDE",
    "ROS_DISTRO",
    "AMENT_PREFIX_PATH",
    "FASTRTPS_DEFAULT_PROFILES_FILE",
    "ROS_AUTOMATIC_DISCOVERY_RANGE",
)


def call(run: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in OWN} | variables
    return subprocess.run(
        [run, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def inside(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A call from within this environment, which is made already."""
    return call(ROOT / "run", "--no-build", *arguments, MIVLA_INSIDE=os.environ["MIVLA_INSIDE"], **variables)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A copy of what `run` consists of, with nothing made yet."""
    shutil.copy(ROOT / "run", tmp_path / "run")
    shutil.copytree(ROOT / "environment", tmp_path / "environment")
    return tmp_path / "run"


@pytest.fixture
def in_environment() -> None:
    if "MIVLA_INSIDE" not in os.environ:
        pytest.skip("these tests were not started by ./run test")


def fake_program(folder: Path, name: str, text: str) -> str:
    """A PATH in which a program answers with a text."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\nprintf '{text}'\n")
    (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def error_line(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that starts with `run:`."""
    assert result.returncode == 1, result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("run:")]
    return line


def test_help_names_the_commands_and_needs_no_environment(bare: Path) -> None:
    result = call(bare, "--help")
    assert result.returncode == 0
    assert "--network" in result.stdout
    assert not (bare.parent / ".environment").exists()


def test_an_unknown_option_is_named(bare: Path) -> None:
    result = call(bare, "--nonsense")
    assert (result.returncode, "--nonsense" in result.stderr) == (2, True)


def test_another_ros_in_the_shell_is_refused(bare: Path) -> None:
    assert "ROS humble sourced" in error_line(
        call(bare, "true", ROS_DISTRO="humble", AMENT_PREFIX_PATH="/opt/ros/humble")
    )


def test_a_jazzy_without_rclpy_is_refused(bare: Path) -> None:
    line = error_line(call(bare, "true", ROS_DISTRO="jazzy", AMENT_PREFIX_PATH="/nowhere"))
    assert "no folder of AMENT_PREFIX_PATH holds rclpy" in line


def test_a_ros_prefix_without_setup_file_is_refused(bare: Path) -> None:
    assert "/nowhere has no setup.bash" in error_line(call(bare, "true", MIVLA_ROS_PREFIX="/nowhere"))


def test_a_full_disk_is_named_with_what_is_needed(bare: Path, tmp_path: Path) -> None:
    path = fake_program(tmp_path / "fake", "df", r"x\n/dev/x 100 90 10240 90%% /\n")
    line = error_line(call(bare, "true", MIVLA_ROS_PREFIX="wheels", PATH=path))
    assert "needs 12 GB free, and its disk has 10 MB" in line


def test_a_wrong_python_is_named(bare: Path, tmp_path: Path) -> None:
    fake_program(tmp_path / "fake", "python3.11", "")
    (tmp_path / "fake/python3.11").write_text("#!/bin/sh\nexit 1\n")
    python = str(tmp_path / "fake/python3.11")
    line = error_line(call(bare, "true", MIVLA_ROS_PREFIX="wheels", MIVLA_PYTHON=python))
    assert f"MIVLA_PYTHON={python} is not a Python 3.12" in line


def test_no_network_is_one_clear_line(bare: Path) -> None:
    closed = "http://127.0.0.1:9/simple"
    variables = {"PIP_INDEX_URL": closed, "PIP_EXTRA_INDEX_URL": "", "UV_DEFAULT_INDEX": closed, "PIP_RETRIES": "0"}
    line = error_line(call(bare, "true", MIVLA_ROS_PREFIX="wheels", PIP_CONFIG_FILE="/dev/null", **variables))
    assert "the package index cannot be reached" in line


@pytest.mark.usefixtures("in_environment")
def test_discovery_stays_on_this_machine_unless_asked() -> None:
    names = ("ROS_AUTOMATIC_DISCOVERY_RANGE", "FASTRTPS_DEFAULT_PROFILES_FILE")
    closed = inside("printenv", *names).stdout.splitlines()
    opened = call(ROOT / "run", "--network", "--no-build", "printenv", *names, MIVLA_INSIDE=os.environ["MIVLA_INSIDE"])
    assert closed == ["LOCALHOST", str(ROOT / "mivla_bringup/config/fastdds_loopback.xml")]
    assert opened.stdout.splitlines() == ["SUBNET", str(ROOT / "mivla_bringup/config/fastdds_network.xml")]


@pytest.mark.usefixtures("in_environment")
def test_the_users_own_values_win() -> None:
    result = inside(
        "printenv",
        "ROS_AUTOMATIC_DISCOVERY_RANGE",
        "FASTRTPS_DEFAULT_PROFILES_FILE",
        ROS_AUTOMATIC_DISCOVERY_RANGE="OFF",
        FASTRTPS_DEFAULT_PROFILES_FILE="/mine.xml",
    )
    assert result.stdout.splitlines() == ["OFF", "/mine.xml"]


@pytest.mark.usefixtures("in_environment")
def test_arguments_and_exit_status_pass_through() -> None:
    result = inside("bash", "-c", 'printf "%s|" "$@"; exit 7', "x", "a b", "$HOME", "*")
    assert (result.stdout, result.returncode) == ("a b|$HOME|*|", 7)


@pytest.mark.usefixtures("in_environment")
@pytest.mark.parametrize("verb", ["launch", "topic", "node", "param", "service", "run", "pkg"])
def test_ros2_has_the_verb(verb: str) -> None:
    assert inside("ros2", verb, "--help").returncode == 0


def test_locks_name_versions_and_hashes_and_no_addresses() -> None:
    locks = sorted((ROOT / "environment/requirements").glob("*.lock"))
    assert len(locks) == 4
    for lock in locks:
        lines = [line for line in lock.read_text().splitlines() if line and not line.lstrip().startswith("#")]
        pins = [line for line in lines if not line.startswith(" ")]
        assert pins and all("==" in pin and pin.endswith("\\") for pin in pins), lock
        assert all(line.strip().startswith("--hash=sha256:") for line in lines if line.startswith(" ")), lock
        assert "://" not in lock.read_text(), lock
