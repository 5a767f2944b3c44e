"""Closed-loop success of a checkpoint in simulation, by the code that evaluates policies."""

import shutil
from collections.abc import Callable
from pathlib import Path

from mivla_ros.evaluation.campaign import Plan, campaign, read_results
from mivla_ros.evaluation.errors import EvaluationError
from mivla_ros.model.checkpoint_files import read_description
from mivla_ros.robots.profile import RobotProfile

FIRST_SEED = 500_000  # of the scenes that choose a checkpoint; evaluation begins at 0, demonstrations are below too
FOLDER = "rollouts"  # beside the checkpoints, one folder a step


def simulated_success(
    profile: RobotProfile, robot: str, out: Path, seeds: int, workers: int = 1, conditions: tuple[str, ...] = ("easy",)
) -> Callable[[Path, int], float] | None:
    """Share of seeds on which a checkpoint does the profile's task; None for a robot without a task to simulate.

    Episodes that a run was killed in are gone on with, where the checkpoint is still the same; else played anew.
    """
    if not profile.task or seeds < 1:
        return None

    def success(checkpoint: Path, step: int) -> float:
        plan = Plan(
            robot, "mivla", {"checkpoint": str(checkpoint), "threads": "1"}, conditions,
            tuple(range(FIRST_SEED, FIRST_SEED + seeds)), limit=20.0,
            checkpoint_hash=read_description(checkpoint).manifest.hash,
        )  # fmt: skip
        folder = out / FOLDER / f"{step:08d}"
        try:
            read_results(folder, plan)
        except EvaluationError:  # another run's, or this one's before it was gone on with a little differently
            shutil.rmtree(folder)
        for _ in campaign(plan, folder, workers, apart=True):
            pass
        played = read_results(folder, plan)
        wanted = [played[name, seed] for name in conditions for seed in plan.seeds]
        return sum(rollout.success for rollout in wanted) / len(wanted)

    return success
