"""Episodes of any known format under a path, found by what the files hold, opened when asked for."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mivla_ros.episodes import bag_reader, egodex, human2locoman, lerobot, robotwin
from mivla_ros.episodes.episode import Episode
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.hdf5_file import Hdf5File
from mivla_ros.robots.profile import RobotProfile

FORMATS = (bag_reader.FORMAT, egodex.FORMAT, robotwin.LEGACY, robotwin.NEW, lerobot.FORMAT, human2locoman.FORMAT)
_HDF5 = ("*.hdf5", "*.h5")
_SETS = 8


@dataclass(frozen=True, order=True)
class EpisodeRef:
    """Where one episode is: its file or folder, the format, and its number in a file of many."""

    path: Path
    format: str
    index: int = 0

    def __str__(self) -> str:
        """Path, with the number for a LeRobot data set."""
        return f"{self.path}#{self.index}" if self.format == lerobot.FORMAT else str(self.path)


def hdf5_format(path: Path) -> str:
    """The format of an HDF5 file. Raises EpisodeError where it is none of ours, or no sound file."""
    with Hdf5File(path) as file:
        if egodex.matches(file):
            return egodex.FORMAT
        if layout := robotwin.matches(file):
            return layout
        if human2locoman.matches(file):
            return human2locoman.FORMAT
        keys = ", ".join(file.names("/")[:10]) or "nothing"
    raise EpisodeError(path, "keys", f"holds {keys}: no format known here")


def find_episodes(path: Path) -> list[EpisodeRef | EpisodeError]:
    """References of all episodes at or under a path, in order; an error in place of each file that cannot be told.

    Raises EpisodeError where there is no such path.
    """
    if not path.exists():
        raise EpisodeError(path, "path", "does not exist")
    found: list[EpisodeRef | EpisodeError] = []
    sets = _lerobot_sets(path)
    for root in sets:
        try:
            count = len(lerobot.LeRobotDataset(root))
        except EpisodeError as error:
            found.append(error)
        else:
            found += [EpisodeRef(root, lerobot.FORMAT, i) for i in range(count)]
    for bag in bag_reader.find(path):
        found.append(EpisodeRef(bag, bag_reader.FORMAT))
    files = [path] if path.is_file() else sorted(f for pattern in _HDF5 for f in path.rglob(pattern))
    for file in files:
        if file.suffix not in (".hdf5", ".h5") or any(root in file.parents for root in sets):
            continue
        try:
            found.append(EpisodeRef(file, hdf5_format(file)))
        except EpisodeError as error:
            found.append(error)
    return found


def episodes_at(path: Path) -> list[EpisodeRef | EpisodeError]:
    """As ``find_episodes``; a path of the form FOLDER#NUMBER means one episode of a LeRobot data set."""
    folder, _, number = str(path).rpartition("#")
    if not folder or not number.isdigit() or path.exists():
        return find_episodes(path)
    return [e for e in find_episodes(Path(folder)) if isinstance(e, EpisodeError) or e.index == int(number)]


def _lerobot_sets(path: Path) -> list[Path]:
    if path.is_file():
        return []
    if lerobot.is_dataset(path):
        return [path]
    return sorted(file.parent.parent for file in path.rglob("meta/info.json"))


class Episodes(Sequence[Episode]):
    """Episodes by number. Picklable: other processes open their own files. At most ``keep`` are held open."""

    def __init__(
        self,
        refs: Sequence[EpisodeRef],
        robot: str | RobotProfile = "",
        topics: Mapping[str, str] | None = None,
        keep: int = 256,
    ) -> None:
        """robot, topics: for what does not say it itself, see ``bag_reader.read``."""
        self.refs, self.robot, self.topics, self.keep = tuple(refs), robot, dict(topics or {}), keep
        self._open: OrderedDict[int, Episode] = OrderedDict()
        self._sets: dict[Path, lerobot.LeRobotDataset] = {}

    def __getstate__(self) -> dict[str, object]:
        """Open files stay behind."""
        return {**self.__dict__, "_open": OrderedDict(), "_sets": {}}

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.refs)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        """An open episode, or a part of the collection for a slice. Raises IndexError, EpisodeError."""
        if isinstance(index, slice):
            return Episodes(self.refs[index], self.robot, self.topics, self.keep)
        index = range(len(self.refs))[index]
        if index in self._open:
            self._open.move_to_end(index)
            return self._open[index]
        episode = self._read(self.refs[index])
        self._open[index] = episode
        if len(self._open) > self.keep:
            self._open.popitem(last=False)
        return episode

    def __iter__(self) -> Iterator[Episode]:
        """All, one after the other."""
        return (self[i] for i in range(len(self)))

    def chosen(self, indices: Sequence[int]) -> "Episodes":
        """Some of them, in that order."""
        return Episodes([self.refs[i] for i in indices], self.robot, self.topics, self.keep)

    def _read(self, ref: EpisodeRef) -> Episode:
        if ref.format == lerobot.FORMAT:
            if ref.path not in self._sets:
                if len(self._sets) >= _SETS:
                    self._sets.pop(next(iter(self._sets)))
                self._sets[ref.path] = lerobot.LeRobotDataset(ref.path, self.robot)
            return self._sets[ref.path].episode(ref.index)
        return read_episode(ref, self.robot, self.topics)


def read_episode(ref: EpisodeRef, robot: str | RobotProfile = "", topics: Mapping[str, str] | None = None) -> Episode:
    """Open one episode. Raises EpisodeError."""
    if ref.format == bag_reader.FORMAT:
        return bag_reader.read(ref.path, robot, topics)
    if ref.format == egodex.FORMAT:
        return egodex.read(ref.path)
    if ref.format in (robotwin.LEGACY, robotwin.NEW):
        return robotwin.read(ref.path)
    if ref.format == human2locoman.FORMAT:
        return human2locoman.read(ref.path)
    if ref.format == lerobot.FORMAT:
        return lerobot.LeRobotDataset(ref.path, robot).episode(ref.index)
    raise EpisodeError(ref.path, "format", f"is {ref.format!r}", limit=", ".join(FORMATS))


def open_episodes(
    paths: Sequence[Path | str] | Path | str,
    robot: str | RobotProfile = "",
    topics: Mapping[str, str] | None = None,
) -> Episodes:
    """All episodes at or under some paths. Raises EpisodeError for the first file that cannot be told, or for none."""
    given = [paths] if isinstance(paths, Path | str) else list(paths)
    refs: list[EpisodeRef] = []
    for path in given:
        for found in find_episodes(Path(path)):
            if isinstance(found, EpisodeError):
                raise found
            refs.append(found)
    if not refs:
        raise EpisodeError(", ".join(map(str, given)), "path", "holds no episode of a known format")
    return Episodes(refs, robot, topics)
