"""A session with a driver: rates, enabling, and a named reason for everything a driver does wrong."""

import pytest

from mivla_ros.hardware.drivers import controllers_of
from mivla_ros.hardware.errors import HardwareError
from mivla_ros.hardware.piper_ros import PiperRos
from mivla_ros.hardware.session import Session
from mivla_ros.robots.profile import load_profile
from mivla_ros.simulation.trajectory import joint_trajectory
from mivla_ros.stop_reasons import Reason
from test.hardware.test_piper_ros import status
from test.hardware.vendor_drivers import PiperRosDriver

ARM = load_profile("piper").arms[0]
MS = 1_000_000
FEEDBACK = "joint_states_single"


class Bench:
    """A session and a piper_ros, one clock; the driver may misbehave."""

    def __init__(self) -> None:
        self.session = Session(PiperRos(ARM), controllers_of((ARM,)))
        self.driver = PiperRosDriver()
        self.driver.millidegrees = [5000, 60000, -50000, 0, 40000, 0]
        self.now = 10_000 * MS
        self.silent = self.deaf = False
        self.sent_at: list[int] = []

    def run(self, milliseconds: int) -> None:
        for _ in range(milliseconds // 5):
            self.now += 5 * MS
            if not self.silent:
                self.session.hear(FEEDBACK, self.driver.feedback(), self.now)
            for send in self.session.tick(self.now):
                self.sent_at.append(self.now)
                if not self.deaf:
                    self.driver.take(send)

    def enabled(self) -> "Bench":
        self.run(100)
        self.session.enable(True, self.now)
        return self

    def move(self, joint1: float = 0.6, seconds: float = 1.0) -> None:
        now = dict(zip(ARM.joints, self.driver.true_radians(), strict=True))
        row = [joint1, *list(now.values())[1:]]
        self.session.command("arm_controller", joint_trajectory(ARM.joints, [seconds], [row]), self.now)


def test_it_moves_at_the_rate_the_driver_bears_and_ends_where_it_was_sent() -> None:
    bench = Bench().enabled()
    bench.move()
    bench.sent_at.clear()
    bench.run(1000)
    assert 45 <= len(bench.sent_at) <= 52  # 50 Hz, though feedback comes at 200
    bench.run(300)
    assert bench.driver.true_radians()[0] == pytest.approx(0.6, abs=1e-4)
    assert bench.session.reason.reason is Reason.NONE


def test_at_rest_the_last_command_is_repeated_slowly_so_that_a_dropped_one_does_no_harm() -> None:
    bench = Bench().enabled()
    bench.run(1000)
    bench.sent_at.clear()
    bench.run(1000)
    assert 9 <= len(bench.sent_at) <= 11


def test_enabling_does_not_move_it() -> None:
    bench = Bench()
    before = list(bench.driver.millidegrees)
    bench.enabled().run(500)
    assert max(abs(a - b) for a, b in zip(before, bench.driver.millidegrees, strict=True)) <= 1


def test_nothing_is_sent_before_it_is_enabled() -> None:
    bench = Bench()
    bench.run(300)
    assert not bench.sent_at
    with pytest.raises(HardwareError, match="not enabled"):
        bench.move()


def test_it_cannot_be_enabled_without_feedback() -> None:
    bench = Bench()
    with pytest.raises(HardwareError, match="nothing has come yet"):
        bench.session.enable(True, bench.now)


def test_zeros_before_the_first_frame_of_the_bus_are_no_feedback() -> None:
    bench = Bench()
    bench.driver.millidegrees = [0] * 6
    bench.run(200)
    with pytest.raises(HardwareError, match="exactly 0"):
        bench.session.enable(True, bench.now)


def test_stale_feedback_stops_the_commands_and_stays_stopped_until_enabled_again() -> None:
    bench = Bench().enabled()
    bench.move()
    bench.run(300)
    bench.silent = True  # as after bus-off: the vendor's SDK does not come back by itself
    bench.run(300)
    assert bench.session.reason.reason is Reason.DRIVER_SILENT
    bench.silent = False
    bench.sent_at.clear()
    bench.run(500)
    assert not bench.sent_at
    with pytest.raises(HardwareError, match="driver/enable"):
        bench.move()
    where = bench.driver.true_radians()[0]
    bench.session.enable(True, bench.now)
    bench.run(300)
    assert bench.driver.true_radians()[0] == pytest.approx(where, abs=1e-4)  # goes on from where it is


def test_dropped_commands_are_seen_by_an_arm_that_does_not_follow() -> None:
    bench = Bench().enabled()
    bench.deaf = True
    bench.move(joint1=1.5)
    bench.run(2000)
    assert bench.session.reason.reason is Reason.DRIVER_FAULT
    assert bench.session.reason.subject == "joint1"


def test_a_fault_of_the_status_stops_it() -> None:
    bench = Bench().enabled()
    bench.session.hear("arm_status", status(communication_status_joint_4=True), bench.now)
    bench.sent_at.clear()
    bench.run(200)
    assert bench.session.reason.reason is Reason.DRIVER_FAULT
    assert not bench.sent_at


def test_a_refused_enable_is_named() -> None:
    bench = Bench().enabled()
    bench.session.enabling_refused("CAN cannot send")
    assert bench.session.reason.reason is Reason.DRIVER_REFUSED


def test_an_incomplete_trajectory_is_refused_and_the_old_one_goes_on() -> None:
    bench = Bench().enabled()
    bench.move()
    with pytest.raises(HardwareError, match="joint6"):
        bench.session.command("arm_controller", joint_trajectory(ARM.joints[:5], [1.0], [[0.0] * 5]), bench.now)
    bench.run(1300)
    assert bench.driver.true_radians()[0] == pytest.approx(0.6, abs=1e-4)
    assert bench.session.counts.refused_trajectories == 1
