"""Everything that breaks, on one live graph with real processes: the arm stops, says why, and waits for a release."""

from collections.abc import Iterator

import pytest

pytest.importorskip("mivla_msgs", reason="needs the built ROS workspace")

import rclpy

from mivla_msgs.msg import RetargetingStatus
from mivla_ros.nodes.benchmarks.breaks.cases import CASES, Case, Result, run, run_retargeting_death
from mivla_ros.nodes.benchmarks.breaks.scene import BreakError, Scene
from mivla_ros.robots.profile import load_profile

TWO_PERIODS = 2 / load_profile("piper").command_rate
OF_A_LIMIT = 1.001  # share of a limit, with the rounding of messages
OF_JERK_AT_THE_JOIN = 1.05  # the motion before it is read between its points


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    rclpy.init()
    scene = Scene(tmp_path_factory.mktemp("breaks"))
    yield scene
    scene.close()
    rclpy.try_shutdown()


@pytest.fixture
def scene(live: Scene, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """The graph, made anew after a fault that was not met as it must be."""
    failed = request.session.testsfailed
    yield live
    if request.session.testsfailed > failed:
        live.restart()


def assert_it_stopped_well(result: Result) -> None:
    assert not result.resumed, "it moved again before the release"
    assert not result.commanded > TWO_PERIODS, "the stop was commanded too late"
    assert not result.acceleration > OF_A_LIMIT and not result.jerk > OF_A_LIMIT, "the stop broke a limit"
    assert not result.join_jerk > OF_JERK_AT_THE_JOIN, "the stop did not join the motion before it"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_stops_says_why_and_waits_for_a_release(scene: Scene, case: Case) -> None:
    try:
        result = run(scene, case)
    except BreakError as error:
        logs = "\n".join(scene.graph.log(name)[-1500:] for name in ("retargeting", "policy", "injector"))
        pytest.fail(f"{error}\n{logs}")
    assert result.reason in [reason.name for reason in case.reasons]
    assert_it_stopped_well(result)


def test_without_retargeting_the_arm_comes_to_rest_and_a_new_process_waits_for_a_release(scene: Scene) -> None:
    death, birth = run_retargeting_death(scene)
    assert death.standstill < 2.0, "what was sent before must end at rest within a chunk's length"
    assert_it_stopped_well(death)
    assert_it_stopped_well(birth)


def test_a_policy_node_that_is_told_to_end_holds_the_arm_without_a_latch(scene: Scene) -> None:
    scene.make_swing()
    scene.witness.clear()
    scene.graph.interrupt("policy")
    held = scene.wait("a hold", lambda: scene.said("retargeting", RetargetingStatus.HOLDING))
    assert held.reason == "SHUTDOWN"
    scene.pause(1.0)
    newest = scene.newest("retargeting")
    assert newest is not None and newest.state == RetargetingStatus.HOLDING, "silence after a last word is no fault"
