"""How long somebody has said nothing, by two clocks."""

import pytest

from mivla_ros.silence import Silence

SECOND = 1_000_000_000


@pytest.mark.parametrize(("ros", "steady"), [(0.1, 1.0), (1.0, 0.1), (0.1, 0.1)])
def test_the_slower_clock_counts(ros: float, steady: float) -> None:
    silence = Silence(5.0)
    for k in range(11):
        seconds = silence.look(round(k * ros * SECOND), round(k * steady * SECOND))
    assert seconds == pytest.approx(1.0)
    silence.heard()
    assert silence.seconds == 0.0


def test_who_was_not_run_for_a_while_has_heard_nobody_meanwhile() -> None:
    silence = Silence(0.04)
    silence.look(0, 0)
    assert silence.look(10 * SECOND, 10 * SECOND) == pytest.approx(0.04)


def test_a_clock_that_was_set_back_adds_nothing() -> None:
    silence = Silence(1.0)
    silence.look(10 * SECOND, 10 * SECOND)
    assert silence.look(5 * SECOND, 11 * SECOND) == 0.0
