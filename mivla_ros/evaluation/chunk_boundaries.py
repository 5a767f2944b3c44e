"""Chunk boundaries under injected delays: what each way of chunking asks of the robot where one chunk follows another.

Every episode runs the policy, the retargeting and the physics of the real thing; only the time that inference takes is
made up. While it lasts the policy sees nothing else, as one network on one computer would.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_chunk import ActionChunk
from mivla_ros.evaluation.intervals import rate_interval
from mivla_ros.policies.chunking import Chunking
from mivla_ros.policies.headless import HeadlessRun
from mivla_ros.retargeting import Command

Array = NDArray[np.float64]


@dataclass(frozen=True)
class BoundaryEpisode:
    """One episode. velocity_jumps (m/s), position_jumps (m): what the newer chunk asks of the end effector less what
    the older one did, at the moment it takes over. bends (m/s): the largest change of the asked velocity from one step
    to the next, from just before that moment to two steps later; a jump that is only put off shows here.
    acceleration: root mean square of what was sent, rad/s^2. held: share of chunks that came when nothing was left of
    the one before.
    """

    chunking: str
    delay: float
    seed: int
    success: bool
    seconds: float
    velocity_jumps: tuple[float, ...]
    position_jumps: tuple[float, ...]
    acceleration: float
    held: float
    failure: str
    bends: tuple[float, ...] = ()

    def as_json(self) -> dict[str, object]:
        """For one line of a results file."""
        return asdict(self)


def episode_from_json(values: Mapping[str, object]) -> BoundaryEpisode:
    """What ``as_json`` gave."""
    return BoundaryEpisode(
        **{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}  # type: ignore[arg-type]
    )


def asked(chunk: ActionChunk, now_ns: int) -> tuple[Array, Array] | None:
    """Position and velocity (3,) that a chunk asks of its first arm's end effector at a time; None where it says
    nothing about it."""
    step, rest = divmod(now_ns - chunk.first_step_ns, chunk.step_ns)
    eef = chunk.arms[0].eef
    if eef is None or not 0 <= step < chunk.horizon - 1:
        return None
    here, there = eef[step, :3], eef[step + 1, :3]
    return here + (rest / chunk.step_ns) * (there - here), (there - here) / (chunk.step_ns * 1e-9)


@dataclass
class _Meter:
    controllers: frozenset[str]
    chunk: ActionChunk | None = None
    velocity_jumps: list[float] = field(default_factory=list)
    position_jumps: list[float] = field(default_factory=list)
    bends: list[float] = field(default_factory=list)
    chunks: int = 0
    held: int = 0
    squares: float = 0.0
    points: int = 0
    sent: list[Command] = field(default_factory=list)

    def on_chunk(self, chunk: ActionChunk, now_ns: int) -> None:
        before, self.chunk = self.chunk, chunk
        if before is None:
            return
        self.chunks += 1
        old, new = asked(before, now_ns), asked(chunk, now_ns)
        if old is None:
            self.held += 1
        elif new is not None:
            self.position_jumps.append(float(np.linalg.norm(new[0] - old[0])))
            self.velocity_jumps.append(float(np.linalg.norm(new[1] - old[1])))
            self._bend(before, chunk, now_ns)

    def _bend(self, before: ActionChunk, chunk: ActionChunk, now_ns: int) -> None:
        past = asked(before, now_ns - before.step_ns)
        ahead = [asked(chunk, now_ns + k * chunk.step_ns) for k in range(3)]
        velocities = [state[1] for state in (past, *ahead) if state is not None]
        if len(velocities) == 4:
            self.bends.append(float(np.linalg.norm(np.diff(velocities, axis=0), axis=1).max()))

    def on_command(self, command: Command) -> None:
        if command.controller not in self.controllers:
            return
        if self.sent and command.trajectory is not None:
            self._count(self.sent[-1], command.trajectory.start_ns)
        self.sent = [command]

    def _count(self, command: Command, end_ns: int) -> None:
        """What was really driven of a command that another one replaces at end_ns."""
        trajectory = command.trajectory
        if trajectory is None:
            return
        count = min(max((end_ns - trajectory.start_ns) // trajectory.period_ns, 0), len(trajectory.velocities))
        change = np.diff(trajectory.velocities[: count + 1], axis=0) / (trajectory.period_ns * 1e-9)
        self.squares += float((change**2).sum())
        self.points += change.size


class BoundaryRun(HeadlessRun):
    """A headless run of the noisy expert that measures its boundaries."""

    meter: _Meter

    def on_chunk(self, chunk: ActionChunk, now_ns: int) -> None:
        """Measure."""
        self.meter.on_chunk(chunk, now_ns)

    def on_command(self, command: Command) -> None:
        """Measure."""
        self.meter.on_command(command)


def play(run: BoundaryRun, chunking: Chunking, delay: float, seed: int, limit: float = 60.0) -> BoundaryEpisode:
    """One episode of a run that was made for this chunking and delay."""
    run.meter = _Meter(frozenset(arm.controller for arm in run.profile.arms))
    episode, meter = run.episode(seed, limit), run.meter
    return BoundaryEpisode(
        chunking=str(chunking),
        delay=delay,
        seed=seed,
        success=bool(episode.success),
        seconds=episode.seconds,
        velocity_jumps=tuple(meter.velocity_jumps),
        position_jumps=tuple(meter.position_jumps),
        acceleration=float(np.sqrt(meter.squares / max(meter.points, 1))),
        held=meter.held / max(meter.chunks, 1),
        bends=tuple(meter.bends),
        failure="" if episode.success else episode.failure or str(episode.reason),
    )


_stages: dict[tuple[str, float], BoundaryRun] = {}
"""Of this process: a scene is compiled once for each chunking and delay."""


def play_anywhere(options: Mapping[str, object], limit: float, job: tuple[str, float, int]) -> BoundaryEpisode:
    """One episode of a chunking, delay and seed, in whichever process; options: of the noisy expert."""
    name, delay, seed = job
    if (name, delay) not in _stages:
        _stages.clear()
        _stages[name, delay] = BoundaryRun("noisy_expert", {**options, "chunking": name}, latency=delay, busy=True)
    return play(_stages[name, delay], Chunking(name), delay, seed, limit)


def table(episodes: Iterable[BoundaryEpisode]) -> str:
    """Markdown: one row for each delay and chunking, all seeds together."""
    groups: dict[tuple[float, str], list[BoundaryEpisode]] = {}
    for episode in episodes:
        groups.setdefault((episode.delay, episode.chunking), []).append(episode)
    order = [str(chunking) for chunking in Chunking]
    lines = [
        "| delay ms | chunking | success (95 % interval) | velocity jump mm/s: median / 95 % "
        "| position jump mm: median / 95 % "
        "| bend mm/s: median / 95 % | acceleration sent, rad/s²: RMS | gaps | s to finish: median / longest |",
        "|--:|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for (delay, chunking), group in sorted(groups.items(), key=lambda item: (item[0][0], order.index(item[0][1]))):
        done = [episode.seconds for episode in group if episode.success]
        rate = rate_interval([episode.success for episode in group])
        seconds = f"{np.median(done):.1f} / {max(done):.1f}" if done else ""
        lines.append(
            f"| {1e3 * delay:.0f} | {chunking} | {len(done)} of {len(group)} "
            f"({100 * rate.lower:.0f} to {100 * rate.upper:.0f} %) "
            f"| {_jumps(group, 'velocity_jumps')} | {_jumps(group, 'position_jumps')} | {_jumps(group, 'bends')} "
            f"| {np.mean([episode.acceleration for episode in group]):.2f} "
            f"| {100 * np.mean([episode.held for episode in group]):.0f} % | {seconds} |"
        )
    return "\n".join(lines)


def _jumps(group: Sequence[BoundaryEpisode], name: str) -> str:
    values = 1e3 * np.concatenate([np.array(getattr(episode, name)) for episode in group])
    return f"{np.median(values):.1f} / {np.percentile(values, 95):.1f}" if len(values) else ""
