"""The overlay's ros2launch: arguments, files and, where ROS runs, the command itself."""

import os
import signal
import subprocess
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Start = Callable[..., "subprocess.Popen[str]"]

GREETING = """
    from launch import LaunchDescription
    from launch.actions import DeclareLaunchArgument, LogInfo
    from launch.substitutions import LaunchConfiguration

    def generate_launch_description():
        return LaunchDescription([
            DeclareLaunchArgument("name", description="whom to greet"),
            DeclareLaunchArgument("tone", default_value="kind", choices=["kind", "gruff"], description="how"),
            LogInfo(msg=["hello ", LaunchConfiguration("name"), ", ", LaunchConfiguration("tone")]),
        ])
"""
SLEEPER = """
    import sys
    from launch import LaunchDescription
    from launch.actions import ExecuteProcess

    def generate_launch_description():
        script = "import os, time; print('pid', os.getpid(), flush=True); time.sleep(120)"
        return LaunchDescription([ExecuteProcess(cmd=[sys.executable, "-c", script], output="log")])
"""


@pytest.fixture
def launch_file(tmp_path: Path) -> Callable[[str], Path]:
    """Write a launch file and return its path."""

    def write(text: str) -> Path:
        path = tmp_path / "here.launch.py"
        path.write_text(textwrap.dedent(text))
        return path

    return write


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install an empty package, greeter, for this test; return its share folder."""
    marks = tmp_path / "prefix/share/ament_index/resource_index/packages"
    marks.mkdir(parents=True)
    (marks / "greeter").touch()
    share = tmp_path / "prefix/share/greeter"
    (share / "launch").mkdir(parents=True)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path / 'prefix'}:{os.environ.get('AMENT_PREFIX_PATH', '')}")
    return share


def test_arguments_are_names_and_values(launch_api: ModuleType) -> None:
    parse = launch_api.parse_launch_arguments
    assert parse([]) == []
    assert parse(["a:=1", "b:=x:=y", "a:=2"]) == [("a", "2"), ("b", "x:=y")]


@pytest.mark.parametrize("argument", ["name:=", ":=value", "name", "name=value", ":=", ""])
def test_a_malformed_argument_is_refused(launch_api: ModuleType, argument: str) -> None:
    with pytest.raises(RuntimeError, match=f"malformed launch argument '{argument}'"):
        launch_api.parse_launch_arguments(["good:=1", argument])


def test_a_file_of_a_package_is_found_at_any_depth(launch_api: ModuleType, package: Path) -> None:
    file = package / "launch" / "deep" / "x.launch.py"
    file.parent.mkdir()
    file.touch()
    found = launch_api.get_share_file_path_from_package(package_name="greeter", file_name="x.launch.py")
    assert found == str(file)
    assert launch_api.get_launch_file_paths(path=str(package)) == [str(file)]


def test_a_missing_or_doubtful_file_is_named(launch_api: ModuleType, package: Path) -> None:
    find = launch_api.get_share_file_path_from_package
    with pytest.raises(FileNotFoundError, match=r"'greeter' has no file named 'x.launch.py'"):
        find(package_name="greeter", file_name="x.launch.py")
    (package / "x.launch.py").touch()
    (package / "launch" / "x.launch.py").touch()
    with pytest.raises(launch_api.MultipleLaunchFilesError, match="2 files named") as caught:
        find(package_name="greeter", file_name="x.launch.py")
    assert len(caught.value.paths) == 2


def test_arguments_are_shown_with_choices_and_defaults(
    launch_api: ModuleType, launch_file: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    launch_api.print_arguments_of_launch_file(launch_file_path=str(launch_file(GREETING)))
    shown = capsys.readouterr().out
    assert "'name':\n        whom to greet\n        (required)" in shown
    assert "'tone':\n        how. Valid choices are: ['kind', 'gruff']\n        (default: 'kind')" in shown


def test_completion_offers_launch_files(launch_api: ModuleType, package: Path) -> None:
    from argparse import Namespace

    (package / "launch" / "x.launch.py").touch()
    (package / "launch" / "notes.txt").touch()
    complete = launch_api.LaunchFileNameCompleter()
    assert complete("", Namespace(package_name="greeter")) == ["x.launch.py"]
    assert complete("", Namespace(package_name="nobody_has_this")) == []


@pytest.fixture
def ros2_launch(start: Start, built: Callable[[str], None]) -> Start:
    """Start ``ros2 launch`` with arguments, in the environment as the test has changed it."""
    built("ros2launch")
    return lambda *words: start("ros2", "launch", *words, AMENT_PREFIX_PATH=os.environ["AMENT_PREFIX_PATH"])


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


@pytest.mark.ros
def test_the_command_runs_a_file_by_its_path(ros2_launch: Start, launch_file: Callable[[str], Path]) -> None:
    status, output = ended(ros2_launch(str(launch_file(GREETING)), "name:=you", "tone:=gruff"))
    assert status == 0, output
    assert "hello you, gruff" in output


@pytest.mark.ros
def test_the_command_runs_a_file_of_a_package(
    ros2_launch: Start, package: Path, launch_file: Callable[[str], Path]
) -> None:
    launch_file(GREETING).rename(package / "launch" / "greet.launch.py")
    status, output = ended(ros2_launch("greeter", "greet.launch.py", "name:=you"))
    assert status == 0, output
    assert "hello you, kind" in output


@pytest.mark.ros
def test_the_command_shows_arguments_and_contents_without_running(
    ros2_launch: Start, launch_file: Callable[[str], Path]
) -> None:
    path = str(launch_file(GREETING))
    status, output = ended(ros2_launch("--show-args", path))
    assert (status, "whom to greet" in output, "hello" in output) == (0, True, False)
    status, output = ended(ros2_launch(path, "--print"))
    assert (status, "LogInfo" in output) == (0, True)


WRONG = {
    "malformed argument": (("FILE", "name:="), "malformed launch argument 'name:='"),
    "file that is not there": (("/nowhere/x.launch.py",), "'/nowhere/x.launch.py' does not exist"),
    "package that is not there": (("nobody_has_this", "x.launch.py"), "package 'nobody_has_this' not found"),
    "package without its file": (("greeter", "x.launch.py"), "no file named 'x.launch.py'"),
    "package alone": (("greeter",), "PACKAGE FILE"),
}


@pytest.mark.ros
@pytest.mark.parametrize(("words", "problem"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_command_line_ends_with_one_clear_line(
    ros2_launch: Start,
    package: Path,
    launch_file: Callable[[str], Path],
    words: tuple[str, ...],
    problem: str,
) -> None:
    path = str(launch_file(GREETING))
    status, output = ended(ros2_launch(*(path if word == "FILE" else word for word in words)))
    assert status == 1
    assert problem in output
    assert len(output.strip().splitlines()) == 1, output


@pytest.mark.ros
@pytest.mark.parametrize(
    ("words", "problem"),
    [((), "missing required argument 'name'"), (("name:=x", "tone:=loud"), '"loud" is not valid')],
    ids=["missing argument", "value that is no choice"],
)
def test_what_the_launch_file_refuses_ends_with_status_1(
    ros2_launch: Start, launch_file: Callable[[str], Path], words: tuple[str, ...], problem: str
) -> None:
    status, output = ended(ros2_launch(str(launch_file(GREETING)), *words))
    assert status == 1
    assert problem in output
    assert "Traceback" not in output


@pytest.mark.ros
def test_an_interrupt_ends_the_launch_and_its_processes(ros2_launch: Start, launch_file: Callable[[str], Path]) -> None:
    launch = ros2_launch("-a", str(launch_file(SLEEPER)))
    assert launch.stdout is not None
    child = next(int(line.split()[-1]) for line in launch.stdout if "pid " in line and "started" not in line)
    launch.send_signal(signal.SIGINT)
    status, output = ended(launch)
    assert status == 0, output
    for _ in range(100):
        if not Path(f"/proc/{child}").exists():
            break
        time.sleep(0.1)
    else:
        os.kill(child, signal.SIGKILL)
        pytest.fail(f"process {child} outlived its launch")
