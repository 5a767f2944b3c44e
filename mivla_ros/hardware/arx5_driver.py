"""An ARX arm on arx5-sdk as a dialect: the SDK is a library, so the driver is this very process.

The library is the module ``arx5_interface`` (package arx5-interface), which is not among the suite's own: it is
imported when an arm is made, from wherever Python finds it, or from the environment ``vendors`` of a checkout.
"""

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mivla_ros.extra_environment import ExtraEnvironment
from mivla_ros.hardware.arx5_sdk import Arx5Sdk
from mivla_ros.hardware.dialect import IN_PROCESS, Listen, Reading, Send
from mivla_ros.hardware.errors import HardwareError
from mivla_ros.hardware.naming import can_port
from mivla_ros.robots.profile import ArmProfile

MODULE = "arx5_interface"


@dataclass(frozen=True)
class Arx5Options:
    """model: as the SDK names it. can: interface of one arm; two have can_left and can_right (empty: the vendor's
    usual, can0, or can1 left and can3 right). rate: commands a second; the SDK interpolates to 500."""

    model: str = "X5"
    can: str = ""
    can_left: str = ""
    can_right: str = ""
    rate: float = 100.0

    def __post_init__(self) -> None:
        if not 1.0 <= self.rate <= 500.0:
            raise HardwareError("rate", f"is {self.rate:g}, must be 1 to 500", self.rate, 500.0)

    def port(self, side: str, arms: int) -> str:
        """The CAN interface of an arm."""
        given = self.can if arms == 1 else {"left": self.can_left, "right": self.can_right}[side]
        return given or can_port("arx", side, arms)


def load_module() -> Any:  # noqa: ANN401
    """The module arx5_interface. Raises HardwareError where it is not installed, or cannot be loaded."""
    environment = ExtraEnvironment("vendors")
    if environment.made() is not None:
        # last, so that the suite's own NumPy is used
        folders = (str(f) for f in environment.folder.glob("lib/python3.*/site-packages"))
        sys.path.extend(f for f in folders if f not in sys.path)
    try:
        return importlib.import_module(MODULE)
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == MODULE:
            words = "is not installed: environment/extra.bash vendors, or pip install arx5-interface"
            raise HardwareError(MODULE, words) from error
        raise HardwareError(MODULE, f"cannot be loaded: {error}") from error


class Arx5Driver:
    """The dialect of one arm. Raises HardwareError where the module or the CAN interface is not there."""

    def __init__(self, arm: ArmProfile, arms: int, options: Arx5Options | None = None) -> None:
        options = options or Arx5Options()
        port = options.port(arm.side, arms)
        package = load_module()
        try:
            controller = package.Arx5JointController(options.model, port)
        except Exception as error:  # the SDK raises RuntimeError, or what its C++ does
            words = f"cannot be opened for an {options.model}: {error} (ip link show {port}: is it up, at 1000000?)"
            raise HardwareError(port, words) from error
        self._sdk = Arx5Sdk(arm, controller, package)
        self.name, self.rate, self.joints = "arx5_sdk", options.rate, self._sdk.joints
        self.listens: tuple[Listen, ...] = (Listen(f"arx5_sdk {port}", IN_PROCESS),)
        self.speaks: tuple[tuple[str, str], ...] = ()

    def enable(self, on: bool) -> tuple[Send, ...]:
        """Gains on from where the arm is, or damping."""
        return (Send("enable", IN_PROCESS, {"on": on}),)

    def command(self, positions: Mapping[str, float]) -> tuple[Send, ...]:
        """All joints. HardwareError outside the SDK's limits."""
        self._sdk.check(positions)
        return (Send("command", IN_PROCESS, dict(positions)),)

    def take(self, send: Send) -> None:
        """Hand it to the SDK."""
        try:
            if send.topic == "enable":
                self._sdk.enable(bool(send.fields["on"]))
            else:
                self._sdk.command(send.fields)
        except RuntimeError as error:
            raise HardwareError(self.listens[0].topic, f"{send.topic} failed: {error}") from error

    def read(self, topic: str, message: Any) -> Reading:  # noqa: ANN401
        """The arm as the SDK knows it; there is no message."""
        try:
            return self._sdk.read()
        except RuntimeError as error:
            raise HardwareError(topic, f"cannot be read: {error}") from error
