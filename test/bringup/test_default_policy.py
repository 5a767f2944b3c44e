"""Which policy a launch without one gets: a network only in simulation, and only where one can run."""

from pathlib import Path

import pytest

from mivla_ros.checkpoints import shipped_checkpoint

launch = pytest.importorskip("launch", reason="needs ROS 2")
bringup = pytest.importorskip("mivla_bringup.arguments", reason="needs the built ROS workspace")


def chosen(robot: str = "piper", **given: str) -> tuple[str, str]:
    """Policy and checkpoint of a launch with these arguments."""
    context = launch.LaunchContext()
    declared = bringup.arguments(robot, "")
    for argument in declared:
        context.launch_configurations[argument.name] = given.get(argument.name, argument.default)
    settings = bringup.read_settings(context, declared)
    return settings.policy, settings.checkpoint


def test_piper_gets_the_suites_checkpoint_in_simulation() -> None:
    assert chosen() == ("mivla", str(shipped_checkpoint("piper")))
    assert chosen(policy="mivla") == chosen()


def test_a_robot_without_one_gets_its_expert() -> None:
    assert chosen("arx_x5") == ("scripted", "")


def test_a_checkpoint_that_is_given_runs_also_where_the_suite_brings_none(tmp_path: Path) -> None:
    given = str(tmp_path)
    assert chosen(checkpoint=given) == ("mivla", given)
    assert chosen(profile="arx_x5", checkpoint=given) == ("mivla", given)
    assert chosen(simulated="false", driver="piper_ros", checkpoint=given) == ("mivla", given)


def test_a_checkpoint_of_ones_own_is_kept(tmp_path: Path) -> None:
    assert chosen(policy="mivla", checkpoint=str(tmp_path)) == ("mivla", str(tmp_path))


def test_where_no_network_can_run_the_expert_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bringup, "NETWORK_PACKAGES", ("torch", "no_such_package_at_all"))
    assert chosen() == ("scripted", "")


def test_a_real_robot_never_gets_what_learnt_in_simulation() -> None:
    for given in ({}, {"policy": "mivla"}):
        with pytest.raises(bringup.ArgumentError):
            chosen(simulated="false", **given)
