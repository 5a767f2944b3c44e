"""Observations out of an episode, by the rules and the code of the live policy node (``observations.Synchroniser``)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_chunk import ActionChunk
from mivla_ros.episodes.episode import Array, EefPose, Episode, Stamps, nominal_rate
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.interpolation import poses_at
from mivla_ros.observation import ArmState, CameraImage, Observation
from mivla_ros.observations import StreamLimits, Synchroniser
from mivla_ros.observations.image_stream import newest_set
from mivla_ros.observations.samples import Samples
from mivla_ros.stop_reasons import Stop

_PLACEHOLDER = np.zeros((1, 1, 3), dtype=np.uint8)  # pictures are chosen by stamp, and only the chosen ones decoded


def reading_limits(rate: float) -> StreamLimits:
    """The live limits; where a data set's joints have a low rate (Hz), two and a half samples may lie between two."""
    gap = max(StreamLimits.joint_gap, 2.5 / rate if rate > 0 else 0.0)
    return StreamLimits(joint_gap=gap, joint_age=max(0.2, gap), image_age=0.5, future=3600.0, frozen=0, history=30.0)


class Observer:
    """Takes observations at any moment of one episode.

    cameras: names of those to look at, None for all. at_least: (height, width) that suffices, for faster decoding.
    """

    def __init__(
        self,
        episode: Episode,
        cameras: Sequence[str] | None = None,
        limits: StreamLimits | None = None,
        at_least: tuple[int, int] | None = None,
    ) -> None:
        """Raises EpisodeError where the episode lacks a camera."""
        self.episode = episode
        self._at_least = at_least
        names = list(episode.cameras) if cameras is None else list(cameras)
        for name in names:
            if name not in episode.cameras:
                there = ", ".join(episode.cameras) or "none"
                raise EpisodeError(episode.info.path, f"camera {name}", f"is not in the episode, there are {there}")
        self._cameras = {name: episode.cameras[name] for name in names}
        self._joints = episode.streams["joints"] if "joints" in episode.streams and episode.arms else None
        rate = episode.info.rate if self._joints is None else nominal_rate(self._joints.stamps_ns)
        self.limits = limits or reading_limits(rate)
        if self._joints is not None:
            place = {name: i for i, name in enumerate(self._joints.columns)}
            wanted = [n for arm in episode.arms for n in (*arm.joints, *((arm.gripper.joint,) if arm.gripper else ()))]
            missing = [name for name in wanted if name not in place]
            if missing:
                raise EpisodeError(episode.info.path, "joints", f"has no column {', '.join(missing)}")
            self._names = wanted
            self._table = self._joints.values[:, [place[name] for name in wanted]]
            self._sparse = bool(np.isnan(self._table).any())

    def stamps(self, rate: float | None = None) -> Stamps:
        """(N,) moments at which an observation can be taken, at most ``rate`` a second (None: every frame).

        Moments without all cameras together, or without joints around them, are left out.
        """
        stamps = self._frame_stamps()
        good = np.ones(len(stamps), dtype=bool)
        skew_ns = round(self.limits.image_skew * 1e9)
        for camera in self._cameras.values():
            index = np.searchsorted(camera.stamps_ns, stamps, side="right") - 1
            good &= (index >= 0) & (stamps - camera.stamps_ns[np.maximum(index, 0)] <= skew_ns)
        if self._joints is not None:
            gap_ns = round(self.limits.joint_gap * 1e9)
            for column in range(self._table.shape[1]) if self._sparse else (0,):
                known = self._joints.stamps_ns
                if self._sparse:
                    known = known[~np.isnan(self._table[:, column])]
                index = np.searchsorted(known, stamps, side="right") - 1
                before = known[np.maximum(index, 0)]
                after = known[np.minimum(index + 1, len(known) - 1)]
                hold = (index + 1 >= len(known)) & (stamps - before <= gap_ns)
                good &= (index >= 0) & ((before == stamps) | hold | ((after - before <= gap_ns) & (after >= stamps)))
        stamps = stamps[good]
        if rate is None or not len(stamps):
            return stamps
        ticks = stamps[0] + np.arange(0, stamps[-1] - stamps[0] + 1, 1e9 / rate).round().astype(np.int64)
        # half a frame of tolerance, so that a rate equal to the camera's takes every frame in spite of jitter
        nearest = np.searchsorted(stamps, ticks + round(0.25e9 / rate), side="right") - 1
        return stamps[np.unique(nearest)]

    def _frame_stamps(self) -> Stamps:
        if self._cameras:
            return min((camera.stamps_ns for camera in self._cameras.values()), key=len)
        return self.episode.frame_stamps_ns

    def at(
        self, stamp_ns: int, instruction: str | None = None, decode: bool = True, known: Mapping[str, int] | None = None
    ) -> Observation:
        """The observation at a moment. instruction: instead of the episode's. decode: False leaves pictures 1x1.

        known: newest stamp that had arrived, by camera name and "joint_states", where not everything had (as live).
        Raises EpisodeError saying which rule is broken and by how much.
        """
        words = self.episode.info.instruction if instruction is None else instruction
        known = known or {}
        if self._joints is None:
            found = self._without_joints(stamp_ns, words, known)
        else:
            synchroniser = Synchroniser(
                self.episode.arms, list(self._cameras.values()), self._eef_at(stamp_ns), self.limits
            )
            for name, index in self._pictures(stamp_ns, known):
                camera = self._cameras[name]
                synchroniser.add_image(name, int(camera.stamps_ns[index]), _PLACEHOLDER, camera.frame_id)
            newest = known.get("joint_states")
            for stamp, row in self._joint_rows(stamp_ns, newest):
                names, values = self._names, row.tolist()
                if self._sparse:
                    there = [i for i, value in enumerate(values) if value == value]
                    names, values = [names[i] for i in there], [values[i] for i in there]
                synchroniser.add_joints(stamp, names, values)
            result = synchroniser.observe(max(stamp_ns, newest or 0), words)
            if isinstance(result, Stop):
                raise EpisodeError(self.episode.info.path, f"observation at {stamp_ns} ns", str(result))
            found = result
        return self._decoded(found) if decode else found

    def _decoded(self, observation: Observation) -> Observation:
        images = {}
        for name, image in observation.images.items():
            camera = self._cameras[name]
            index = int(np.searchsorted(camera.stamps_ns, image.stamp_ns))
            images[name] = CameraImage(camera.rgb(index, self._at_least), image.stamp_ns, image.frame_id)
        return replace(observation, images=images)

    def _pictures(self, stamp_ns: int, known: Mapping[str, int]) -> Iterator[tuple[str, int]]:
        """The two newest pictures of each camera."""
        for name, camera in self._cameras.items():
            index = int(np.searchsorted(camera.stamps_ns, min(stamp_ns, known.get(name, stamp_ns)), side="right")) - 1
            for i in range(max(index - 1, 0), index + 1):
                yield name, i

    def _joint_rows(self, stamp_ns: int, newest: int | None) -> Iterator[tuple[int, Array]]:
        """Rows around a moment: all within the gap on both sides, and at least one on each."""
        assert self._joints is not None
        stamps = self._joints.stamps_ns
        if self._sparse:
            gap_ns = round(self.limits.joint_gap * 1e9)
            first = int(np.searchsorted(stamps, stamp_ns - gap_ns))
            last = int(np.searchsorted(stamps, stamp_ns + gap_ns, side="right"))
        else:
            if newest is not None and newest < stamp_ns:
                stamp_ns = newest  # what had arrived by then ends before the moment, and is held
            middle = int(np.searchsorted(stamps, stamp_ns))
            first, last = max(middle - 1, 0), min(middle + 1, len(stamps))
            if first < last and stamps[first] == stamp_ns:
                first = int(np.searchsorted(stamps, stamp_ns))  # of equal stamps the first arrival stays
        for row in range(first, last):
            if newest is None or stamps[row] <= newest:
                yield int(stamps[row]), self._table[row]

    def _eef_at(self, stamp_ns: int) -> EefPose:
        if self.episode.eef_pose is not None:
            return self.episode.eef_pose
        moment = np.array([stamp_ns], dtype=np.int64)

        def pose(arm: str, joints: Array) -> Array:
            name = f"eef.{arm}"
            if name not in self.episode.streams:
                return np.full(7, np.nan)
            return poses_at(self.episode.streams[name], moment)[0]

        return pose

    def _without_joints(self, stamp_ns: int, words: str, known: Mapping[str, int]) -> Observation:
        streams: dict[str, Samples[CameraImage]] = {name: Samples(8) for name in self._cameras}
        for name, index in self._pictures(stamp_ns, known):
            camera = self._cameras[name]
            stamp = int(camera.stamps_ns[index])
            streams[name].add(stamp, CameraImage(_PLACEHOLDER, stamp, camera.frame_id))
        images = newest_set(streams, round(self.limits.image_skew * 1e9)) if streams else {}
        if images is None:
            raise EpisodeError(self.episode.info.path, f"observation at {stamp_ns} ns", "no pictures together")
        stamps = [image.stamp_ns for image in images.values()] or [stamp_ns]
        arms = {}
        for arm in self.episode.arms:
            eef = self._eef_at(stamp_ns)(arm.name, np.empty(0))
            arms[arm.name] = ArmState(np.empty(0), eef, float("nan"))
        return Observation(max(stamps), min(stamps), images, arms, words)


def observation_given(observer: Observer, chunk: ActionChunk) -> Observation:
    """The observation a recorded chunk was made from, bit for bit.

    The chunk says of which capture times it rests: its newest picture (``observation_ns``) and its oldest stream.
    What had arrived by then follows from them; where more than one answer fits, the one nearest to everything having
    arrived is taken. Raises EpisodeError where none fits.
    """
    stamp_ns, oldest_ns = chunk.observation_ns, chunk.oldest_observation_ns
    for known in _arrivals(observer, stamp_ns):
        try:
            found = observer.at(stamp_ns, chunk.instruction, decode=False, known=known)
        except EpisodeError:
            continue
        if found.stamp_ns == stamp_ns and found.oldest_ns == oldest_ns:
            return observer._decoded(found)
    path = observer.episode.info.path
    text = f"no observation of {stamp_ns} ns with an oldest stream of {oldest_ns} ns can be made from the recording"
    raise EpisodeError(path, f"chunk {chunk.generation}.{chunk.sequence}", text)


def _arrivals(observer: Observer, stamp_ns: int) -> Iterator[dict[str, int]]:
    """What may have arrived, everything first: joints up to each sample before it, cameras up to one earlier."""
    joints: list[int | None] = [None]
    if observer._joints is not None:
        stamps: NDArray[np.int64] = observer._joints.stamps_ns
        at = int(np.searchsorted(stamps, stamp_ns, side="right"))
        joints += [int(s) for s in stamps[max(at - 40, 0) : at][::-1]]
    choices: list[list[tuple[str, int]]] = []
    for name, camera in observer._cameras.items():
        index = int(np.searchsorted(camera.stamps_ns, stamp_ns, side="right")) - 1
        choices.append([(name, int(camera.stamps_ns[i])) for i in range(index, max(index - 2, -1), -1)])
    for newest in joints:
        for pictures in product(*choices):
            known = dict(pictures)
            if newest is not None:
                known["joint_states"] = newest
            yield known
