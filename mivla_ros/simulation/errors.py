"""Errors of the simulation, each with its evidence."""

from enum import StrEnum

import numpy as np


class SimulationError(RuntimeError):
    """Anything the simulation cannot do. ``subject`` names what is at fault; ``value`` and ``limit`` say
    by how much."""

    def __init__(self, subject: str, message: str, value: float = np.nan, limit: float = np.nan) -> None:
        super().__init__(f"simulation: {subject}: {message}")
        self.subject = subject
        self.value = value
        self.limit = limit


class SceneError(SimulationError):
    """A scene that cannot be built from the robot's description, its semantics or the task."""


class RenderingError(SimulationError):
    """No off-screen rendering here, or a camera that does not exist."""


class DivergedError(SimulationError):
    """Physics went to NaN or to absurd speeds; only a reset helps."""


class Rejection(StrEnum):
    """Why a joint trajectory is refused."""

    UNKNOWN_JOINT = "unknown joint"
    PARTIAL_JOINTS = "partial joints"
    DUPLICATE_JOINT = "duplicate joint"
    WRONG_SIZE = "wrong size"
    NOT_FINITE = "not finite"
    TIMES_NOT_INCREASING = "times not increasing"
    NEGATIVE_TIME = "negative time"
    ENDS_IN_PAST = "ends in the past"
    MOVING_END = "velocity at the end"


class TrajectoryRejectedError(SimulationError):
    """A joint trajectory that a controller refuses; nothing it did before is changed. ``reason`` is the
    kind of fault."""

    def __init__(
        self, controller: str, reason: Rejection, message: str, value: float = np.nan, limit: float = np.nan
    ) -> None:
        super().__init__(controller, f"trajectory refused, {reason.value}: {message}", value, limit)
        self.reason = reason
