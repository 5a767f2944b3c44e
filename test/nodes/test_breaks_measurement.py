"""What a stop is said to have been like, from motions whose figures are known."""

from math import isnan
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mivla_msgs", reason="needs the built ROS workspace")

from mivla_ros.nodes.benchmarks.breaks.cases import Result
from mivla_ros.nodes.benchmarks.breaks.measurement import braking, standstill
from mivla_ros.nodes.benchmarks.breaks.table import BEGIN, END, markdown, replace_table
from mivla_ros.retargeting import JointTrajectory
from mivla_ros.retargeting.limits import JointLimits

PERIOD_NS = 20_000_000
LIMITS = JointLimits(np.array([-3.0]), np.array([3.0]), np.array([2.0]), np.array([10.0]), np.array([100.0]))


def trajectory(start_ns: int, velocities: list[float]) -> JointTrajectory:
    """One joint with these velocities at the points."""
    speeds = np.array(velocities)[:, None]
    positions = np.concatenate([[[0.0]], np.cumsum(0.5 * (speeds[1:] + speeds[:-1]) * 0.02, axis=0)])
    return JointTrajectory(("joint",), start_ns, PERIOD_NS, positions, speeds)


def test_shares_of_limits_are_taken_over_the_join() -> None:
    before = trajectory(0, [0.4] * 10)
    stop = trajectory(5 * PERIOD_NS, [0.4, 0.38, 0.32, 0.22, 0.12, 0.04, 0.0])
    how = braking(stop, [before], LIMITS)
    assert how.acceleration == pytest.approx(5.0 / 10.0)
    assert how.jerk == pytest.approx(100.0 / 100.0)
    assert how.join_jerk == pytest.approx(50.0 / 100.0)
    assert how.ends_at_rest and how.seconds == pytest.approx(0.12)
    faster = braking(stop, [trajectory(0, [0.6] * 10)], LIMITS)
    assert faster.acceleration == pytest.approx(10.0 / 10.0), "a step in velocity at the join must show"
    assert faster.join_jerk == pytest.approx(5.0) and faster.jerk == pytest.approx(1.0)


def test_a_jerk_of_the_stop_itself_is_not_taken_for_one_of_the_join() -> None:
    stop = trajectory(5 * PERIOD_NS, [0.4, 0.4, 0.2, 0.0])
    how = braking(stop, [trajectory(0, [0.4] * 10)], LIMITS)
    assert how.jerk == pytest.approx(5.0) and how.join_jerk == pytest.approx(0.0)
    alone = braking(stop, [], LIMITS)
    assert alone.jerk == pytest.approx(5.0) and alone.join_jerk == 0.0


def test_the_motion_in_force_before_a_stop_is_the_one_that_had_begun() -> None:
    stop = trajectory(5 * PERIOD_NS, [0.4, 0.38, 0.32, 0.22, 0.12, 0.04, 0.0])
    not_begun = trajectory(5 * PERIOD_NS, [0.4] * 10)
    assert braking(stop, [trajectory(0, [0.4] * 10), not_begun], LIMITS).join_jerk == pytest.approx(0.5)


def test_rest_begins_after_the_last_motion() -> None:
    speeds = [0.5, 0.3, 0.0, 0.1, 0.0, 0.0]
    joints = [(k * 10_000_000, np.array([0.01 * k]), np.array([speed])) for k, speed in enumerate(speeds)]
    rest = standstill(joints, 10_000_000)
    assert rest.seconds == pytest.approx(0.03) and rest.way == pytest.approx(0.04)
    assert isnan(standstill(joints[:4], 0).seconds)


def result(**changes: object) -> Result:
    given = {
        "case": "chunk twice", "reason": "CHUNK_OUTDATED", "by": "retargeting", "detected": 0.01, "braking": 0.02,
        "commanded": 0.02, "standstill": 0.2, "way": 0.1, "acceleration": 0.5, "jerk": 0.9, "join_jerk": 1.0,
        "diagnosed": 0.0,
        "resumed": False,
    }  # fmt: skip
    return Result(**(given | changes))  # type: ignore[arg-type]


def test_the_table_shows_the_worst_round_and_goes_between_the_marks(tmp_path: Path) -> None:
    table = markdown([[result()], [result(detected=0.5, resumed=True)]])
    assert (
        "| chunk twice | `CHUNK_OUTDATED` | retargeting | 0.500 | 20 | 0.20 | 0.100 | 50, 100 | 0.000 | YES |" in table
    )
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    replace_table(page, table)
    text = page.read_text("utf-8")
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text and table in text
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="once each"):
        replace_table(page, table)
