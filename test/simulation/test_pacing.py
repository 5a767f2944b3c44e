"""Time is paced without racing, and rates come out right."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mivla_ros.simulation.pacing import Pacer, Schedule

PERIOD = 5_000_000


class FakeTime:
    """A wall clock that only sleeping and working move."""

    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def run(factor: float, work: list[float]) -> tuple[Pacer, FakeTime]:
    wall = FakeTime()
    pacer = Pacer(factor, lambda: wall.now, wall.sleep)
    for count, seconds in enumerate(work):
        pacer.wait(count * PERIOD)
        wall.now += seconds
    pacer.wait(len(work) * PERIOD)
    return pacer, wall


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_light_work_goes_at_the_asked_pace(factor: float) -> None:
    pacer, wall = run(factor, [0.001] * 400)
    assert wall.now - 100 == pytest.approx(2.0 / factor, abs=0.02)
    assert pacer.recent_factor == pytest.approx(factor, rel=0.02)


def test_work_too_heavy_makes_time_slower() -> None:
    pacer, _ = run(1.0, [0.01] * 400)
    assert pacer.totals[2] == pytest.approx(0.5, rel=0.01)


def test_after_a_long_pause_time_does_not_race() -> None:
    _, wall = run(1.0, [0.001] * 100 + [3.0] + [0.001] * 100)
    assert wall.now - 100 == pytest.approx(0.5 + 3.0 + 0.5, abs=0.05)


def test_a_short_delay_is_made_up_for() -> None:
    _, wall = run(1.0, [0.001] * 100 + [0.05] + [0.001] * 100)
    assert wall.now - 100 == pytest.approx(201 * 0.005, abs=0.01)


def test_factor_zero_never_waits() -> None:
    _, wall = run(0.0, [0.001] * 100)
    assert wall.now == pytest.approx(100.1)


@given(st.floats(1, 200), st.integers(0, 10**12))
def test_a_schedule_keeps_its_rate_without_drift(rate: float, start: int) -> None:
    schedule = Schedule(rate, start)
    due = [n for n in range(2000) if schedule.due(start + n * PERIOD)]
    assert due[0] == 0
    assert abs(len(due) - 10 * rate) <= 1
    gaps = np.diff(due)
    assert gaps.max() - gaps.min() <= 1


def test_what_was_missed_is_not_made_up_for() -> None:
    schedule = Schedule(100.0, 0)
    assert schedule.due(0)
    assert schedule.due(95_000_000)
    assert not schedule.due(99_000_000)
    assert schedule.due(100_000_000)
