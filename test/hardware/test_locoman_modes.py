"""LocoMan's controller behind a session: the way to the mode in which it may be commanded, and what goes wrong."""

from collections import deque
from types import SimpleNamespace

import pytest

from mivla_ros.hardware.drivers import controllers_of, make_dialects
from mivla_ros.hardware.errors import HardwareError
from mivla_ros.hardware.session import Session
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile
from mivla_ros.simulation.trajectory import joint_trajectory
from mivla_ros.stop_reasons import Reason
from test.hardware.locoman_robot import LocoManRobot

PROFILE = load_profile("locoman")
URDF = robot_description(PROFILE)
RIGHT = next(arm for arm in PROFILE.arms if arm.side == "right")
PERIOD = 0.02


class Bench:
    """Adapter and robot on one clock. latency: s of every message to the robot; drop: every so manieth is lost."""

    def __init__(
        self, variant: str = "human2locoman", refuse_mode: bool = False, latency: float = 0.0, drop: int = 0
    ) -> None:
        self.robot = LocoManRobot(variant, refuse_mode)
        options = {"variant": variant, "bimanual_unlocked": "true", "rate": "50"}
        ((dialect, arms),) = make_dialects("locoman", PROFILE, URDF, options)
        self.session = Session(dialect, controllers_of(arms, PROFILE.body))
        self.now, self._latency, self._drop, self._count = 100.0, latency, drop, 0
        self._wire: deque[tuple[float, str, object]] = deque()
        self.topics: list[str] = []

    @property
    def now_ns(self) -> int:
        return round(self.now * 1e9)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / PERIOD)):
            self.now += PERIOD
            while self._wire and self._wire[0][0] <= self.now:
                _, topic, data = self._wire.popleft()
                (self.robot.command if topic == "human_command" else self.robot.ask)(data, self.now)
            self.robot.step(PERIOD, self.now)
            self.session.hear("robot_state", SimpleNamespace(data=self.robot.state()), self.now_ns)
            for send in self.session.tick(self.now_ns):
                self.topics.append(send.topic)
                if send.topic == self.robot.mode_topic:  # its own words come back to the adapter
                    self.session.hear(send.topic, SimpleNamespace(data=send.fields["data"]), self.now_ns)
                self._count += 1
                if not self._drop or self._count % self._drop:
                    self._wire.append((self.now + self._latency, send.topic, send.fields["data"]))

    def enabled(self) -> "Bench":
        self.run(0.2)
        self.session.enable(True, self.now_ns)
        self.run(10.0)
        return self

    def move(self, by: float = 0.15) -> None:
        row = list(RIGHT.ready)
        row[1] += by
        self.session.command(RIGHT.controller, joint_trajectory(RIGHT.joints, [1.0], [row]), self.now_ns)


@pytest.mark.parametrize("variant", ["locoman", "human2locoman"])
def test_it_goes_through_stance_three_seconds_apart_and_says_where_it_is(variant: str) -> None:
    bench = Bench(variant)
    bench.run(0.2)
    bench.session.enable(True, bench.now_ns)
    assert bench.session.stage(bench.now_ns) == "mode unknown, then stance, then bimanual"
    bench.run(1.0)
    assert bench.session.stage(bench.now_ns).startswith("stance: 2.5 s more, then bimanual")
    with pytest.raises(HardwareError, match="on its way: stance"):
        bench.move()
    bench.run(8.0)
    assert bench.session.stage(bench.now_ns) == ""
    assert not bench.robot.modes_refused
    (first, stance), (second, mode) = bench.robot.modes_taken
    assert (stance, mode) == (bench.robot.stance_number, bench.robot.bimanual_number)
    assert second - first >= 3.0
    assert bench.topics.index("human_command") > bench.topics.index(bench.robot.mode_topic) + 1


@pytest.mark.parametrize(("latency", "drop"), [(0.0, 0), (0.05, 5)])
def test_in_the_mode_a_trajectory_moves_the_right_leg_and_only_that(latency: float, drop: int) -> None:
    bench = Bench(latency=latency)
    bench.enabled()
    bench._drop = drop
    before = bench.robot.joints.copy()
    bench.move()
    bench.run(1.6)
    assert bench.session.reason.reason is Reason.NONE
    moved = bench.robot.joints - before
    assert moved[1] == pytest.approx(0.15, abs=2e-3)  # 1_FR_thigh_joint
    moved[1] = 0.0
    assert abs(moved).max() < 2e-3


def test_the_body_is_measured_from_where_it_stood_when_the_mode_was_reached() -> None:
    bench = Bench().enabled()
    bench.robot.body[4] -= 0.05  # leans back further
    sample = bench.session.hear("robot_state", SimpleNamespace(data=bench.robot.state()), bench.now_ns)
    values = dict(zip(sample.names, sample.positions, strict=True))
    assert values["body_pitch"] == pytest.approx(-0.05)
    assert [values[name] for name in PROFILE.body.joints if name != "body_pitch"] == pytest.approx([0.0] * 5)


def test_a_refused_mode_is_named_and_nothing_is_commanded() -> None:
    bench = Bench(refuse_mode=True).enabled()
    assert bench.session.reason.reason is Reason.DRIVER_REFUSED
    assert "no joint moved when bimanual was asked for" in str(bench.session.reason)
    assert "human_command" not in bench.topics
    bench.robot.refuse_mode = False  # unlocked there
    bench.enabled()
    assert bench.session.reason.reason is Reason.NONE
    assert "human_command" in bench.topics


def test_stale_feedback_that_still_comes_is_seen_as_not_following() -> None:
    bench = Bench().enabled()
    bench.robot.frozen = True
    bench.move(0.5)
    bench.run(2.5)
    assert bench.session.reason.reason is Reason.DRIVER_FAULT
    assert "does not follow" in str(bench.session.reason)


def test_it_goes_back_to_stance_when_disabled_and_never_sooner_than_three_seconds() -> None:
    bench = Bench()
    bench.run(0.2)
    bench.session.enable(True, bench.now_ns)
    bench.run(4.2)  # asked for the mode a second ago
    assert bench.robot.mode == bench.robot.bimanual_number
    bench.session.enable(False, bench.now_ns)
    assert "then stance" in bench.session.stage(bench.now_ns)
    bench.run(1.0)
    assert bench.robot.mode == bench.robot.bimanual_number
    bench.run(6.0)
    assert bench.robot.mode == bench.robot.stance_number
    assert not bench.robot.modes_refused
    assert bench.session.stage(bench.now_ns) == ""


def test_silence_on_the_way_ends_the_way() -> None:
    bench = Bench()
    bench.run(0.2)
    bench.session.enable(True, bench.now_ns)
    bench.run(1.0)
    bench.now += 5.0
    assert bench.session.tick(bench.now_ns) == ()
    assert bench.session.reason.reason is Reason.DRIVER_SILENT
    bench.run(5.0)
    assert bench.robot.mode == bench.robot.stance_number


def test_after_a_fault_the_mode_is_unknown_for_the_driver_may_have_started_anew() -> None:
    bench = Bench().enabled()
    bench.now += 5.0
    bench.session.tick(bench.now_ns)
    assert bench.session.reason.reason is Reason.DRIVER_SILENT
    bench.robot = LocoManRobot()
    bench.run(0.2)
    bench.session.enable(True, bench.now_ns)
    assert bench.session.stage(bench.now_ns) == "mode unknown, then stance, then bimanual"


def test_another_program_that_changes_the_mode_is_a_fault_while_a_policy_acts() -> None:
    bench = Bench()
    bench.run(0.2)
    message = SimpleNamespace(data=bench.robot.bimanual_number)
    bench.session.hear(bench.robot.mode_topic, message, bench.now_ns)
    assert bench.session.reason.reason is Reason.NONE  # nobody acts from here
    bench.enabled()
    bench.session.hear(bench.robot.mode_topic, SimpleNamespace(data=bench.robot.stance_number), bench.now_ns)
    assert "another program asked for the mode stance" in str(bench.session.reason)
