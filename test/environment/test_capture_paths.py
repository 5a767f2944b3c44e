"""The one shell file that stands for a row of setup files changes an environment as they would."""

import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "environment"))

import capture_paths

folders = st.lists(st.text("abc /'$", min_size=1).map("/".__add__), max_size=4, unique=True)


def source(lines: list[str], **variables: str) -> dict[str, str]:
    output = subprocess.check_output(
        ["bash", "-c", "\n".join([*lines, "/usr/bin/env -0"])], env=variables, text=True, timeout=60
    )
    return capture_paths.read_environment(output)


def test_new_folders_go_in_front_of_the_callers_own() -> None:
    lines = capture_paths.shell_lines({"PATH": "/usr/bin"}, {"PATH": "/ros/bin:/env/bin:/usr/bin"})
    assert source(lines, PATH="/home/bin:/usr/bin")["PATH"] == "/ros/bin:/env/bin:/home/bin:/usr/bin"


def test_an_empty_list_gets_no_empty_entry() -> None:
    lines = capture_paths.shell_lines({}, {"PYTHONPATH": "/ros/python"})
    assert source(lines, PATH="/usr/bin")["PYTHONPATH"] == "/ros/python"


def test_what_did_not_change_is_not_touched() -> None:
    assert capture_paths.shell_lines({"A": "1", "PWD": "/a"}, {"A": "1", "PWD": "/b"}) == []


@given(folders, folders)
def test_any_folder_name_survives(added: list[str], old: list[str]) -> None:
    expected = [*(folder for folder in added if folder not in old), *old]
    lines = capture_paths.shell_lines({"X_PATH": ":".join(old)}, {"X_PATH": ":".join([*added, *old])})
    result = source(lines, PATH="/usr/bin", X_PATH=":".join(old)).get("X_PATH", "")
    assert result == ":".join(expected)


def test_other_variables_are_set_as_they_were() -> None:
    lines = capture_paths.shell_lines({}, {"ROS_DISTRO": "jazzy $HOME 'x'"})
    assert source(lines, PATH="/usr/bin")["ROS_DISTRO"] == "jazzy $HOME 'x'"
