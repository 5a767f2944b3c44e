"""Launch arguments: shown with type and meaning; what cannot be used ends the launch with one clear line."""

from collections.abc import Callable

import pytest

pytest.importorskip("mivla_bringup", reason="needs the built ROS workspace")

from test.launch.conftest import Launch

StartLaunch = Callable[..., Launch]


def test_show_args_describes_every_argument(start_launch: StartLaunch) -> None:
    launch = start_launch("piper.launch.py", "--show-args")
    assert launch.wait(60) == 0
    for name in ("policy", "instruction", "simulated", "seed", "viewer", "rviz", "namespace", "record", "network"):
        assert f"'{name}'" in launch.output()
    assert "Seed of the simulated scene" in launch.output()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("policy:=telepathy",), ("policy:='telepathy'", "scripted, demonstration")),
        (("profile:=r2d2",), ("unknown robot 'r2d2'", "piper")),
        (("profile:=/no/such.yaml",), ("/no/such.yaml", "does not exist")),
        (("seed:=many",), ("seed:='many'", "whole number")),
        (("viewer:=perhaps",), ("viewer:='perhaps'", "true or false")),
        (("timeout:=-3",), ("timeout:='-3'", "positive")),
        (("policy:=demonstration",), ("demonstration", "needs demonstration:=FILE")),
        (("policy:=demonstration", "demonstration:=/no/such.npz"), ("/no/such.npz", "is not a file")),
        (("policy:=openpi",), ("policy_url", "needs policy_url:=ws://HOST:PORT")),
        (("policy:=openpi", "policy_url:=http://a:1"), ("policy_url:='http://a:1'", "must be ws://HOST:PORT")),
        (("policy:=openpi", "policy_api_key_file:=/no/key"), ("policy_api_key_file", "is not a file")),
        (("policy:=replay",), ("episode", "needs episode:=PATH")),
        (("policy:=replay", "episode:=/no/such"), ("episode:='/no/such'", "is not there")),
        (("policy:=h_rdt",), ("checkpoint", "needs checkpoint:=FOLDER")),
        (("policy:=mivla", "simulated:=false"), ("checkpoint", "needs checkpoint:=FOLDER")),
        (("policy:=mivla", "checkpoint:=/no/such/folder"), ("/no/such/folder", "is not a folder")),
        (("simulated:=false",), ("scripted", "cannot drive a real robot")),
        (("driver:=piper_ros",), ("driver:='piper_ros'", "needs simulated:=false")),
        (("namespace:=1 2",), ("namespace", "ROS namespace")),
        (("parameters_file:=/no/such.yaml",), ("/no/such.yaml", "is not a file")),
    ],
)
def test_unusable_argument_ends_the_launch_with_one_line(
    start_launch: StartLaunch, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    launch = start_launch("piper.launch.py", *arguments)
    assert launch.wait(60) == 1
    errors = [line for line in launch.output().splitlines() if "[ERROR]" in line]
    assert len(errors) == 1
    assert all(word in errors[0] for word in words)
    assert "Traceback" not in launch.output()
    assert "process started" not in launch.output()


def test_rviz_that_is_not_installed_is_named(start_launch: StartLaunch) -> None:
    launch = start_launch("piper.launch.py", "rviz:=true", PATH=_path_without_rviz())
    assert launch.wait(60) == 1
    assert "rviz2 is not installed" in launch.output()


def _path_without_rviz() -> str:
    import os
    import shutil

    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(f for f in folders if shutil.which("rviz2", path=f) is None)
