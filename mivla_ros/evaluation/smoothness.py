"""What a robot feels of the commands it is sent, measured on the commands themselves."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mivla_ros.retargeting import Command, JointTrajectory


@dataclass(frozen=True)
class Smoothness:
    """Figures of one episode, all arms (rad, grippers left out).

    boundaries: times that a running trajectory was replaced. velocity_jump: greatest and 95th percentile change of the
    commanded velocity at a boundary, rad/s. position_jump: greatest, rad. velocity, acceleration: greatest, rad/s and
    rad/s^2.
    """

    boundaries: int
    velocity_jump: float
    velocity_jump_p95: float
    position_jump: float
    velocity: float
    acceleration: float


@dataclass
class CommandMeter:
    """Takes every command to the arms in order of time."""

    controllers: frozenset[str]
    _running: dict[str, JointTrajectory] = field(default_factory=dict)
    _velocity_jumps: list[float] = field(default_factory=list)
    _position_jumps: list[float] = field(default_factory=list)
    _velocity: float = 0.0
    _acceleration: float = 0.0

    def take(self, command: Command) -> None:
        """Measure one command against the one it replaces."""
        new = command.trajectory
        if command.controller not in self.controllers:
            return
        if new is None:
            self._running.pop(command.controller, None)
            return
        old = self._running.get(command.controller)
        if old is not None and new.start_ns < old.end_ns:
            position, velocity = old.state(new.start_ns)
            self._position_jumps.append(float(np.abs(new.positions[0] - position).max()))
            self._velocity_jumps.append(float(np.abs(new.velocities[0] - velocity).max()))
        self._velocity = max(self._velocity, _greatest(new.velocities))
        if len(new.velocities) > 1:
            change = np.diff(new.velocities, axis=0) / (new.period_ns * 1e-9)
            self._acceleration = max(self._acceleration, _greatest(change))
        self._running[command.controller] = new

    def result(self) -> Smoothness:
        """What was measured so far."""
        jumps = np.array(self._velocity_jumps or [0.0])
        return Smoothness(
            boundaries=len(self._velocity_jumps),
            velocity_jump=float(jumps.max()),
            velocity_jump_p95=float(np.percentile(jumps, 95)),
            position_jump=max(self._position_jumps, default=0.0),
            velocity=self._velocity,
            acceleration=self._acceleration,
        )


def _greatest(values: NDArray[np.float64]) -> float:
    return float(np.abs(values).max()) if values.size else 0.0
