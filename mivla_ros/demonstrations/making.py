"""Many demonstrations in parallel, one bag each; what is there already stays, so a killed run goes on."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mivla_ros.demonstrations.errors import DemonstrationError
from mivla_ros.demonstrations.expert_run import ExpertRun
from mivla_ros.demonstrations.listing import LIST, PLAN, read_listed
from mivla_ros.episodes.parallel import map_unordered
from mivla_ros.evaluation.conditions import arm_bases, condition
from mivla_ros.policies.headless import Episode
from mivla_ros.robots.profile import load_profile
from mivla_ros.simulation.tasks import make_task
from mivla_ros.simulation.variation import Variation

UNFINISHED = ".unfinished"
HELD_OUT = 1  # of the task's wordings, the last ones, that no demonstration uses


@dataclass(frozen=True)
class DemonstrationPlan:
    """What is made: each seed in each condition. disturbance: rad, see ExpertRun. latency, limit: simulated s.
    keep_failures: also bags of episodes in which the expert failed. task: empty for the profile's.

    prepare_for: a checkpoint's folder or a network's name; no bags then, but what training makes of them, with
    ``pictures`` a second (0: as many as the cameras take).
    """

    robot: str = "piper"
    conditions: tuple[str, ...] = ("easy",)
    seeds: tuple[int, ...] = tuple(range(30))
    disturbance: float = 0.0
    latency: float = 0.05
    limit: float = 60.0
    task: str = ""
    keep_failures: bool = False
    prepare_for: str = ""
    pictures: float = 0.0

    def same_data(self) -> dict[str, object]:
        """All that changes one demonstration; seeds and conditions may be added later."""
        data = asdict(self)
        del data["seeds"], data["conditions"]
        if not self.prepare_for:
            del data["prepare_for"], data["pictures"]
        return data


@dataclass(frozen=True)
class Made:
    """One line of the list. seconds: simulated, until success. bag: empty where none was kept."""

    condition: str
    seed: int
    success: bool
    seconds: float
    failure: str
    instruction: str
    bag: str
    megabytes: float
    wall_seconds: float


_runs: dict[tuple[str, str, str, float], tuple[ExpertRun, tuple[np.ndarray, ...]]] = {}


def make_one(plan: DemonstrationPlan, name: str, seed: int, out: Path) -> Made:
    """In a worker: one demonstration; the scene of a condition is compiled once a process."""
    began = time.perf_counter()
    chosen = condition(name)
    key = (plan.robot, plan.task, name, plan.latency)
    if key not in _runs:
        task = make_task(plan.task or load_profile(plan.robot).task)
        run = ExpertRun("scripted", None, plan.robot, plan.latency, chosen.task(task))
        _runs[key] = run, arm_bases(run.profile, run.simulation.frame_pose)
    run, bases = _runs[key]
    words = run.simulation.usual_task.instructions
    known = words[: max(1, len(words) - HELD_OUT)]
    instruction = known[int(np.random.default_rng([seed, 0x3A7D]).integers(len(known)))]
    variation = chosen.variation(run.simulation.usual_task, seed, bases)
    bag = f"{plan.robot}_{name}_{seed:06d}"
    unfinished = out / UNFINISHED / bag
    shutil.rmtree(unfinished, ignore_errors=True)
    kept, episode = _written(run, plan, name, seed, unfinished, variation, instruction)
    size = sum(file.stat().st_size for file in unfinished.iterdir()) / 1e6 if kept else 0.0
    if kept:
        unfinished.replace(out / bag)
    else:
        shutil.rmtree(unfinished, ignore_errors=True)
    failure = (
        ""
        if episode.success
        else episode.failure or (str(episode.reason) if episode.reason.reason else "the time ran out")
    )
    return Made(
        name, seed, bool(episode.success), float(episode.seconds), failure, instruction, bag if kept else "",
        round(size, 3), round(time.perf_counter() - began, 3),
    )  # fmt: skip


def _written(
    run: ExpertRun,
    plan: DemonstrationPlan,
    name: str,
    seed: int,
    folder: Path,
    variation: Variation | None,
    instruction: str,
) -> tuple[bool, Episode]:
    """Whether the folder is to be kept, and how the episode went."""
    arguments = (seed, plan.limit, variation, instruction, plan.disturbance)
    if plan.prepare_for:
        from mivla_ros.training.preparing import prepare_episode
        from mivla_ros.training.setting_up import prepared_for

        episode, taken = run.remember(folder.parents[1] / folder.name, *arguments, pictures=plan.pictures)
        if episode.success or plan.keep_failures:
            prepare_episode(taken.episode(), prepared_for(plan.prepare_for, plan.robot), folder)
        return bool(episode.success or plan.keep_failures), episode
    metadata = {"seed": str(seed), "condition": name, "task": run.simulation.usual_task.name, "policy": "scripted"}
    if plan.disturbance:
        metadata["disturbance"] = f"{plan.disturbance:g} rad"
    episode = run.record(folder, *arguments, metadata=metadata)
    return bool(episode.success or plan.keep_failures), episode


def read_made(out: Path, plan: DemonstrationPlan) -> dict[tuple[str, int], Made]:
    """What was made already. Raises DemonstrationError where the folder holds demonstrations of another plan."""
    return {
        (made.condition, made.seed): made
        for made in read_listed(out, plan.same_data(), Made)
        if not made.bag or (out / made.bag).is_dir()
    }


def make_demonstrations(plan: DemonstrationPlan, out: Path, workers: int = 0) -> Iterator[Made]:
    """Make what is missing; yields each as it is done, listed in ``out/demonstrations.jsonl``.

    workers: processes; 0: one a core, 1: in this process. Raises DemonstrationError.
    """
    if not 0 <= plan.disturbance <= 0.1:
        raise DemonstrationError("disturbance", f"is {plan.disturbance} rad, must be 0 to 0.1")
    for name in plan.conditions:
        condition(name)
    out.mkdir(parents=True, exist_ok=True)
    done = read_made(out, plan)
    shutil.rmtree(out / UNFINISHED, ignore_errors=True)
    (out / PLAN).write_text(json.dumps(plan.same_data(), indent=2) + "\n", "utf-8")
    (out / LIST).write_text("".join(json.dumps(asdict(made)) + "\n" for made in done.values()), "utf-8")
    wanted = [(c, s) for c in plan.conditions for s in plan.seeds if (c, s) not in done]
    for name, seed in wanted:  # a bag without its line: killed in between
        shutil.rmtree(out / f"{plan.robot}_{name}_{seed:06d}", ignore_errors=True)
    count = workers or len(os.sched_getaffinity(0))
    with (out / LIST).open("a", encoding="utf-8") as file:
        for _, made in map_unordered(partial(_make_scene, plan, out), wanted, count):
            file.write(json.dumps(asdict(made)) + "\n")
            file.flush()
            yield made
    shutil.rmtree(out / UNFINISHED, ignore_errors=True)


def _make_scene(plan: DemonstrationPlan, out: Path, scene: tuple[str, int]) -> Made:
    return make_one(plan, *scene, out)
