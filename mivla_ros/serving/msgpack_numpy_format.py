"""Arrays in msgpack as the package msgpack-numpy writes them, for XPolicyLab's clients.

An array is the map ``{b"nd": True, b"type": "<f4", b"kind": b"", b"shape": [..], b"data": bytes}``, a scalar
``{b"nd": False, b"type": .., b"data": bytes}``. Objects (which that package would unpickle) and records are refused.
"""

from typing import Any

import numpy as np

from mivla_ros.serving import array_packing
from mivla_ros.serving.array_packing import array_of, bytes_of, carried
from mivla_ros.serving.errors import FrameError

IS_ARRAY, TYPE, KIND, SHAPE, DATA = b"nd", b"type", b"kind", b"shape", b"data"


def pack(message: object) -> bytes:
    """A message as one frame. Raises FrameError as ``array_packing.pack``."""
    return array_packing.pack(message, _encode)


def unpack_map(frame: bytes | str, limit: int) -> dict[str, Any]:
    """The map in a frame of at most ``limit`` bytes. Raises FrameError as ``array_packing.unpack_map``."""
    return array_packing.unpack_map(frame, limit, _decode)


def _encode(value: object) -> object:
    if isinstance(value, np.ndarray):
        name = carried(value.dtype)
        return {IS_ARRAY: True, TYPE: name, KIND: b"", SHAPE: value.shape, DATA: bytes_of(value)}
    if isinstance(value, np.generic):
        return {IS_ARRAY: False, TYPE: carried(value.dtype), DATA: value.tobytes()}
    raise TypeError(f"{type(value).__name__} is not carried")


def _decode(entry: dict[Any, Any]) -> object:
    if IS_ARRAY not in entry:
        return entry
    if entry.get(KIND) not in (None, b"", ""):
        raise FrameError("array", f"kind {str(entry[KIND])[:20]} is not carried")
    found = array_of(entry.get(TYPE), entry.get(SHAPE, []), entry.get(DATA))
    return found if entry[IS_ARRAY] else found[()]
