"""Plays a recorded episode again, through the same protocol as every other policy: what was commanded, what was
measured, or the chunks a policy gave.

Joints are played as joints, from where the robot is: first a smooth way to the recording's first row, then the
recording in its own time (or faster, slower). Chunks are played as they are, at the same distance from the first
observation as in the recording; they are right only where the robot starts as it did then.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_chunk import ActionChunk, ArmActions, GripperKind, Space
from mivla_ros.observation import Observation
from mivla_ros.policies.policy import Actions, PolicyError, PolicySpec, Progress
from mivla_ros.robots.profile import ArmProfile, RobotProfile

if TYPE_CHECKING:
    from mivla_ros.episodes.episode import Stream
    from mivla_ros.episodes.formats import EpisodeRef

Array = NDArray[np.float64]

POLICY = "replay"
STREAMS = {"commanded": "commands", "measured": "joints"}
SOURCES = (*STREAMS, "chunks")


@dataclass(frozen=True)
class ReplayOptions:
    """Options of the player.

    path: folder or file of the episode, in any format of ``mivla_ros.episodes`` (FOLDER#NUMBER: of a LeRobot data set);
    it must be of this robot. source: "commanded" or "measured" joints, or the recorded "chunks". speed:
    times as fast, for joints. start_hold: s to rest before it begins. approach_speed: largest joint speed of the way to
    the first row, rad/s.
    """

    path: str = ""
    source: str = "commanded"
    speed: float = 1.0
    start_hold: float = 0.5
    approach_speed: float = 0.5
    horizon: int = 16
    step_seconds: float = 0.05
    period_seconds: float = 0.2


@dataclass(frozen=True)
class _Recording:
    """What is kept of an episode: rows of the robot's joints over time (s from 0), or chunks."""

    name: str
    time: Array
    positions: dict[str, Array]
    chunks: tuple[ActionChunk, ...]


class ReplayPolicy:
    """An episode as a policy. It begins at the first inference after a reset and is finished when the episode is."""

    def __init__(self, profile: RobotProfile, options: ReplayOptions) -> None:
        """Reads the episode. Raises PolicyError for an episode or options that cannot be used with this robot."""
        self.options, self._profile = options, profile
        _check(options)
        self._recording = _read(profile, options)
        chunks = self._recording.chunks
        newest = chunks[0] if chunks else None
        self.spec = PolicySpec(
            name=POLICY,
            revision=f"{self._recording.name} {options.source}",
            cameras=(),
            frame_id=newest.frame_id if newest else profile.arms[0].base_frame,
            horizon=max((chunk.horizon for chunk in chunks), default=options.horizon),
            step_seconds=newest.step_ns / 1e9 if newest else options.step_seconds,
            period_seconds=options.period_seconds,
        )
        self._starts = [chunk.observation_ns - chunks[0].observation_ns for chunk in chunks]
        self.reset("", 0)

    def reset(self, instruction: str, seed: int) -> None:
        """Back to the beginning; words and seed change nothing."""
        self._started_ns: int | None = None
        self._from: dict[str, tuple[Array, float]] = {}
        self._lead = 0.0

    def infer(self, observation: Observation, progress: Progress) -> Actions:
        """What was due at this distance from the beginning. Raises PolicyError where the observation lacks an arm."""
        if self._started_ns is None:
            self._started_ns = observation.stamp_ns
            self._start(observation)
        elapsed = (observation.stamp_ns - self._started_ns) / 1e9 - self.options.start_hold
        if self._recording.chunks:
            return self._chunk(elapsed)
        steps = elapsed + self.options.step_seconds * np.arange(self.options.horizon, dtype=np.float64)
        arms = tuple(self._arm(arm, steps) for arm in self._profile.arms)
        whole = self._lead + self._recording.time[-1] / self.options.speed
        return Actions(arms, 0.0, self.options.step_seconds, finished=bool(elapsed > whole))

    def close(self) -> None:
        """Nothing to give back."""

    def _start(self, observation: Observation) -> None:
        """From where the arms are now to the recording's first row, in a time that keeps the approach's speed."""
        for arm in self._profile.arms:
            if arm.name not in observation.arms:
                raise PolicyError(
                    POLICY, f"the observation has no arm {arm.name!r}, only {list(observation.arms)}", arm.name
                )
            state = observation.arms[arm.name]
            self._from[arm.name] = state.joints.copy(), state.gripper
        if not self._recording.chunks:
            ways = [np.abs(self._recording.positions[j][0] - q) for j, q in self._now()]
            self._lead = 1.875 * float(max(ways)) / self.options.approach_speed

    def _now(self) -> list[tuple[str, float]]:
        return [
            (joint, float(position))
            for arm in self._profile.arms
            for joint, position in zip(arm.joints, self._from[arm.name][0], strict=True)
        ]

    def _arm(self, arm: ArmProfile, steps: Array) -> ArmActions:
        played = np.clip((steps - self._lead) * self.options.speed, 0.0, self._recording.time[-1])
        share = np.clip(steps / self._lead, 0.0, 1.0) if self._lead > 0 else np.ones_like(steps)
        smooth = share**3 * (10 - 15 * share + 6 * share**2)
        start, opening = self._from[arm.name]

        def way(joint: str, begin: float) -> Array:
            values = np.interp(played, self._recording.time, self._recording.positions[joint])
            return begin + smooth * (values - begin)

        joints = np.stack([way(joint, start[k]) for k, joint in enumerate(arm.joints)], axis=1)
        gripper = None
        if arm.gripper is not None:
            recorded = np.interp(played, self._recording.time, self._recording.positions[arm.gripper.joint])
            gripper = opening + smooth * (arm.gripper.opening(recorded) - opening)
        return ArmActions(
            arm.name,
            Space.JOINT,
            gripper=gripper,
            gripper_kind=GripperKind.CONTINUOUS,
            joint_names=arm.joints,
            joints=joints,
        )

    def _chunk(self, elapsed: float) -> Actions:
        """The newest chunk that was given by now; its steps are due as long after its observation as they were."""
        chunks = self._recording.chunks
        index = max(bisect_right(self._starts, elapsed * 1e9) - 1, 0)
        chunk = chunks[index]
        ago = elapsed - self._starts[index] / 1e9
        first = (chunk.first_step_ns - chunk.observation_ns) / 1e9 - ago
        over = elapsed * 1e9 > self._starts[-1] + chunks[-1].end_ns - chunks[-1].observation_ns
        return Actions(chunk.arms, first, chunk.step_ns / 1e9, chunk.body, finished=over)


def _read(profile: RobotProfile, options: ReplayOptions) -> _Recording:
    from mivla_ros.episodes.errors import EpisodeError
    from mivla_ros.episodes.formats import read_episode

    path = Path(options.path)
    try:
        with read_episode(_ref(path), profile) as episode:
            robot = episode.info.metadata.get("robot", episode.info.robot)
            if robot != profile.name:
                raise PolicyError(POLICY, f"{path}: is of robot {robot!r}, this is {profile.name!r}", "robot")
            if options.source == "chunks":
                return _Recording(path.name, np.zeros(1), {}, _chunks(episode.chunks, profile, path))
            name = STREAMS[options.source]
            if name not in episode.streams:
                raise PolicyError(POLICY, f"{path}: holds no {options.source} joints", name)
            stream = episode.streams[name]
            check_units(stream, profile, path)
            return _joints(stream.stamps_ns, stream.values, stream.columns, profile, path)
    except EpisodeError as error:
        raise PolicyError(POLICY, str(error), error.path) from error


def _ref(path: Path) -> "EpisodeRef":
    """The one episode at a path. Raises EpisodeError for a file that cannot be told, PolicyError for none or many."""
    from mivla_ros.episodes.errors import EpisodeError
    from mivla_ros.episodes.formats import episodes_at

    found = episodes_at(path)
    for one in found:
        if isinstance(one, EpisodeError):
            raise one
    refs = [one for one in found if not isinstance(one, EpisodeError)]
    if len(refs) != 1:
        many = f"holds {len(refs)} episodes, name one: {refs[0]}" if refs else "holds no episode of a known format"
        raise PolicyError(POLICY, f"{path}: {many}", str(path))
    return refs[0]


def check_units(stream: "Stream", profile: RobotProfile, path: Path) -> None:
    """A joint in other units than the robot's would be played as if it were in them. Raises PolicyError naming it."""
    for name, unit in zip(stream.columns, stream.units, strict=True):
        if name in profile.joint_names and unit not in ("rad", "m"):
            raise PolicyError(POLICY, f"{path}: joint {name} is in {unit!r}, must be in rad or m", name)


def _joints(
    stamps_ns: NDArray[np.int64], values: Array, columns: Sequence[str], profile: RobotProfile, path: Path
) -> _Recording:
    names = profile.joint_names
    missing = [name for name in names if name not in columns]
    if missing:
        raise PolicyError(POLICY, f"{path}: has no joint {', '.join(missing)}, only {', '.join(columns)}", missing[0])
    rows = values[:, [list(columns).index(name) for name in names]]
    there = np.isfinite(rows).all(axis=1) & np.r_[True, np.diff(stamps_ns) > 0]
    if there.sum() < 2:
        raise PolicyError(POLICY, f"{path}: has {int(there.sum())} rows with every joint, must be 2 or more", "joints")
    stamps, rows = stamps_ns[there], rows[there]
    time = (stamps - stamps[0]) / 1e9
    return _Recording(path.name, time, dict(zip(names, rows.T, strict=True)), ())


def _chunks(chunks: Sequence[ActionChunk], profile: RobotProfile, path: Path) -> tuple[ActionChunk, ...]:
    """Those of the newest session, in order. Raises PolicyError where there is none, or for another robot's."""
    if not chunks:
        raise PolicyError(POLICY, f"{path}: holds no chunks", "chunks")
    kept = sorted((c for c in chunks if c.session == chunks[-1].session), key=lambda chunk: chunk.observation_ns)
    arms = {arm.name for arm in profile.arms}
    for chunk in kept:
        strangers = [arm.name for arm in chunk.arms if arm.name not in arms]
        if strangers or chunk.frame_id != kept[0].frame_id:
            what = f"arm {strangers[0]!r}" if strangers else f"frames {kept[0].frame_id!r} and {chunk.frame_id!r}"
            raise PolicyError(POLICY, f"{path}: chunk {chunk.sequence} has {what}", "chunks")
    return tuple(kept)


def _check(options: ReplayOptions) -> None:
    if not options.path:
        raise PolicyError(POLICY, "option path is empty, it must name an episode", "path")
    folder, _, number = options.path.rpartition("#")
    if not Path(options.path).exists() and not (number.isdigit() and Path(folder).exists()):
        raise PolicyError(POLICY, f"{options.path}: there is no such episode", options.path)
    if options.source not in SOURCES:
        raise PolicyError(POLICY, f"option source is {options.source!r}, must be one of {', '.join(SOURCES)}", "source")
    for name in ("speed", "approach_speed", "horizon", "step_seconds", "period_seconds"):
        value = getattr(options, name)
        if not 0 < value < np.inf:
            raise PolicyError(POLICY, f"option {name} is {value:g}, must be above 0", name)
    if not 0 <= options.start_hold < np.inf:
        raise PolicyError(POLICY, f"option start_hold is {options.start_hold:g}, must be 0 or more", "start_hold")
