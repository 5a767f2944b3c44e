"""Many performances in parallel as EgoDex files, ``OUT/CONDITION/TASK/SEED.hdf5`` and ``.mp4``; what is there already
stays, so a killed run goes on."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mivla_ros.demonstrations.errors import DemonstrationError
from mivla_ros.demonstrations.hands.episode import perform, with_pictures
from mivla_ros.demonstrations.listing import LIST, PLAN, read_listed
from mivla_ros.demonstrations.making import HELD_OUT, UNFINISHED
from mivla_ros.episodes.egodex import write
from mivla_ros.episodes.episode import Episode
from mivla_ros.episodes.parallel import map_unordered
from mivla_ros.evaluation.conditions import condition
from mivla_ros.simulation.errors import DivergedError
from mivla_ros.simulation.hands.hand_bodies import Lens
from mivla_ros.simulation.state import TaskProgress
from mivla_ros.simulation.tasks import TASKS
from mivla_ros.tabletop.table_task import TabletopError

SMALLEST, LARGEST = 64, 1080  # px of a picture's height
VERSION = 1  # of what a seed gives


@dataclass(frozen=True)
class HandPlan:
    """What is made: each seed of each task in each condition. height: of pictures, px, 16:9 as EgoDex's.

    prepare_for: a checkpoint's folder or a network's name; no files then, but what training makes of them, with
    ``pictures`` a second (0: all), and labels for ``robot``, the profile whose actions imitate the hands'.
    """

    tasks: tuple[str, ...] = tuple(TASKS)
    conditions: tuple[str, ...] = ("easy",)
    seeds: tuple[int, ...] = tuple(range(10))
    height: int = 270
    prepare_for: str = ""
    pictures: float = 0.0
    robot: str = "piper"

    def same_data(self) -> dict[str, object]:
        """All that changes one demonstration; tasks, seeds and conditions may be added later."""
        files = {"embodiment": "human", "height": self.height, "version": VERSION}
        if not self.prepare_for:
            return files
        return files | {"prepare_for": self.prepare_for, "pictures": self.pictures, "robot": self.robot}


@dataclass(frozen=True)
class Made:
    """One line of the list. seconds: simulated, of the episode. file: or folder of prepared data; empty where the task
    was not done, for which nothing is kept. wall_seconds: how long it took to make."""

    condition: str
    task: str
    seed: int
    success: bool
    seconds: float
    failure: str
    instruction: str
    file: str
    megabytes: float
    wall_seconds: float


@dataclass(frozen=True)
class _Order:
    condition: str
    task: str
    seed: int
    plan: HandPlan
    out: Path


def make_hands(plan: HandPlan, out: Path, workers: int = 0) -> Iterator[Made]:
    """Make what is missing; yields each as it is done, listed in ``out/demonstrations.jsonl``.

    workers: processes; 0: one a core, 1: in this process. Raises DemonstrationError.
    """
    check(plan)
    done = read_made(out, plan)
    out.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out / UNFINISHED, ignore_errors=True)
    (out / PLAN).write_text(json.dumps(plan.same_data(), indent=2) + "\n", "utf-8")
    (out / LIST).write_text("".join(json.dumps(asdict(made)) + "\n" for made in done.values()), "utf-8")
    orders = [
        _Order(c, t, s, plan, out)
        for c in plan.conditions for s in plan.seeds for t in plan.tasks if (c, t, s) not in done
    ]  # fmt: skip
    with (out / LIST).open("a", encoding="utf-8") as file:
        for _, made in map_unordered(_make_one, orders, workers or len(os.sched_getaffinity(0))):
            file.write(json.dumps(asdict(made)) + "\n")
            file.flush()
            yield made
    shutil.rmtree(out / UNFINISHED, ignore_errors=True)


def check(plan: HandPlan) -> None:
    """Raises DemonstrationError for a task that there is not, or a size that cannot be, EvaluationError for a
    condition."""
    for task in plan.tasks:
        if task not in TASKS:
            raise DemonstrationError(f"task {task!r}", f"is not known, there are {', '.join(TASKS)}")
    for name in plan.conditions:
        condition(name)
    if plan.pictures < 0 or not np.isfinite(plan.pictures):
        raise DemonstrationError("pictures", f"are {plan.pictures} a second, must be 0 or more")
    if not SMALLEST <= plan.height <= LARGEST or plan.height % 2:
        raise DemonstrationError("height", f"is {plan.height} px, must be even and {SMALLEST} to {LARGEST}")


def read_made(out: Path, plan: HandPlan) -> dict[tuple[str, str, int], Made]:
    """What was made already. Raises DemonstrationError where the folder holds something else."""
    return {
        (made.condition, made.task, made.seed): made
        for made in read_listed(out, plan.same_data(), Made)
        if not made.file or (out / made.file).exists()
    }


def _why(progress: TaskProgress) -> str:
    """Why it is no success."""
    steps = zip(progress.subtasks, progress.subtasks_done, strict=True)
    return progress.failure or f"not done: {next((name for name, done in steps if not done), 'hands off it')}"


def _make_one(order: _Order) -> Made:
    """In a worker: one demonstration, whole or not at all: the HDF5 file comes last."""
    began = time.perf_counter()
    height = order.plan.height
    lens = Lens(round(height * 16 / 9 / 2) * 2, height)
    name = f"{order.condition}/{order.task}/{order.seed}"

    def made(success: bool, seconds: float, failure: str, words: str, file: str, size: float) -> Made:
        wall = time.perf_counter() - began
        return Made(
            order.condition, order.task, order.seed, success, round(seconds, 3), failure, words, file, round(size, 3),
            round(wall, 3),
        )  # fmt: skip

    try:
        performance = perform(order.task, order.condition, order.seed, HELD_OUT, lens)
    except (DivergedError, TabletopError) as error:
        return made(False, 0.0, str(error), "", "", 0.0)
    with performance.episode as episode:
        if not performance.progress.success:
            why = _why(performance.progress)
            return made(False, performance.seconds, why, performance.instruction, "", 0.0)
        seconds = episode.info.seconds
        keep = _keep_prepared if order.plan.prepare_for else _keep_files
        file, size = keep(episode, order, name)
    return made(True, seconds, "", performance.instruction, file, size)


def _keep_files(episode: Episode, order: _Order, name: str) -> tuple[str, float]:
    """The HDF5 file's name, and megabytes with its video."""
    unfinished, target = order.out / UNFINISHED / f"{name}.hdf5", order.out / f"{name}.hdf5"
    write(episode, unfinished)
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0.0
    for file in (unfinished.with_suffix(".mp4"), unfinished):
        size += file.stat().st_size / 1e6
        file.replace(target.with_suffix(file.suffix))
    return f"{name}.hdf5", size


def _keep_prepared(episode: Episode, order: _Order, name: str) -> tuple[str, float]:
    """The folder's name, and its megabytes. Only pictures that become samples are drawn."""
    from mivla_ros.training.preparing import prepare_episode
    from mivla_ros.training.setting_up import prepared_for

    plan, target = order.plan, order.out / name
    target.parent.mkdir(parents=True, exist_ok=True)
    prepare_episode(with_pictures(episode, plan.pictures), prepared_for(plan.prepare_for, plan.robot), target)
    return name, sum(file.stat().st_size for file in target.iterdir()) / 1e6
