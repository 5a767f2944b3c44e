"""One driver in use: trajectories in, samples out at the rate the driver bears, its feedback watched.

Trajectories mean what they mean to ros2_control's joint_trajectory_controller (``simulation/trajectory.py``), so the
same retargeting drives the simulator, a controller and a vendor's driver. Commands are sent only while the driver is
enabled, its feedback is fresh and nothing is wrong; a fault latches until it is enabled again, from where the joints
are then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Any

from mivla_ros.hardware.dialect import Dialect, Reading, Send, Staged
from mivla_ros.hardware.errors import HardwareError
from mivla_ros.simulation.errors import TrajectoryRejectedError
from mivla_ros.simulation.trajectory import JointTrajectory, TrajectoryFollower
from mivla_ros.stop_reasons import RUNNING, Reason, Stop

SECOND = 1_000_000_000


@dataclass(frozen=True)
class SessionOptions:
    """Seconds and rad. silence: without feedback; enabling: until feedback must say so, where it does; following: for
    how long a joint may be farther than ``distance`` from its command; resting_rate: Hz of the held command, so that a
    dropped last one does no harm."""

    silence: float = 0.2
    enabling: float = 5.0
    following: float = 0.5
    distance: float = 0.35
    resting_rate: float = 10.0


@dataclass(frozen=True)
class Sample:
    """Joints as measured, ours: names, rad or m, per s; NaN where the driver does not say."""

    names: tuple[str, ...]
    positions: tuple[float, ...]
    velocities: tuple[float, ...]
    efforts: tuple[float, ...]


@dataclass
class Counts:
    """What happened since the start."""

    sent: int = 0
    received: int = 0
    unusable: int = 0
    refused_trajectories: int = 0


class Session:
    """The way to one driver. Times are nanoseconds of one clock that does not go back."""

    def __init__(
        self,
        dialect: Dialect,
        controllers: Mapping[str, Sequence[str]],
        options: SessionOptions | None = None,
    ) -> None:
        """controllers: joints of each by its name. Raises HardwareError where they are not the dialect's joints."""
        ours = [name for joints in controllers.values() for name in joints]
        if sorted(ours) != sorted(dialect.joints):
            raise HardwareError(dialect.name, f"commands {', '.join(dialect.joints)}; the controllers have {ours}")
        self.dialect, self.counts = dialect, Counts()
        self._options = options or SessionOptions()
        self._controllers = {name: tuple(joints) for name, joints in controllers.items()}
        self._followers: dict[str, TrajectoryFollower] = {}
        self._measured: Reading = Reading({}, {}, {})
        self._heard_ns: int | None = None
        self._sent_ns: int | None = None
        self._asked_ns: int | None = None
        self._unusable = ""
        self._staged = dialect if isinstance(dialect, Staged) else None
        self._far_ns: dict[str, int] = {}
        self._last: dict[str, float] = {}
        self.enabled = False
        self.reason: Stop = RUNNING

    @property
    def controllers(self) -> tuple[str, ...]:
        """Names of the controllers it follows."""
        return tuple(self._controllers)

    def enable(self, on: bool, now_ns: int) -> tuple[Send, ...]:
        """Ask for torque (or none), and hold where the joints are. HardwareError without fresh feedback."""
        if not on:
            self.enabled = False
            self._followers = {}
            return self.dialect.enable(False)
        silent = self._silence(now_ns)
        if silent is not None:
            raise HardwareError(self.dialect.name, f"cannot be enabled: {silent}", silent.value, silent.limit)
        self.reason, self.enabled, self._asked_ns = RUNNING, True, now_ns
        self._far_ns, self._last, self._sent_ns, self._followers = {}, {}, None, {}
        sends = self.dialect.enable(True)
        if self._staged is None:
            self._hold()
        return sends

    def stage(self, now_ns: int) -> str:
        """Where the driver is on its way to taking commands, or back; empty where it is not on its way."""
        return "" if self._staged is None else self._staged.stage(now_ns)

    def _hold(self) -> None:
        self._followers = {
            name: TrajectoryFollower(name, joints, self._row(joints), allow_moving_end=True)
            for name, joints in self._controllers.items()
        }

    def enabling_refused(self, message: str) -> None:
        """The driver's service said no."""
        self._stop(Stop(Reason.DRIVER_REFUSED, self.dialect.name, message=message))

    def command(self, controller: str, trajectory: JointTrajectory, now_ns: int) -> None:
        """Take over a trajectory. Raises HardwareError where it cannot be followed; the old one then goes on."""
        follower = self._followers.get(controller)
        try:
            if not self.enabled:
                raise HardwareError(controller, "the driver is not enabled: call driver/enable")
            if self.reason.reason is not Reason.NONE:
                raise HardwareError(controller, f"stopped: {self.reason}; call driver/enable when it is mended")
            if follower is None:
                raise HardwareError(controller, f"the robot is on its way: {self.stage(now_ns)}")
            try:
                follower.command(trajectory, now_ns, self._row(self._controllers[controller]))
            except TrajectoryRejectedError as error:
                raise HardwareError(controller, str(error), error.value, error.limit) from error
        except HardwareError:
            self.counts.refused_trajectories += 1
            raise

    def hear(self, topic: str, message: Any, now_ns: int) -> Sample | None:  # noqa: ANN401
        """A message of the driver: a sample where it held joints. An unusable one counts, and as silence in the end."""
        try:
            reading = self.dialect.read(topic, message)
        except HardwareError as error:
            self.counts.unusable += 1
            self._unusable = str(error)
            return None
        self.counts.received += 1
        if reading.fault is not None:
            self._stop(reading.fault)
        refused = self.enabled and reading.enabled is False and self._asked_ns is not None
        if refused and now_ns - (self._asked_ns or 0) > self._options.enabling * SECOND:
            self._stop(Stop(Reason.DRIVER_REFUSED, self.dialect.name, message="no torque after it was enabled"))
        if not reading.positions:
            return None
        if not any(reading.positions.values()) and not any(self._measured.positions.values()):
            # the vendor's SDK reports zeros until the first frame of the bus arrives
            self.counts.unusable += 1
            self._unusable = f"{topic}: every joint is exactly 0, as before the first frame of the bus"
            return None
        self._measured, self._heard_ns = reading, now_ns
        self._check_following(now_ns)
        names = tuple(reading.positions)
        return Sample(
            names,
            tuple(reading.positions.values()),
            tuple(reading.velocities.get(name, nan) for name in names),
            tuple(reading.efforts.get(name, nan) for name in names),
        )

    def tick(self, now_ns: int) -> tuple[Send, ...]:
        """What is to be sent now; call it at the dialect's rate or more often."""
        if self.enabled:
            silent = self._silence(now_ns)
            if silent is not None:
                self._stop(silent)
        staged = self._next_stage(now_ns)
        if not self.enabled or self.reason.reason is not Reason.NONE or not self._followers:
            return staged
        moving = any(follower.end_ns >= now_ns - SECOND // 5 for follower in self._followers.values())
        rate = self.dialect.rate if moving else min(self._options.resting_rate, self.dialect.rate)
        # a millisecond early counts as due, or a timer's jitter would halve the rate
        if self._sent_ns is not None and now_ns - self._sent_ns < SECOND / rate - 1_000_000:
            return ()
        positions: dict[str, float] = {}
        for name, follower in self._followers.items():
            desired = follower.sample(now_ns).positions
            positions |= dict(zip(self._controllers[name], desired.tolist(), strict=True))
        try:
            sends = self.dialect.command(positions)
        except HardwareError as error:
            self._stop(Stop(Reason.DRIVER_REFUSED, error.subject, error.value, error.limit, message=str(error)))
            return ()
        self._sent_ns, self._last = now_ns, positions
        self.counts.sent += len(sends)
        return sends

    def _next_stage(self, now_ns: int) -> tuple[Send, ...]:
        """Steps of the way to taking commands, or back from there; none on the way there after a fault."""
        if self._staged is None:
            return ()
        if self.enabled and self.reason.reason is not Reason.NONE:
            self._staged.give_up()
            return ()
        try:
            sends = self._staged.next_stage(now_ns)
        except HardwareError as error:
            self._staged.give_up()
            self._stop(Stop(Reason.DRIVER_REFUSED, error.subject, error.value, error.limit, message=str(error)))
            return ()
        if self.enabled and not self._followers and not self._staged.stage(now_ns):
            self._staged.begin_commands()
            self._hold()
        return sends

    def age(self, now_ns: int) -> float:
        """Seconds since the last usable feedback; NaN before the first."""
        return nan if self._heard_ns is None else (now_ns - self._heard_ns) / SECOND

    def _row(self, joints: Sequence[str]) -> list[float]:
        return [self._measured.positions[name] for name in joints]

    def _silence(self, now_ns: int) -> Stop | None:
        age = self.age(now_ns)
        if age <= self._options.silence:
            return None
        topic = self.dialect.listens[0].topic
        words = self._unusable or ("nothing has come yet" if isnan(age) else "is the driver running, and the bus up?")
        return Stop(Reason.DRIVER_SILENT, topic, age, self._options.silence, "s", words)

    def _check_following(self, now_ns: int) -> None:
        """A driver that drops commands, or an arm in its protection, shows in nothing else."""
        for name, wanted in self._last.items():
            off = abs(self._measured.positions.get(name, wanted) - wanted)
            if off <= self._options.distance:
                self._far_ns.pop(name, None)
                continue
            since = self._far_ns.setdefault(name, now_ns)
            if now_ns - since > self._options.following * SECOND:
                words = "the driver does not follow: commands dropped, a refused mode, or the arm is in its protection"
                self._stop(Stop(Reason.DRIVER_FAULT, name, off, self._options.distance, "rad", words))

    def _stop(self, stop: Stop) -> None:
        if self.reason.reason is Reason.NONE:
            self.reason = stop
