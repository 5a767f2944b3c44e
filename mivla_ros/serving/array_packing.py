"""Messages of a policy server as msgpack frames, NumPy arrays included, in the wire format of openpi.

An array is the map ``{b"__ndarray__": True, b"data": bytes in C order, b"dtype": "<f4", b"shape": [..]}``, a NumPy
scalar ``{b"__npgeneric__": True, b"data": its plain value, b"dtype": ..}``; the keys are bytes. Only numbers, truth
values and fixed-size texts are carried: records, objects and complex numbers are refused both ways, and nothing read is
ever executed.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgpack
import numpy as np

from mivla_ros.serving.errors import FrameError

MARK_ARRAY, MARK_SCALAR = b"__ndarray__", b"__npgeneric__"
DATA, DTYPE, SHAPE = b"data", b"dtype", b"shape"

KINDS = "biufSU"
_DTYPE = re.compile(r"[<>|=]?(?:[biuf](?:1|2|4|8)|[SU]\d{1,7})\Z")
MEBIBYTE = 1 << 20
MAX_DIMENSIONS = 16
MAX_ITEMS = 100_000  # entries of all lists and maps of a frame; a byte on the wire can be a hundred in memory
MAX_DEPTH = 32


def pack(message: object, encode: Callable[[object], object] | None = None) -> bytes:
    """A message as one frame. encode: how arrays and scalars are written, where not as openpi does. Raises FrameError
    for arrays of objects, records or complex numbers, and for anything else that msgpack does not carry.
    """
    try:
        return bytes(msgpack.packb(message, default=encode or _encode))
    except FrameError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise FrameError("message", f"cannot be packed: {error}") from error


def unpack(frame: bytes, limit: int = 1 << 30, decode: Callable[[dict[Any, Any]], object] | None = None) -> Any:  # noqa: ANN401
    """The message of a frame. Arrays are read-only views of the frame's bytes.

    limit: bytes a frame may have. decode: a map as what it stands for, where not as openpi does. Raises FrameError
    naming the entry for everything that is not well formed, before memory for it is taken: no array may claim another
    size than it brings along.
    """
    if len(frame) > limit:
        raise FrameError("frame", f"has {len(frame)} bytes, limit {limit}")
    size = max(len(frame), 1)
    count = 0

    def counted(entry: Any) -> object:  # noqa: ANN401
        nonlocal count
        count += len(entry) + 1
        if count > MAX_ITEMS:
            raise FrameError("frame", f"holds more than {MAX_ITEMS} entries")
        return (decode or _decode)(entry) if isinstance(entry, dict) else entry

    try:
        message = msgpack.unpackb(
            frame,
            object_hook=counted,
            list_hook=counted,
            max_bin_len=size,
            max_str_len=size,
            max_array_len=min(size, MAX_ITEMS),
            max_map_len=min(size, MAX_ITEMS),
            max_ext_len=0,
        )
    except FrameError:
        raise
    except (ValueError, TypeError, RecursionError, msgpack.exceptions.UnpackException) as error:
        words = str(error) or type(error).__name__
        raise FrameError("frame", f"is not msgpack: {words}") from error
    _check_depth(message, 0)
    return message


def unpack_map(
    frame: bytes | str, limit: int = 1 << 30, decode: Callable[[dict[Any, Any]], object] | None = None
) -> dict[str, Any]:
    """A frame that must be binary and hold a map with text keys, as every frame of the protocol does."""
    if isinstance(frame, str):
        raise FrameError("frame", "is text, must be binary")
    message = unpack(frame, limit, decode)
    if not isinstance(message, dict) or not all(isinstance(key, str) for key in message):
        raise FrameError("frame", f"holds {type(message).__name__}, must hold a map with texts as keys")
    return message


def _encode(value: object) -> object:
    if isinstance(value, np.ndarray):
        return {MARK_ARRAY: True, DATA: bytes_of(value), DTYPE: carried(value.dtype), SHAPE: value.shape}
    if isinstance(value, np.generic):
        carried(value.dtype)
        return {MARK_SCALAR: True, DATA: value.item(), DTYPE: value.dtype.str}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not carried")


def bytes_of(array: np.ndarray[Any, Any]) -> bytes | memoryview:
    """An array's values in C order, without a copy where that is possible."""
    return array.data.cast("B") if array.flags.c_contiguous and array.nbytes else array.tobytes()


def carried(dtype: np.dtype[Any]) -> str:
    """A type's name on the wire, such as "<f4". Raises FrameError for objects, records and complex numbers."""
    if dtype.kind not in KINDS or not _DTYPE.match(dtype.str):
        raise FrameError("array", f"type {dtype.str!r} is not carried, only numbers, truth values and texts are")
    return dtype.str


def _decode(entry: dict[Any, Any]) -> object:
    if MARK_ARRAY in entry:
        return array_of(entry.get(DTYPE), entry.get(SHAPE), entry.get(DATA))
    if MARK_SCALAR in entry:
        return _scalar(entry)
    return entry


def _dtype(name: object) -> np.dtype[Any]:
    if not isinstance(name, str) or not _DTYPE.match(name):
        raise FrameError("array", f"type is {str(name)[:60]!r}, must be of numbers, truth values or texts")
    try:
        return np.dtype(name)
    except TypeError as error:
        raise FrameError("array", f"type {name!r}: {error}") from error


def _scalar(entry: dict[Any, Any]) -> object:
    dtype, value = _dtype(entry.get(DTYPE)), entry.get(DATA)
    if not isinstance(value, bool | int | float | str | bytes):
        raise FrameError("scalar", f"data is of type {type(value).__name__}, must be a plain value")
    try:
        return dtype.type(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise FrameError("scalar", f"of type {dtype.str!r}: {error}") from error


def _shape(shape: object) -> tuple[int, ...]:
    if (
        not isinstance(shape, list | tuple)
        or len(shape) > MAX_DIMENSIONS
        or not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in shape)
    ):
        raise FrameError("array", f"shape is {str(shape)[:60]}, must be up to {MAX_DIMENSIONS} whole numbers from 0 on")
    return tuple(shape)


def array_of(dtype_name: object, shape_given: object, data: object) -> np.ndarray[Any, Any]:
    """The array that a wire says so of. Raises FrameError unless all three fit each other."""
    dtype, shape = _dtype(dtype_name), _shape(shape_given)
    if not isinstance(data, bytes):
        raise FrameError("array", f"data is of type {type(data).__name__}, must be bytes")
    wanted = math.prod(shape) * dtype.itemsize
    if wanted != len(data):
        raise FrameError("array", f"shape {list(shape)} of {dtype.str} needs {wanted} bytes, there are {len(data)}")
    try:
        return np.ndarray(shape, dtype, data)
    except (ValueError, TypeError, OverflowError) as error:
        raise FrameError("array", f"type {dtype.str!r} and shape {list(shape)}: {error}") from error


def _check_depth(value: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise FrameError("frame", f"is nested deeper than {MAX_DEPTH}")
    if isinstance(value, dict):
        for child in value.values():
            _check_depth(child, depth + 1)
    elif isinstance(value, list):
        for child in value:
            _check_depth(child, depth + 1)
