"""The one root exception of kinematics."""

from math import nan


class KinematicsError(ValueError):
    """A robot description or a request that kinematics cannot use. ``subject`` is the link, joint or argument
    at fault, ``value`` and ``limit`` are the evidence where there are numbers.
    """

    def __init__(self, subject: str, message: str, value: float = nan, limit: float = nan) -> None:
        super().__init__(f"kinematics: {subject}: {message}")
        self.subject = subject
        self.value = value
        self.limit = limit
