"""Stand-ins in plain Python for what each vendor's driver makes of a command, with its traps; no code of theirs."""

from math import pi
from types import SimpleNamespace
from typing import Any

from mivla_ros.hardware.dialect import Send


def message(fields: dict[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(**fields)


class PiperRosDriver:
    """piper_ros: pi as 3.14, zero for missing joints, silence above 3.5 rad, the gripper's factor and clamp."""

    def __init__(self, multiple: float = 1.0) -> None:
        self.multiple = multiple
        self.millidegrees = [0] * 6
        self.opening = 0.0
        self.speed = 0

    def take(self, send: Send) -> None:
        named = dict(zip(send.fields["name"], send.fields["position"], strict=False))
        values = [named.get(f"joint{i}", 0.0) for i in range(1, 7)]
        if any(abs(value) > 3.5 for value in values):
            return
        self.speed = int(send.fields["velocity"][6]) if len(send.fields["velocity"]) == 7 else 30
        self.millidegrees = [round(value * 57324.840764) for value in values]
        self.opening = min(max(named.get("gripper", 0.0) * self.multiple, 0.0), 0.08)

    def true_radians(self) -> list[float]:
        """Where the motors really are."""
        return [value / 1000 * pi / 180 for value in self.millidegrees]

    def feedback(self) -> SimpleNamespace:
        return message({
            "name": [*(f"joint{i}" for i in range(1, 7)), "gripper"],
            "position": [*(value / 1000 * 0.017444 for value in self.millidegrees), self.opening],
            "velocity": [0.0] * 6,
            "effort": [0.0] * 7,
        })  # fmt: skip


def arx_status(positions: list[float]) -> SimpleNamespace:
    return message({"end_pos": [0.0] * 6, "joint_pos": positions, "joint_vel": [0.1] * 7, "joint_cur": [1.0] * 7})
