"""How each vendor names the topics of two arms (drivers.md of the facts: sections 1.2, 1.3, 2.1)."""

from enum import StrEnum

from mivla_ros.hardware.errors import HardwareError


class Naming(StrEnum):
    """One arm: plain. Two: where the side goes."""

    PLAIN = "plain"  # topic
    NAMESPACE = "namespace"  # left/topic (agx_arm_ros)
    SUFFIX = "suffix"  # topic_left (forks of piper_ros)
    SHORT_SUFFIX = "short_suffix"  # topic_l (PikaAnyArm)
    ALOHA = "aloha"  # puppet/joint_left, master/joint_left (2024 ALOHA files)
    NUMBER = "number"  # joint_control, joint_control2 (ARX double_arm): left first


def topic_of(topic: str, side: str, naming: Naming) -> str:
    """A driver's topic for the arm of a side ("left", "right"). Raises HardwareError for another side."""
    if side not in ("left", "right"):
        raise HardwareError("side", f"is {side!r}, must be left or right")
    match naming:
        case Naming.NAMESPACE:
            return f"{side}/{topic}"
        case Naming.SUFFIX:
            return f"{topic}_{side}"
        case Naming.SHORT_SUFFIX:
            return f"{topic}_{side[0]}"
        case Naming.NUMBER:
            return topic if side == "left" else f"{topic}2"
        case _:
            return topic


def can_port(robot: str, side: str, arms: int) -> str:
    """The vendor's usual CAN interface: can0 for one arm; PiPer can_left, can_right; ARX can1 left, can3 right."""
    if arms == 1:
        return "can0"
    if robot.startswith("arx"):
        return "can1" if side == "left" else "can3"
    return f"can_{side}"
