"""LocoMan's mode numbers, which its two projects count differently, and the way from one to another.

Source: locoman.yaml modes; drivers.md 3.2: always through stance, 3 s between switches, bimanual locked on a
real robot.
"""

from collections.abc import Mapping
from enum import StrEnum

from mivla_ros.hardware.errors import HardwareError

MIN_INTERVAL_S = 3.0


class LocoManMode(StrEnum):
    """What the robot's state machine does."""

    STANCE = "stance"
    LOCOMOTION = "locomotion"
    LEFT_EEF = "left_eef"
    RIGHT_EEF = "right_eef"
    BIMANUAL = "bimanual"
    LOCO_MANIPULATION = "loco_manipulation"
    LEFT_FOOT = "left_foot"
    RIGHT_FOOT = "right_foot"


class Variant(StrEnum):
    """Whose software runs on the robot."""

    LOCOMAN = "locoman"
    HUMAN2LOCOMAN = "human2locoman"


_M = LocoManMode
NUMBERS: Mapping[Variant, tuple[LocoManMode, ...]] = {
    Variant.LOCOMAN: (
        _M.STANCE, _M.LOCOMOTION, _M.LEFT_EEF, _M.RIGHT_EEF,
        _M.BIMANUAL, _M.LOCO_MANIPULATION, _M.LEFT_FOOT, _M.RIGHT_FOOT,
    ),
    Variant.HUMAN2LOCOMAN: (
        _M.STANCE, _M.RIGHT_FOOT, _M.LEFT_FOOT, _M.RIGHT_EEF,
        _M.LEFT_EEF, _M.LOCOMOTION, _M.LOCO_MANIPULATION, _M.BIMANUAL,
    ),
}  # fmt: skip
MODE_TOPICS: Mapping[Variant, str] = {Variant.LOCOMAN: "fsm_command", Variant.HUMAN2LOCOMAN: "fsm_state"}


def mode_number(mode: LocoManMode, variant: Variant) -> int:
    """The number that a variant gives a mode."""
    return NUMBERS[variant].index(mode)


def mode_of(number: int, variant: Variant) -> LocoManMode:
    """The mode of a variant's number. Raises HardwareError where it has none."""
    if not 0 <= number < len(NUMBERS[variant]):
        raise HardwareError("mode", f"is {number}, {variant} has 0 to {len(NUMBERS[variant]) - 1}", number)
    return NUMBERS[variant][number]


def way(before: LocoManMode, after: LocoManMode, bimanual_unlocked: bool) -> tuple[LocoManMode, ...]:
    """Modes to command one after the other, MIN_INTERVAL_S apart; empty where it is there already.

    Raises HardwareError for the bimanual mode where the robot's own lock has not been opened.
    """
    if before is after:
        return ()
    if after is _M.BIMANUAL and not bimanual_unlocked:
        raise HardwareError(
            "mode",
            "bimanual is locked on the real robot (lock_real_robot_bimanual): it replays a recorded stand-up. "
            "Unlock it there with a person at the rope, then set bimanual_unlocked",
        )
    direct = _M.STANCE in (before, after)
    return (after,) if direct else (_M.STANCE, after)
