"""PiPer's units: what piper_ros takes for pi, the CAN units of piper_sdk, and its firmware's zero of joints 2 and 3.

Source: drivers.md 1.2 and 1.5, piper.yaml kinematics_dh.
"""

import re
from dataclasses import dataclass
from math import pi
from typing import Literal

from mivla_ros.hardware.errors import HardwareError

MILLIDEGREES_OF_RADIAN = 57324.840764  # piper_ros, for 180000 / pi = 57295.779513
RADIANS_OF_DEGREE = 0.017444  # piper_ros, for pi / 180 = 0.0174533
NEW_DH_FROM = (1, 6, 3)  # firmware S-V1.6-3: zeros of joint2 and joint3 moved by 2 degrees

Dh = Literal["new", "old"]


def command_radians(radians: float) -> float:
    """What to send to piper_ros so that the motor goes to ``radians``: its factor is 180 / 3.14."""
    return radians * (180_000 / pi) / MILLIDEGREES_OF_RADIAN


def measured_radians(reported: float) -> float:
    """What the motor measures where piper_ros reports ``reported`` rad: its factor is rounded to 0.017444."""
    return reported / RADIANS_OF_DEGREE * (pi / 180)


def can_millidegrees(radians: float) -> int:
    """Joint values as on CAN (0x155 to 0x157, 0x2A5 to 0x2A7) and in piper_sdk: 0.001 degree, rounded."""
    return round(radians * 180_000 / pi)


def can_micrometres(opening: float) -> int:
    """Gripper opening (m) as on CAN (0x159, 0x2A8) and in piper_sdk: 0.001 mm, rounded."""
    return round(opening * 1e6)


@dataclass(frozen=True)
class Firmware:
    """A PiPer firmware, such as S-V1.6-3."""

    text: str
    version: tuple[int, int, int]

    @property
    def dh(self) -> Dh:
        """Which kinematics the arm has (``dh_variant`` of urdf/piper/piper.urdf.xacro)."""
        return "new" if self.version >= NEW_DH_FROM else "old"


def read_firmware(text: str) -> Firmware:
    """Read a firmware string as the arm gives it. Raises HardwareError where it is none."""
    found = re.search(r"S-V(\d+)\.(\d+)-(\d+)", text)
    if found is None:
        raise HardwareError("firmware", f"is {text!r}, must be like S-V1.6-3")
    major, minor, patch = (int(part) for part in found.groups())
    return Firmware(found.group(0), (major, minor, patch))


def check_dh(firmware: Firmware, described: str) -> None:
    """Raise HardwareError where the description has the other firmware's zeros: up to 10 mm off at the wrist."""
    if firmware.dh != described:
        raise HardwareError(
            "dh_variant",
            f"the description says {described!r}, firmware {firmware.text} has {firmware.dh!r} zeros of joint2 and "
            f"joint3 (2 degrees apart); set dh_variant: {firmware.dh} in the profile's description_arguments",
        )
