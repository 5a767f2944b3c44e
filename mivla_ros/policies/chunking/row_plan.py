"""The plan under way in rows of the unified action, for networks that predict them."""

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_space import ACTION_SIZE, VALUES, Kind
from mivla_ros.policies.chunking.resampling import rows
from mivla_ros.policies.chunking.under_way import agreement_with, plan_under_way
from mivla_ros.policies.policy import Progress

Array = NDArray[np.float64]

KEPT = 32
"""Answers remembered; as many as the runner keeps chunks."""


class RowPlan:
    """Remembers what a network predicted for each observation, with the values that go to no robot."""

    def __init__(self) -> None:
        self._rows: dict[int, Array] = {}
        self._grippers = [index for index, value in enumerate(VALUES) if value.kind is Kind.GRIPPER]

    def forget(self) -> None:
        """Begin anew."""
        self._rows.clear()

    def remember(self, stamp_ns: int, predicted: Array) -> None:
        """Rows (H, 76) for the observation at stamp_ns."""
        self._rows[stamp_ns] = predicted
        while len(self._rows) > KEPT:
            del self._rows[next(iter(self._rows))]

    def under_way(self, progress: Progress, due_ns: NDArray[np.int64]) -> tuple[Array, Array] | None:
        """The plan at due times (H,), rows (H, 76), and weights (H, 76) of agreeing with it; None where there is none.

        Grippers agree only where they are past: a decision is kept or made anew, never mixed with another.
        """
        plan = plan_under_way(progress)
        predicted = None if plan is None else self._rows.get(plan.observation_ns)
        if plan is None or predicted is None or len(predicted) != plan.horizon:
            return None
        where, weight = agreement_with(plan, progress, due_ns)
        weights = np.repeat(weight[:, None], ACTION_SIZE, axis=1)
        weights[:, self._grippers] = weight[:, None] >= 1.0
        return rows(predicted, where), weights
