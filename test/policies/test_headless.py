"""The script against the simulation's physics, through retargeting, without ROS."""

from collections.abc import Callable

import pytest

pytest.importorskip("mujoco", reason="MuJoCo is not installed")

from mivla_ros.policies.headless import HeadlessRun, main
from mivla_ros.simulation.simulation import Simulation
from mivla_ros.stop_reasons import Reason, Stop


class Disturbed(HeadlessRun):
    """Calls ``disturb`` with the simulation and the script's phase before every step."""

    disturb: Callable[[Simulation, str], None] | None = None

    def before_step(self, simulation: Simulation) -> None:
        if self.disturb is not None:
            self.disturb(simulation, self.policy.phase(simulation.time_ns))


@pytest.fixture(scope="module")
def run() -> Disturbed:
    return Disturbed("scripted")


@pytest.mark.parametrize("seed", [2, 5, 11])
def test_the_bottle_stands_on_the_pad_at_the_first_attempt(run: Disturbed, seed: int) -> None:
    run.disturb = None
    episode = run.episode(seed)
    assert episode.success, str(episode)
    assert episode.completion == 1.0
    assert episode.offset < 0.01
    assert episode.refused_chunks == 0
    assert run.policy.attempts == 1


def test_a_bottle_pushed_away_while_the_arm_comes_is_still_brought(run: Disturbed) -> None:
    pushed = []

    def push(simulation: Simulation, phase: str) -> None:
        if phase == "approach" and not pushed:
            pushed.append(phase)
            simulation._data.joint("bottle").qpos[:2] += [0.02, 0.04]

    run.disturb = push
    episode = run.episode(4)
    assert pushed
    assert episode.success, str(episode)
    assert run.policy.attempts == 1


def test_a_bottle_taken_out_of_the_gripper_is_fetched_again(run: Disturbed) -> None:
    taken = []

    def take(simulation: Simulation, phase: str) -> None:
        if phase == "weigh" and not taken:
            taken.append(phase)
            simulation._data.joint("bottle").qpos[:] = [0.35, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
            simulation._data.joint("bottle").qvel[:] = 0.0

    run.disturb = take
    episode = run.episode(4)
    assert taken
    assert episode.success, str(episode)
    assert run.policy.attempts == 2


@pytest.mark.parametrize("phase", ["approach", "reach", "lift", "carry", "lower", "retreat"])
def test_a_second_without_chunks_at_any_time_does_no_harm(run: Disturbed, phase: str) -> None:
    since: list[int] = []

    def stall(simulation: Simulation, now: str) -> None:
        if now == phase and not since:
            since.append(simulation.time_ns)
        assert run.runner is not None
        stalled = since and 200_000_000 < simulation.time_ns - since[0] < 1_400_000_000
        run.runner.block(Stop(Reason.OPERATOR_STOP) if stalled else None)

    run.disturb = stall
    episode = run.episode(5)
    assert since
    assert episode.success, str(episode)


def test_the_command_prints_a_line_an_episode_and_a_sum(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("seed 3: success")
    assert lines[1].startswith("1 of 1 succeeded")


def test_a_policy_that_is_unknown_ends_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(["--policy", "nothing"])
    assert error.value.code == 2
    assert "there are demonstration, " in capsys.readouterr().err
