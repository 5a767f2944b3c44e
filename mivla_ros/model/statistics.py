"""Normalisation: what the 76 values were in the data, and how each kind of value is scaled. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_space import ACTION_SIZE, VALUES, Kind
from mivla_ros.model.errors import ModelError

Array = NDArray[np.float64]

CONSTANT = 1e-6
"""Values that range over less than this are constant: normalised to 0, and given back as what they were."""


class Method(StrEnum):
    """How a value is scaled. MIN_MAX and QUANTILES (1 % to 99 %): to -1..1. MEAN_STD: to mean 0 and deviation 1.
    IDENTITY: not at all."""

    MIN_MAX = "min_max"
    QUANTILES = "quantiles"
    MEAN_STD = "mean_std"
    IDENTITY = "identity"


USUAL_METHODS: Mapping[Kind, Method] = {
    Kind.POSITION: Method.MIN_MAX,
    Kind.JOINT: Method.MIN_MAX,
    Kind.GRIPPER: Method.MIN_MAX,
    Kind.ROTATION_6D: Method.IDENTITY,  # lie in -1..1 already, and keep their geometry
    Kind.QUATERNION: Method.IDENTITY,
}


@dataclass(frozen=True)
class ValueStatistics:
    """Of each of the 76 values over ``count`` samples; None where there was none."""

    count: tuple[int, ...]
    minimum: tuple[float | None, ...]
    maximum: tuple[float | None, ...]
    mean: tuple[float | None, ...]
    std: tuple[float | None, ...]
    q01: tuple[float | None, ...]
    q99: tuple[float | None, ...]


def statistics_of(rows: NDArray[np.floating], mask: NDArray[np.bool_] | None = None) -> ValueStatistics:
    """Statistics of rows (N, 76), only of values whose mask (N, 76) is True.

    Raises ModelError for another shape, or naming a valid value that is not finite.
    """
    if rows.ndim != 2 or rows.shape[1] != ACTION_SIZE or (mask is not None and mask.shape != rows.shape):
        raise ModelError(f"statistics: rows are {rows.shape}, must be (N, {ACTION_SIZE}), the mask of the same shape")
    columns: dict[str, list[float | None]] = {name: [] for name in ("minimum", "maximum", "mean", "std", "q01", "q99")}
    counts = []
    for index in range(ACTION_SIZE):
        values = np.asarray(rows[:, index] if mask is None else rows[mask[:, index], index], dtype=np.float64)
        counts.append(len(values))
        if not np.isfinite(values).all():
            raise ModelError(f"statistics: {VALUES[index].name} holds NaN or infinity", VALUES[index].name)
        found = (
            (values.min(), values.max(), values.mean(), values.std(), *np.quantile(values, (0.01, 0.99)))
            if len(values)
            else (None,) * 6
        )
        for name, value in zip(columns, found, strict=True):
            columns[name].append(None if value is None else float(value))
    return ValueStatistics(count=tuple(counts), **{name: tuple(values) for name, values in columns.items()})


@dataclass(frozen=True)
class Normalisation:
    """How state and actions are scaled, with the statistics that say by how much.

    source: what the statistics are of, in words. clip: normalised inputs are held in -1..1 (H-RDT on EgoDex).
    margin: how far beyond the data's range an action may be that is given back, as a share of the range; what the
    data never did a robot does not do. Negative: any value is given back.
    """

    source: str
    state: ValueStatistics
    actions: ValueStatistics
    methods: Mapping[Kind, Method] = field(default_factory=lambda: dict(USUAL_METHODS))
    clip: bool = False
    margin: float = 0.1

    def normalise_state(self, state: NDArray[np.floating]) -> Array:
        """(..., 76) in units of the action space to the network's."""
        return self._normalise(state, self.state)

    def normalise_actions(self, actions: NDArray[np.floating]) -> Array:
        """(..., 76) in units of the action space to the network's."""
        return self._normalise(actions, self.actions)

    def restore_actions(self, actions: NDArray[np.floating]) -> Array:
        """(..., 76) of the network to units of the action space, held within the data's range and ``margin``."""
        centre, scale = affine(self.actions, self.methods)
        values = np.asarray(actions, dtype=np.float64) * scale + centre
        if self.margin < 0:
            return values
        lower, upper = _known(self.actions.minimum, -np.inf), _known(self.actions.maximum, np.inf)
        with np.errstate(invalid="ignore"):
            slack = np.nan_to_num(self.margin * (upper - lower), posinf=np.inf)
        return np.clip(values, lower - slack, upper + slack)

    def _normalise(self, values: NDArray[np.floating], statistics: ValueStatistics) -> Array:
        centre, scale = affine(statistics, self.methods)
        shifted = np.asarray(values, dtype=np.float64) - centre
        result = np.divide(shifted, scale, out=np.zeros_like(shifted), where=scale > 0)
        result = np.where(np.isnan(shifted), shifted, result)
        return np.clip(result, -1.0, 1.0) if self.clip else result


def affine(statistics: ValueStatistics, methods: Mapping[Kind, Method]) -> tuple[Array, Array]:
    """Centre and scale (76,) of ``value = centre + scale * normalised``; scale 0 for a value that is constant in the
    data, 1 for one that has none."""
    centre, scale = np.zeros(ACTION_SIZE), np.ones(ACTION_SIZE)
    for index, value in enumerate(VALUES):
        method = methods[value.kind]
        if method is Method.IDENTITY or not statistics.count[index]:
            continue
        if method is Method.MEAN_STD:
            middle, half = statistics.mean[index], statistics.std[index]
        else:
            low, high = (
                (statistics.minimum[index], statistics.maximum[index])
                if method is Method.MIN_MAX
                else (statistics.q01[index], statistics.q99[index])
            )
            assert low is not None and high is not None
            middle, half = (low + high) / 2, (high - low) / 2
        assert middle is not None and half is not None
        centre[index], scale[index] = middle, half if half > CONSTANT / 2 else 0.0
    return centre, scale


def check_normalisation(normalisation: Normalisation, source: str, error: type[ModelError] = ModelError) -> None:
    """Raise ``error`` naming the statistic that is missing, of the wrong length or upside down."""
    for part, statistics in (("state", normalisation.state), ("actions", normalisation.actions)):
        for name in ("count", "minimum", "maximum", "mean", "std", "q01", "q99"):
            values = getattr(statistics, name)
            if len(values) != ACTION_SIZE:
                key = f"{part}.{name}"
                raise error(f"{source}: {key} has {len(values)} values, must have {ACTION_SIZE}", key)
        for index, count in enumerate(statistics.count):
            names = ("minimum", "q01", "mean", "q99", "maximum", "std")
            low, high = statistics.minimum[index], statistics.maximum[index]
            if not count:
                continue
            missing = any(getattr(statistics, name)[index] is None for name in names)
            if missing or low is None or high is None or low > high:
                key = f"{part} {VALUES[index].name}"
                raise error(f"{source}: {key}: minimum {low}, maximum {high}: missing or upside down", key)
    for kind in Kind:
        if kind not in normalisation.methods:
            raise error(f"{source}: methods.{kind} is missing", f"methods.{kind}")


def _known(values: tuple[float | None, ...], missing: float) -> Array:
    return np.array([missing if value is None else value for value in values])
