from contextlib import suppress

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mivla_ros.serving.array_packing import MAX_ITEMS, pack, unpack, unpack_map
from mivla_ros.serving.errors import FrameError

TYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
)


@given(hnp.arrays(TYPES, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)))
def test_arrays_survive_bit_by_bit(array: np.ndarray) -> None:
    back = unpack(pack({"a": array}))["a"]
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())


@pytest.mark.parametrize("order", [np.s_[::-1], np.s_[:, ::2], np.s_[:, :, 1]])
def test_views_that_are_not_contiguous_survive(order: object) -> None:
    array = np.arange(60, dtype="<f4").reshape(3, 4, 5)[order]
    np.testing.assert_array_equal(unpack(pack(array)), array)


def test_the_wire_is_openpis() -> None:
    """Known bytes: what openpi's own packer makes of the same message."""
    raw = msgpack.unpackb(pack({"x": np.array([[1, 2]], "<i2"), "y": np.int64(3), "z": np.float32(0.5)}))
    assert raw["x"] == {b"__ndarray__": True, b"data": b"\x01\0\x02\0", b"dtype": "<i2", b"shape": [1, 2]}
    assert raw["y"] == {b"__npgeneric__": True, b"data": 3, b"dtype": "<i8"}
    assert raw["z"] == {b"__npgeneric__": True, b"data": 0.5, b"dtype": "<f4"}


def test_scalars_texts_and_plain_values_survive() -> None:
    message = {"i": np.int8(-3), "b": np.bool_(True), "t": "grüße", "l": [1, None, 2.5], "u": np.array(["ab", "c"])}
    back = unpack(pack(message))
    assert (back["i"], back["i"].dtype, back["b"].dtype) == (-3, np.int8, np.bool_)
    assert (back["t"], back["l"], back["u"].tolist()) == ("grüße", [1, None, 2.5], ["ab", "c"])


@pytest.mark.parametrize(
    "value",
    [
        np.array([{}], dtype=object),
        np.array([1j]),
        np.zeros(1, dtype=[("a", "i4")]),
        np.array(["2020"], dtype="M8[D]"),
        {1, 2},
        object(),
    ],
    ids=["object", "complex", "record", "time", "set", "anything"],
)
def test_what_is_not_carried_is_refused_when_packed(value: object) -> None:
    with pytest.raises(FrameError):
        pack({"x": value})


def _array(**changes: object) -> bytes:
    entry = {b"__ndarray__": True, b"data": bytes(8), b"dtype": "<f4", b"shape": [2]}
    return msgpack.packb({"x": {**entry, **{k.encode(): v for k, v in changes.items()}}})


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (_array(dtype="|O"), "type is '|O'"),
        (_array(dtype="<c8"), "type is"),
        (_array(dtype="|V8"), "type is"),
        (_array(dtype="i4,i4"), "type is"),
        (_array(dtype="<M8[ns]"), "type is"),
        (_array(dtype=7), "type is"),
        (_array(data="text"), "data is of type str"),
        (_array(shape=[3]), "needs 12 bytes, there are 8"),
        (_array(shape=[1 << 62, 4]), "needs"),
        (_array(shape=[-2]), "shape is"),
        (_array(shape=[True, 2]), "shape is"),
        (_array(shape=2), "shape is"),
        (_array(shape=[1] * 17), "shape is"),
        (_array(shape=[0, 1 << 62], data=b""), "shape"),
        (_array(dtype="<U9999999", shape=[]), "needs"),
        (msgpack.packb({"x": {b"__npgeneric__": True, b"data": [1], b"dtype": "<f4"}}), "must be a plain value"),
        (msgpack.packb({"x": {b"__npgeneric__": True, b"data": 1 << 40, b"dtype": "|i1"}}), "scalar"),
        (msgpack.packb({"x": msgpack.ExtType(5, b"abc")}), "not msgpack"),
        (msgpack.packb(msgpack.Timestamp(1)), "not msgpack"),
        (b"", "not msgpack"),
        (b"\xc1", "not msgpack"),
        (b"\x81\xa1a", "not msgpack"),
        (msgpack.packb({}) + b"\x00", "not msgpack"),
        (b"\xdd\xff\xff\xff\xff", "not msgpack"),
        (b"\x91" * 200 + b"\xc0", "nested deeper"),
        (b"\x91" * 100_000 + b"\xc0", "frame"),
        (b"\xdd" + (MAX_ITEMS).to_bytes(4, "big") + b"\x80" * MAX_ITEMS, "more than"),
        (b"\x92" + 2 * (b"\xdd" + (60_000).to_bytes(4, "big") + b"\x90" * 60_000), "more than"),
    ],
)
def test_frames_that_are_not_well_formed_are_refused_with_words(frame: bytes, words: str) -> None:
    with pytest.raises(FrameError) as error:
        unpack(frame)
    assert words in str(error.value)


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    with suppress(FrameError):
        unpack(data)


@given(st.data())
def test_a_good_frame_with_a_wrong_byte_is_read_or_refused(data: st.DataObject) -> None:
    frame = bytearray(pack({"prompt": "go", "state": np.arange(7.0), "images": {"a": np.zeros((2, 2, 3), np.uint8)}}))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    with suppress(FrameError):
        unpack(bytes(frame))


def test_a_frame_above_its_limit_and_frames_of_other_kinds_are_refused() -> None:
    with pytest.raises(FrameError, match="limit 10"):
        unpack(pack({"a": np.zeros(100)}), 10)
    with pytest.raises(FrameError, match="is text"):
        unpack_map("{}")
    with pytest.raises(FrameError, match="holds list"):
        unpack_map(pack([1]))
    with pytest.raises(FrameError, match="texts as keys"):
        unpack_map(msgpack.packb({b"a": 1}))


def test_arrays_are_views_of_the_frame_and_cannot_be_written() -> None:
    array = unpack(pack(np.arange(3.0)))
    assert not array.flags.writeable
    assert array.base is not None
