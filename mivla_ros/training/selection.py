"""Closed-loop success of a checkpoint in simulation, by the code that evaluates policies."""

from collections.abc import Callable
from pathlib import Path

from mivla_ros.evaluation.campaign import Plan, campaign
from mivla_ros.robots.profile import RobotProfile

FIRST_SEED = 500_000  # of the scenes that choose a checkpoint; evaluation begins at 0, demonstrations are below too


def simulated_success(
    profile: RobotProfile, robot: str, out: Path, seeds: int, workers: int = 1, conditions: tuple[str, ...] = ("easy",)
) -> Callable[[Path, int], float] | None:
    """Share of seeds on which a checkpoint does the profile's task; None for a robot without a task to simulate."""
    if not profile.task or seeds < 1:
        return None

    def success(checkpoint: Path, step: int) -> float:
        from mivla_ros.commands.evaluate import checkpoint_hash

        plan = Plan(
            robot, "mivla", {"checkpoint": str(checkpoint), "threads": "1"}, conditions,
            tuple(range(FIRST_SEED, FIRST_SEED + seeds)), limit=20.0, checkpoint_hash=checkpoint_hash(checkpoint),
        )  # fmt: skip
        played = [rollout for rollout, _, _ in campaign(plan, out / "rollouts" / f"{step:08d}", workers)]
        return sum(rollout.success for rollout in played) / max(1, len(played))

    return success
