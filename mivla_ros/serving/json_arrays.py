"""Messages as JSON with arrays in base64, as RoboTwin's policy clients write them.

An array is ``{"__numpy_array__": true, "data": base64 of the values in C order, "dtype": "float32", "shape": [..]}``.
"""

import base64
import binascii
import json
from typing import Any

import numpy as np

from mivla_ros.serving.array_packing import MAX_ITEMS, array_of, bytes_of, carried
from mivla_ros.serving.errors import FrameError

MARK = "__numpy_array__"
NAMES = {np.dtype(code).name: np.dtype(code).str for code in "?bBhHiIlLefd"}
"""Types by the names that stand in such messages."""


def pack(message: object) -> bytes:
    """A message as UTF-8 text. Raises FrameError for what cannot be written so."""
    try:
        return json.dumps(message, default=_encode).encode()
    except (TypeError, ValueError) as error:
        raise FrameError("message", f"cannot be written: {error}") from error


def unpack(text: bytes) -> Any:  # noqa: ANN401
    """What a text says. Raises FrameError for everything that is not well formed, before memory for it is taken."""
    if sum(text.count(sign) for sign in (b",", b"[", b"{")) > MAX_ITEMS:
        raise FrameError("message", f"holds more than {MAX_ITEMS} entries")
    try:
        return json.loads(text.decode(), object_hook=_decode)
    except (ValueError, RecursionError) as error:
        raise FrameError("message", f"is not JSON: {error}") from error


def _encode(value: object) -> object:
    if isinstance(value, np.ndarray):
        carried(value.dtype)
        data = base64.b64encode(bytes_of(value)).decode()
        return {MARK: True, "data": data, "dtype": value.dtype.name, "shape": value.shape}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not carried")


def _decode(entry: dict[str, Any]) -> object:
    if MARK not in entry:
        return entry
    name, data = entry.get("dtype"), entry.get("data")
    if not isinstance(data, str):
        raise FrameError("array", f"data is of type {type(data).__name__}, must be text")
    try:
        values = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise FrameError("array", f"data is not base64: {error}") from error
    return array_of(NAMES.get(name, name) if isinstance(name, str) else name, entry.get("shape"), values)
