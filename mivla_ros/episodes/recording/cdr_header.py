"""The stamp of a serialised message, and what a joint state holds, read where they lie."""

import struct

HEADER = "std_msgs/msg/Header"
_LITTLE, _BIG = struct.Struct("<iI"), struct.Struct(">iI")
_OFFSET = 4  # behind the encapsulation


def header_stamp_ns(data: bytes) -> int | None:
    """Stamp (ns) of a CDR message whose first field is a Header; None where it is zero or the message too short."""
    if len(data) < _OFFSET + _LITTLE.size:
        return None
    seconds, nanoseconds = (_LITTLE if data[1] & 1 else _BIG).unpack_from(data, _OFFSET)
    return int(seconds) * 1_000_000_000 + int(nanoseconds) or None


def joint_positions(data: bytes) -> tuple[list[str], tuple[float, ...]]:
    """Names and positions (rad or m) of a serialised sensor_msgs/JointState; what follows them is not looked at, so
    bytes that a serialiser left at the end do no harm. Raises ValueError where the message is broken."""
    order = "<" if len(data) > 1 and data[1] & 1 else ">"
    count = struct.Struct(f"{order}I")
    try:
        (length,) = count.unpack_from(data, _OFFSET + 8)
        place = _aligned(_OFFSET + 12 + length, 4)
        (number,) = count.unpack_from(data, place)
        if number * 4 > len(data):
            raise ValueError(f"{number} names in {len(data)} bytes")
        place += 4
        names = []
        for _ in range(number):
            place = _aligned(place, 4)
            (length,) = count.unpack_from(data, place)
            names.append(bytes(data[place + 4 : place + 3 + length]).decode())
            place += 4 + length
        place = _aligned(place, 4)
        (number,) = count.unpack_from(data, place)
        if number * 8 > len(data):
            raise ValueError(f"{number} positions in {len(data)} bytes")
        return names, struct.unpack_from(f"{order}{number}d", data, _aligned(place + 4, 8)) if number else ()
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"broken joint state of {len(data)} bytes: {error}") from error


def _aligned(place: int, size: int) -> int:
    """Next place that is a multiple of ``size``, counted from behind the encapsulation."""
    return place + (_OFFSET - place) % size
