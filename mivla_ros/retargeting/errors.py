"""The one root exception of retargeting."""

from math import nan

from mivla_ros.stop_reasons import Reason, Stop


class RetargetingError(ValueError):
    """A chunk that may not move anything. ``stop`` is the named reason with its evidence."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(str(stop))
        self.stop = stop


def refuse(
    reason: Reason, subject: str, message: str = "", value: float = nan, limit: float = nan, unit: str = ""
) -> RetargetingError:
    """A RetargetingError from a reason and its evidence."""
    return RetargetingError(Stop(reason, subject, value, limit, unit, message))
