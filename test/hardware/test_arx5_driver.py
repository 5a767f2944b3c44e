"""driver:=arx5_sdk on a module of the same names as Stanford's, which is not there for the suite's own Python."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mivla_ros.extra_environment import ExtraEnvironment
from mivla_ros.hardware.arx5_driver import MODULE, Arx5Options, load_module
from mivla_ros.hardware.dialect import InProcess
from mivla_ros.hardware.drivers import controllers_of, make_dialects
from mivla_ros.hardware.errors import HardwareError
from mivla_ros.hardware.session import Session, SessionOptions
from mivla_ros.robots.profile import load_profile
from mivla_ros.simulation.trajectory import joint_trajectory
from mivla_ros.stop_reasons import Reason

PROFILE = load_profile("arx_x5")
ARM = PROFILE.arms[0]
STAND_IN = Path(__file__).parent / "stand_in_arx5"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(STAND_IN))
    yield
    sys.modules.pop(MODULE, None)


def run(session: Session, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        now_ns = time.monotonic_ns()
        session.hear(session.dialect.listens[0].topic, None, now_ns)
        take(session, session.tick(now_ns))
        time.sleep(0.01)


def take(session: Session, sends: tuple) -> None:
    assert isinstance(session.dialect, InProcess)
    for send in sends:
        session.dialect.take(send)


def make() -> Session:
    ((dialect, arms),) = make_dialects("arx5_sdk", PROFILE, "", {"can": "can0"})
    # wall time, on a machine that may be busy
    session = Session(dialect, controllers_of(arms), SessionOptions(silence=60.0, following=60.0))
    run(session, 0.1)
    return session


def test_it_moves_there_and_ends_in_a_named_fault_when_the_sdk_damps_by_itself(
    stand_in: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trip = tmp_path / "trip"
    monkeypatch.setenv("STAND_IN_ARX5_TRIP", str(trip))
    session = make()
    take(session, session.enable(True, time.monotonic_ns()))
    row = [0.2, 0.9, 0.8, -0.5, 0.1, -0.1]
    session.command("arm_controller", joint_trajectory(ARM.joints, [0.3], [row]), time.monotonic_ns())
    deadline = time.monotonic() + 60
    reading = session.dialect.read("", None)
    while max(abs(reading.positions[n] - v) for n, v in zip(ARM.joints, row, strict=True)) > 1e-3:
        assert time.monotonic() < deadline
        run(session, 0.1)
        reading = session.dialect.read("", None)
    assert session.reason.reason is Reason.NONE
    trip.touch()
    while session.reason.reason is Reason.NONE:
        assert time.monotonic() < deadline
        run(session, 0.05)
    assert session.reason.reason is Reason.DRIVER_FAULT
    assert "damping by itself" in str(session.reason)


def test_a_trajectory_beyond_the_sdks_limits_is_refused_by_name(stand_in: None) -> None:
    session = make()
    take(session, session.enable(True, time.monotonic_ns()))
    session.command("arm_controller", joint_trajectory(ARM.joints, [0.05], [[0.0, 0.948, 0.858, -1.7, 0.0, 0.0]]),
                    time.monotonic_ns())  # fmt: skip
    run(session, 0.3)
    assert session.reason.reason is Reason.DRIVER_REFUSED
    assert "joint4" in str(session.reason)


def test_an_interface_that_is_not_there_is_one_clear_error(stand_in: None) -> None:
    with pytest.raises(HardwareError, match=r"eth7: cannot be opened for an X5.*ip link show eth7"):
        make_dialects("arx5_sdk", PROFILE, "", {"can": "eth7"})


def test_without_the_module_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExtraEnvironment, "made", lambda self: None)
    monkeypatch.setitem(sys.modules, MODULE, None)  # as if it were nowhere
    with pytest.raises(HardwareError, match=r"arx5_interface: is not installed: environment/extra\.bash vendors"):
        load_module()


def test_two_arms_take_the_vendors_usual_interfaces() -> None:
    options = Arx5Options()
    assert [options.port("left", 1), options.port("left", 2), options.port("right", 2)] == ["can0", "can1", "can3"]
    assert Arx5Options(can_right="can7").port("right", 2) == "can7"
