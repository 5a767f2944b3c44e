"""Stamps and joint positions are read from serialised messages as a full decoder reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mivla_ros.episodes.recording.cdr_header import header_stamp_ns, joint_positions
from test.episodes.recording.messages import SECOND, header, joint_state, serialised

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9)
FLOATS = st.floats(allow_nan=False, width=64)


@given(
    stamp=st.integers(1, 2**31 * SECOND - 1),
    frame=NAMES,
    joints=st.dictionaries(NAMES, FLOATS, max_size=8),
    rest=st.binary(max_size=9),
)
def test_what_is_read_is_what_was_serialised(stamp: int, frame: str, joints: dict[str, float], rest: bytes) -> None:
    data = joint_state(stamp, joints) + rest
    assert header_stamp_ns(data) == stamp
    assert joint_positions(data) == (list(joints), tuple(joints.values()))
    assert header_stamp_ns(serialised("sensor_msgs/msg/CompressedImage", header(stamp, frame), "", _empty())) == stamp


def _empty():
    import numpy as np

    return np.zeros(0, dtype=np.uint8)


@given(data=st.binary(max_size=60), cut=st.integers(0, 200))
def test_broken_bytes_are_refused_or_read_never_worse(data: bytes, cut: int) -> None:
    for broken in (data, joint_state(SECOND, {"joint1": 0.5, "joint2": 0.7})[:cut]):
        header_stamp_ns(broken)
        try:
            names, positions = joint_positions(broken)
        except ValueError:
            continue
        assert len(names) * 4 <= len(broken)
        assert len(positions) * 8 <= len(broken)


def test_a_message_of_a_few_bytes_has_no_stamp() -> None:
    assert header_stamp_ns(b"\0\1\0\0") is None
    with pytest.raises(ValueError, match="broken joint state of 4 bytes"):
        joint_positions(b"\0\1\0\0")
