"""Episodes as training samples: random access by number to an observation and the chunk of actions that follows it."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, overload

import numpy as np
from numpy.typing import NDArray

from mivla_ros.episodes.episode import Array, Episode, Stamps
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.observing import Observer
from mivla_ros.episodes.unified import ActionSource, UnifiedEpisode
from mivla_ros.observation import Observation

_OPEN_EPISODES = 64


class EpisodeSource(Protocol):
    """Episodes by number, opened when asked for: a list of them, or ``formats.Episodes``."""

    def __len__(self) -> int:
        """How many."""
        ...

    def __getitem__(self, index: int) -> Episode:
        """One, open."""
        ...


@dataclass(frozen=True)
class SampleOptions:
    """chunk: steps a sample has. step_seconds: time between them. first_step_seconds: from the observation to the first
    step, None for one step (H-RDT on EgoDex: chunk 16, step 0.1, first step 1/30). rate: observations a second, None
    for every frame. cameras: names, None for all of each episode. at_least: (height, width) in pixels that suffices.
    source: what counts as a robot's action.
    """

    chunk: int = 16
    step_seconds: float = 0.1
    first_step_seconds: float | None = None
    rate: float | None = None
    cameras: tuple[str, ...] | None = None
    at_least: tuple[int, int] | None = None
    source: ActionSource = ActionSource.AUTO

    def __post_init__(self) -> None:
        """Raises ValueError naming the option that cannot be."""
        if self.chunk < 1:
            raise ValueError(f"chunk is {self.chunk}, must be 1 or more")
        for name in ("step_seconds", "first_step_seconds", "rate"):
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                raise ValueError(f"{name} is {value}, must be above 0")

    def offsets_ns(self) -> Stamps:
        """(chunk,) times from the observation to each step."""
        first = self.step_seconds if self.first_step_seconds is None else self.first_step_seconds
        return np.round((first + self.step_seconds * np.arange(self.chunk)) * 1e9).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Sample:
    """One training sample in the unified 76 values of ``action_space``.

    state (76,), actions (chunk, 76) float32, 0 where masked; state_mask, action_mask: True where the episode has the
    value. Steps beyond the episode's end hold its last value and are masked. embodiment: robot or human. robot: its
    name. thumb_knuckles: by side (1 + chunk, 7), human only, at the observation and at each step. episode: its number.
    """

    observation: Observation
    state: NDArray[np.float32]
    state_mask: NDArray[np.bool_]
    actions: NDArray[np.float32]
    action_mask: NDArray[np.bool_]
    embodiment: str
    robot: str
    episode: int
    thumb_knuckles: Mapping[str, Array] = field(default_factory=dict)


@dataclass(eq=False)
class _Open:
    observer: Observer
    unified: UnifiedEpisode


class TrainingSamples(Sequence[Sample]):
    """All samples of some episodes. Picklable as far as the episodes are; each process opens its own files."""

    def __init__(self, episodes: EpisodeSource, options: SampleOptions, stamps: Sequence[Stamps] | None = None) -> None:
        """``stamps`` of an earlier instance of the same episodes and options save looking through them again.

        Raises EpisodeError for an episode without a single moment to observe.
        """
        self.episodes, self.options = episodes, options
        self._open: OrderedDict[int, _Open] = OrderedDict()
        self._offsets_ns = options.offsets_ns()
        self.stamps: list[Stamps] = list(stamps) if stamps is not None else self._find_stamps()
        self._ends = np.cumsum([len(s) for s in self.stamps]).tolist()

    def _find_stamps(self) -> list[Stamps]:
        found = []
        for index in range(len(self.episodes)):
            opened = self._opened(index)
            stamps = opened.observer.stamps(self.options.rate)
            stamps = stamps[stamps + self._offsets_ns[0] <= opened.unified.end_ns]
            if not len(stamps):
                path = opened.observer.episode.info.path
                raise EpisodeError(path, "frames", "there is no moment with every stream and a step after it")
            found.append(stamps)
        return found

    def __getstate__(self) -> dict[str, object]:
        """Open files stay behind."""
        return {**self.__dict__, "_open": OrderedDict()}

    def __len__(self) -> int:
        """Number of samples."""
        return self._ends[-1] if self._ends else 0

    def place(self, index: int) -> tuple[int, int]:
        """Episode and stamp (ns) of a sample. Raises IndexError."""
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        episode = bisect_right(self._ends, index)
        first = self._ends[episode - 1] if episode else 0
        return episode, int(self.stamps[episode][index - first])

    def episode_range(self, episode: int) -> range:
        """Numbers of one episode's samples."""
        return range(self._ends[episode - 1] if episode else 0, self._ends[episode])

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        """A sample. Raises IndexError, EpisodeError."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self._sample(index, decode=True)

    def without_images(self, index: int) -> Sample:
        """A sample whose pictures stay undecoded (1x1), for statistics and labels."""
        return self._sample(index, decode=False)

    def _sample(self, index: int, decode: bool) -> Sample:
        number, stamp_ns = self.place(index)
        opened = self._opened(number)
        observation = opened.observer.at(stamp_ns, decode=decode)
        state = opened.unified.state(stamp_ns, observation)
        moments = stamp_ns + self._offsets_ns
        end_ns = opened.unified.end_ns
        actions = opened.unified.actions(np.minimum(moments, end_ns))
        actions.mask[moments > end_ns] = False
        info = opened.observer.episode.info
        human = info.embodiment == "human"
        return Sample(
            observation,
            state.values[0],
            state.mask[0],
            actions.values,
            actions.mask,
            info.embodiment,
            info.robot,
            number,
            opened.unified.thumb_knuckles(np.concatenate([[stamp_ns], np.minimum(moments, end_ns)])) if human else {},
        )

    def _opened(self, index: int) -> _Open:
        if index in self._open:
            self._open.move_to_end(index)
            return self._open[index]
        episode = self.episodes[index]
        options = self.options
        observer = Observer(episode, options.cameras, at_least=options.at_least)
        self._open[index] = _Open(observer, UnifiedEpisode(episode, options.source))
        if len(self._open) > _OPEN_EPISODES:
            self._open.popitem(last=False)
        return self._open[index]
