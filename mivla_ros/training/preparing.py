"""Episodes to arrays that a training step can take as they are, kept on disk: an episode is decoded once.

Each episode has a folder named by a hash of its files' names, sizes and times and of the options: ``pixels.npy``
(memory-mapped), ``rows.npz`` and ``about.json``. What is there already is not made again.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mivla_ros.episodes.episode import Episode
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.formats import EpisodeRef, read_episode
from mivla_ros.episodes.inspection import inspect_episode
from mivla_ros.episodes.parallel import map_unordered
from mivla_ros.episodes.statistics import files_of
from mivla_ros.episodes.training_samples import SampleOptions, TrainingSamples
from mivla_ros.episodes.unified import ActionSource, UnifiedEpisode
from mivla_ros.model.config import VisionConfig
from mivla_ros.training.errors import TrainingError
from mivla_ros.training.labels import human_labels, robot_labels, robot_target

VERSION = 1
ABOUT = "about.json"


@dataclass(frozen=True)
class PreparationOptions:
    """robot: profile of the bags, and the one that people's demonstrations are turned into. cameras: by name, in the
    network's order; of people's episodes the first camera takes the first place. horizon, step_seconds,
    first_step_seconds: of a chunk. rate: observations a second, 0 for every frame. vision: how pictures are brought to
    size. source: what counts as a robot's action."""

    robot: str
    cameras: tuple[str, ...]
    horizon: int
    step_seconds: float
    first_step_seconds: float
    rate: float
    vision: VisionConfig
    source: ActionSource = ActionSource.AUTO

    def key(self) -> str:
        """JSON of everything that changes the arrays."""
        data = asdict(self)
        data["vision"] = {key: data["vision"][key] for key in ("image_size", "fit", "fill")}
        return json.dumps([VERSION, data], sort_keys=True, default=str)


@dataclass(frozen=True, eq=False)
class PreparedEpisode:
    """One episode's N samples. pixels (N, C, 3, s, s) uint8; seen (N, C) bool: pictures that there are. state (N, 76),
    state_mask; actions (N, H, 76) float32, own and imitated (N, H, 76) bool: values of the own body, and labels of the
    other's. A chunk that goes beyond the end holds the last value, as in H-RDT."""

    name: str
    path: str
    embodiment: str
    robot: str
    label: str
    instructions: tuple[str, ...]
    figures: dict[str, object]
    findings: tuple[tuple[str, str, str], ...]
    pixels: NDArray[np.uint8]
    seen: NDArray[np.bool_]
    state: NDArray[np.float32]
    state_mask: NDArray[np.bool_]
    actions: NDArray[np.float32]
    own: NDArray[np.bool_]
    imitated: NDArray[np.bool_]

    def __len__(self) -> int:
        """Samples."""
        return len(self.state)


@dataclass(frozen=True)
class _Job:
    ref: EpisodeRef
    folder: Path
    options: PreparationOptions


def prepare(
    refs: Sequence[EpisodeRef], options: PreparationOptions, cache: Path, workers: int = 1, words: str = "preparing"
) -> tuple[list[PreparedEpisode], list[tuple[str, str]]]:
    """Prepared episodes in the order of ``refs``, and (path, error) of those that could not be read."""
    jobs = [_Job(ref, cache / _key(ref, options), options) for ref in refs]
    missing = [job for job in jobs if not (job.folder / ABOUT).exists()]
    errors = dict[int, str]()
    for number, error in map_unordered(_prepare_one, missing, workers, words=words if missing else ""):
        if error:
            errors[jobs.index(missing[number])] = error
    good = [load_prepared(job.folder) for i, job in enumerate(jobs) if i not in errors]
    return good, [(str(jobs[i].ref), text) for i, text in sorted(errors.items())]


def _key(ref: EpisodeRef, options: PreparationOptions) -> str:
    words = [options.key(), ref.format, str(ref.index), ref.path.name]
    for one in files_of(ref):
        found = one.stat()
        words += [one.name, str(found.st_size), str(found.st_mtime_ns)]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:32]


def _prepare_one(job: _Job) -> str:
    """In a worker: make one folder, whole or not at all; the error in words, empty where it went well."""
    try:
        with read_episode(job.ref, job.options.robot) as episode:
            prepare_episode(episode, job.options, job.folder)
    except (EpisodeError, ValueError) as error:
        return str(error)
    return ""


def prepare_episode(episode: Episode, options: PreparationOptions, folder: Path) -> None:
    """Make the folder of one open episode, whole or not at all. Raises EpisodeError, ValueError."""
    unfinished = folder.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        about, arrays, pixels = _arrays(episode, options, unfinished / "pixels.npy")
    except (EpisodeError, ValueError):
        shutil.rmtree(unfinished)
        raise
    pixels.flush()
    np.savez(unfinished / "rows.npz", **arrays)  # type: ignore[arg-type]
    (unfinished / ABOUT).write_text(json.dumps(about, indent=1, default=str), "utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.replace(folder)


def _arrays(
    episode: Episode, options: PreparationOptions, pixel_file: Path
) -> tuple[dict[str, Any], dict[str, NDArray[Any]], np.memmap[Any, Any]]:
    from mivla_ros.model.images import prepare_image
    from mivla_ros.robots.profile import load_profile

    info, human = episode.info, episode.info.embodiment == "human"
    cameras = tuple(episode.cameras)[:1] if human else tuple(n for n in options.cameras if n in episode.cameras)
    if not human and len(cameras) < len(options.cameras):
        if info.robot == options.robot or len(episode.cameras) < 1:
            known = ", ".join(episode.cameras) or "none"
            raise EpisodeError(info.path, "cameras", f"are {known}", limit=", ".join(options.cameras))
        cameras = tuple(episode.cameras)[: max(len(options.cameras), 1)]  # another robot's, in its file's order
    inspection = inspect_episode(episode)
    samples = TrainingSamples(
        [episode],
        SampleOptions(
            options.horizon, options.step_seconds, options.first_step_seconds, options.rate or None, cameras,
            source=options.source,
        ),
    )  # fmt: skip
    count, places, size = len(samples), max(len(options.cameras), 1), options.vision.image_size
    pixels = np.lib.format.open_memmap(pixel_file, mode="w+", dtype=np.uint8, shape=(count, places, 3, size, size))
    seen = np.zeros((count, places), dtype=bool)
    found = []
    for number in range(count):
        sample = samples[number]
        found.append((sample.state, sample.state_mask, sample.actions, sample.action_mask))
        for place, name in enumerate(cameras):
            pixels[number, place] = prepare_image(sample.observation.images[name].rgb, options.vision).numpy()
            seen[number, place] = True
    state, state_mask, actions, own = (np.stack(part) for part in zip(*found, strict=True))
    own = np.repeat(own[:, :1], own.shape[1], axis=1)
    if human:
        offsets = samples.options.offsets_ns()
        unified = UnifiedEpisode(episode)
        moments = np.minimum(samples.stamps[0][:, None] + offsets, unified.end_ns)
        rows, there = robot_labels(unified, moments.ravel(), robot_target(load_profile(options.robot)))
        labels, imitated = rows.reshape(actions.shape), there.reshape(own.shape)
    else:
        labels, imitated = human_labels(actions, own)
    imitated &= ~own
    about: dict[str, Any] = {
        "name": info.name,
        "path": str(info.path),
        "embodiment": info.embodiment,
        "robot": info.robot,
        "label": info.label,
        "instructions": list(info.instructions),
        "prepared_for": options.key(),
        "figures": inspection.figures | {"step_seconds": options.step_seconds},
        "findings": [
            [f.level, f.subject, f"{f.text} {f.limit and f'(limit: {f.limit})'}"] for f in inspection.findings
        ],
    }
    arrays: dict[str, NDArray[Any]] = {
        "seen": seen, "state": state, "state_mask": state_mask, "actions": np.where(imitated, labels, actions),
        "own": own, "imitated": imitated,
    }  # fmt: skip
    return about, arrays, pixels


def find_prepared(path: Path, options: PreparationOptions) -> list[PreparedEpisode]:
    """Episodes under a path that are prepared already, as ``mivla demonstrate --prepare-for`` makes them.

    Raises TrainingError where one was prepared for other options.
    """
    found = []
    for file in sorted(path.rglob(ABOUT)):
        made_for = json.loads(file.read_text("utf-8")).get("prepared_for", "")
        if made_for != options.key():
            raise TrainingError(str(file.parent), f"was prepared for {made_for}, this run needs {options.key()}")
        found.append(load_prepared(file.parent))
    return found


def load_prepared(folder: Path) -> PreparedEpisode:
    """A prepared episode; pixels stay on disk until they are used. Raises TrainingError where it is damaged."""
    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
        with np.load(folder / "rows.npz", allow_pickle=False) as data:
            arrays = {key: data[key] for key in data.files}
        pixels = np.load(folder / "pixels.npy", mmap_mode="r", allow_pickle=False)
        return PreparedEpisode(
            **{key: about[key] for key in ("name", "path", "embodiment", "robot", "label", "figures")},
            instructions=tuple(about["instructions"]),
            findings=tuple(tuple(one) for one in about["findings"]),
            pixels=pixels,
            **arrays,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(str(folder), f"is damaged, delete it: {error}") from error
