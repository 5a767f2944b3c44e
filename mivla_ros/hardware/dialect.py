"""What one vendor's driver says and hears, as plain data: topics, types and field values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from mivla_ros.hardware.errors import HardwareError
from mivla_ros.stop_reasons import Stop


@dataclass(frozen=True)
class Listen:
    """A topic of the driver that we read; ``optional``: we run without it where its message package is absent."""

    topic: str
    type: str
    optional: bool = False


@dataclass(frozen=True)
class Send:
    """One message or service request to the driver: nested ``fields`` by their names in the vendor's definition."""

    topic: str
    type: str
    fields: Mapping[str, Any]
    service: bool = False


@dataclass(frozen=True)
class Reading:
    """What one message of the driver means for us.

    positions, velocities (rad or m, per s) and efforts (N m or N) by our joint names; only what the message holds.
    enabled: whether the motors have torque, None where the message does not say. fault: DRIVER_FAULT with its evidence.
    """

    positions: Mapping[str, float]
    velocities: Mapping[str, float]
    efforts: Mapping[str, float]
    enabled: bool | None = None
    fault: Stop | None = None


class Dialect(Protocol):
    """One driver process: an arm with its gripper, or a whole robot where the vendor has one driver for it."""

    name: str
    rate: float  # commands a second that the driver bears
    joints: tuple[str, ...]  # ours, all of which one command must hold

    @property
    def listens(self) -> tuple[Listen, ...]:
        """Topics to read; the first one carries the joints."""
        ...

    @property
    def speaks(self) -> tuple[tuple[str, str], ...]:
        """Topics (with types) on which commands go."""
        ...

    def command(self, positions: Mapping[str, float]) -> tuple[Send, ...]:
        """Messages that send all ``joints`` (rad, m) there; HardwareError where that cannot or must not be sent."""
        ...

    def enable(self, on: bool) -> tuple[Send, ...]:
        """What asks for torque, or for none. Empty: this driver does so by itself."""
        ...

    def read(self, topic: str, message: Any) -> Reading:  # noqa: ANN401
        """A message of one of ``listens``; anything with the vendor's field names. HardwareError if unusable."""
        ...


@runtime_checkable
class Staged(Protocol):
    """A dialect whose driver takes commands only some time after ``enable``, by steps."""

    def next_stage(self, now_ns: int) -> tuple[Send, ...]:
        """What is due now on the way. HardwareError where the driver did not go along."""
        ...

    def stage(self, now_ns: int) -> str:
        """Where it is on the way, in words; empty where the way is done."""
        ...

    def begin_commands(self) -> None:
        """The way is done: commands follow."""
        ...

    def give_up(self) -> None:
        """Go no further."""
        ...


IN_PROCESS = "in process"
"""Type of what a driver in our own process hears and says: no topic."""


@runtime_checkable
class InProcess(Protocol):
    """A dialect whose driver is a library in our own process: its state is read at the dialect's rate, without a
    message."""

    def take(self, send: Send) -> None:
        """Do what a Send says. HardwareError where the library fails."""
        ...


def require_all(joints: tuple[str, ...], positions: Mapping[str, float]) -> None:
    """Raise HardwareError naming the joints that a command lacks or that are not finite.

    A vendor's driver fills what is missing with zero, which moves the arm; so nothing incomplete is sent.
    """
    missing = [name for name in joints if name not in positions]
    if missing:
        raise HardwareError(", ".join(missing), "missing in the command; the driver would move there to zero")
    for name in joints:
        if not abs(positions[name]) < float("inf"):
            raise HardwareError(name, f"is {positions[name]}, must be finite", positions[name])


def named_values(topic: str, names: Any, values: Any, wanted: Mapping[str, str]) -> dict[str, float]:  # noqa: ANN401
    """Values by our names: ``wanted`` maps the driver's names to ours. HardwareError for sizes or names that do not
    fit."""
    if len(names) != len(values):
        raise HardwareError(topic, f"has {len(names)} names and {len(values)} values", len(values), len(names))
    found = {str(name): float(value) for name, value in zip(names, values, strict=True)}
    missing = [name for name in wanted if name not in found]
    if missing:
        raise HardwareError(topic, f"lacks joints {', '.join(missing)}; it has {', '.join(found) or 'none'}")
    for name in wanted:
        if not abs(found[name]) < float("inf"):
            raise HardwareError(topic, f"{name} is {found[name]}, must be finite", found[name])
    return {ours: found[theirs] for theirs, ours in wanted.items()}
