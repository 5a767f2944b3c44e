"""What an adapter refuses, with its evidence."""

from math import nan


class HardwareError(ValueError):
    """Something that must not go to a driver, or that came from one and cannot be used.

    subject: the joint, topic, field or option; value and limit: what was found and what it broke, NaN where neither is
    a number.
    """

    def __init__(self, subject: str, message: str, value: float = nan, limit: float = nan) -> None:
        super().__init__(f"{subject}: {message}")
        self.subject = subject
        self.value = value
        self.limit = limit
