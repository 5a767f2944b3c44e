"""Ranges of the 48 human values over EgoDex, as H-RDT normalises them (paper.md 2.7, five decimals as published)."""

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_space import ACTION_SIZE, HUMAN, Kind
from mivla_ros.model.statistics import Method, Normalisation, ValueStatistics

# [left 24 | right 24]: wrist, 6-D rotation, tips of thumb, index, middle, ring, little
MINIMUM = (
    *(-0.98555, -0.41956, -1.24242),
    *(-1.0, -1.0, -1.0, -1.0, -1.0, -1.0),
    *(-1.04235, -0.50603, -1.33657, -1.06090, -0.53054, -1.34644, -1.08749, -0.48727, -1.36553),
    *(-1.09136, -0.48447, -1.36187, -1.08907, -0.48812, -1.33782),
    *(-0.86236, -0.04510, -1.32500),
    *(-1.0, -1.0, -0.99995, -0.99986, -1.0, -1.0),
    *(-0.97640, -0.05478, -1.44128, -1.00124, -0.07599, -1.48621, -1.00721, -0.09432, -1.49550),
    *(-0.96178, -0.09686, -1.49182, -0.94570, -0.10510, -1.46382),
)
MAXIMUM = (
    *(1.22250, 1.95509, 1.30304),
    *(1.0, 1.0, 0.99970, 1.0, 0.99999, 1.0),
    *(1.32911, 2.05832, 1.29675, 1.28464, 2.08305, 1.38842, 1.28002, 2.06160, 1.41275),
    *(1.27446, 2.05264, 1.42015, 1.25787, 2.04922, 1.42221),
    *(1.45874, 2.00189, 1.31609),
    *(1.0, 0.99910, 1.0, 1.0, 1.0, 1.0),
    *(1.36849, 2.13381, 1.40293, 1.32880, 2.17942, 1.43100, 1.33665, 2.18382, 1.43677),
    *(1.35352, 2.17237, 1.40920, 1.37684, 2.14175, 1.39432),
)


def human_normalisation() -> Normalisation:
    """H-RDT's of human data: minimum and maximum to -1..1, held in that range. Only these two are published; the other
    statistics are those of values spread evenly between them."""
    ranges = _ranges(np.array(MINIMUM), np.array(MAXIMUM))
    return Normalisation(
        source="EgoDex, minimum and maximum as published with H-RDT",
        state=ranges,
        actions=ranges,
        methods=dict.fromkeys(Kind, Method.MIN_MAX),
        clip=True,
        margin=-1.0,
    )


def raw_normalisation() -> Normalisation:
    """H-RDT's of robot data: none at all."""
    nothing = _ranges(np.empty(0), np.empty(0))
    return Normalisation(
        source="none: H-RDT takes and gives robot joints as they are",
        state=nothing,
        actions=nothing,
        methods=dict.fromkeys(Kind, Method.IDENTITY),
        margin=-1.0,
    )


def _ranges(low: NDArray[np.float64], high: NDArray[np.float64]) -> ValueStatistics:
    def column(values: NDArray[np.float64]) -> tuple[float | None, ...]:
        rest = (None,) * (ACTION_SIZE - len(values))
        return (*(float(value) for value in values), *rest)

    assert HUMAN.start == 0
    return ValueStatistics(
        count=(1,) * len(low) + (0,) * (ACTION_SIZE - len(low)),
        minimum=column(low),
        maximum=column(high),
        mean=column((low + high) / 2),
        std=column((high - low) / np.sqrt(12)),
        q01=column(low + 0.01 * (high - low)),
        q99=column(high - 0.01 * (high - low)),
    )
