import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mivla_ros.observations.errors import StreamError
from mivla_ros.observations.joint_stream import JointStream
from mivla_ros.stop_reasons import Reason

MS = 1_000_000


def stream() -> JointStream:
    return JointStream("joint_states", ["a", "b"], 10**12)


@given(
    st.lists(st.integers(1, 40), min_size=2, max_size=20),
    st.floats(-3, 3),
    st.floats(-2, 2),
    st.floats(0, 1),
    st.randoms(),
)
def test_a_straight_motion_is_met_exactly_in_any_order_of_arrival(gaps, start, speed, share, random) -> None:
    stamps = [sum(gaps[:i]) * MS for i in range(len(gaps))]
    shuffled = list(stamps)
    random.shuffle(shuffled)
    joints = stream()
    for stamp in shuffled:
        joints.add(stamp, ["b", "a"], [-(start + speed * stamp / 1e9), start + speed * stamp / 1e9])
    at = round(share * stamps[-1])
    values, used_ns = joints.at(at, 40 * MS)
    expected = start + speed * at / 1e9
    assert np.allclose(values, [expected, -expected], atol=1e-9)
    assert used_ns == at


def test_between_neighbours_too_far_apart_nothing_is_invented() -> None:
    joints = stream()
    joints.add(0, ["a", "b"], [0.0, 0.0])
    joints.add(101 * MS, ["a", "b"], [1.0, 1.0])
    with pytest.raises(StreamError) as error:
        joints.at(50 * MS, 100 * MS)
    assert error.value.stop.reason is Reason.STREAM_SKEW
    assert error.value.stop.value == pytest.approx(0.101)
    assert error.value.stop.limit == pytest.approx(0.1)


def test_the_newest_sample_is_held_for_the_gap_and_no_longer() -> None:
    joints = stream()
    joints.add(0, ["a", "b"], [0.5, 0.25])
    values, used_ns = joints.at(100 * MS, 100 * MS)
    assert values.tolist() == [0.5, 0.25]
    assert used_ns == 0
    with pytest.raises(StreamError, match="stream skew"):
        joints.at(101 * MS, 100 * MS)


def test_before_the_oldest_sample_there_is_nothing() -> None:
    joints = stream()
    joints.add(50 * MS, ["a", "b"], [0.0, 0.0])
    with pytest.raises(StreamError) as error:
        joints.at(20 * MS, 100 * MS)
    assert error.value.stop.value == pytest.approx(0.03)


def test_joints_may_come_in_separate_messages_among_strangers() -> None:
    joints = stream()
    joints.add(0, ["a", "stranger"], [1.0, np.nan])
    joints.add(10 * MS, ["b"], [2.0])
    assert joints.newest_ns() == 0
    values, used_ns = joints.at(10 * MS, 20 * MS)
    assert values.tolist() == [1.0, 2.0]
    assert used_ns == 0


def test_a_joint_nobody_names_is_named_as_missing() -> None:
    joints = stream()
    joints.add(0, ["a"], [1.0])
    with pytest.raises(StreamError) as error:
        joints.newest_ns()
    assert error.value.stop.reason is Reason.STREAM_MISSING
    assert error.value.stop.subject == "joint_states: b"
    assert joints.latest() is None


@pytest.mark.parametrize(
    ("names", "positions", "subject"),
    [
        (["a", "b"], [1.0], "joint_states"),
        (["a", "b"], [1.0, np.nan], "joint_states: b"),
        (["a"], [np.inf], "joint_states: a"),
    ],
)
def test_a_broken_message_is_refused_by_name(names: list[str], positions: list[float], subject: str) -> None:
    with pytest.raises(StreamError) as error:
        stream().add(0, names, positions)
    assert error.value.stop.reason is Reason.STREAM_INVALID
    assert error.value.stop.subject == subject


def test_memory_stays_bounded() -> None:
    joints = JointStream("joint_states", ["a"], 1000 * MS)
    for i in range(5000):
        joints.add(i * MS, ["a"], [0.0])
    assert len(joints._samples["a"]) == 1001
