"""One seed of one condition, through the same inference and retargeting code as on the robot."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from mivla_ros.evaluation.conditions import arm_bases, condition
from mivla_ros.evaluation.film import Film
from mivla_ros.evaluation.smoothness import CommandMeter, Smoothness
from mivla_ros.policies.headless import HeadlessRun
from mivla_ros.retargeting import Command
from mivla_ros.robots.profile import load_profile
from mivla_ros.simulation.simulation import Simulation
from mivla_ros.simulation.tasks import make_task

NOT_DONE = "the time ran out"


@dataclass(frozen=True)
class Rollout:
    """How one episode went. seconds: simulated, until success, else the whole. completion: share of sub-tasks done.

    failure: why it failed, empty for a success. wall_seconds: how long it took to compute.
    """

    condition: str
    seed: int
    success: bool
    completion: float
    subtasks: Mapping[str, bool]
    seconds: float
    failure: str
    refused_chunks: int
    clipped_steps: int
    instruction: str
    smoothness: Smoothness
    wall_seconds: float
    video: str = ""

    def as_json(self) -> dict[str, object]:
        """For one line of a results file."""
        return asdict(self)


class MeasuredRun(HeadlessRun):
    """A headless run that measures its commands and may be filmed."""

    meter: CommandMeter
    film: Film | None = None

    def on_command(self, command: Command) -> None:
        """Measure."""
        self.meter.take(command)

    def before_step(self, simulation: Simulation) -> None:
        """Film."""
        if self.film is not None:
            self.film.look(simulation)


class Stage:
    """One policy and one condition; the scene is compiled and the policy loaded once."""

    def __init__(
        self,
        robot: str,
        policy: str,
        options: Mapping[str, object],
        condition_name: str,
        latency: float,
        task: str = "",
    ) -> None:
        """Raises EvaluationError, and what policy, profile and simulation raise."""
        profile = load_profile(robot)
        self.condition = condition(condition_name)
        chosen = self.condition.task(make_task(task or profile.task))
        self.run = MeasuredRun(policy, options, robot, latency, chosen)
        self._bases = arm_bases(self.run.profile, self.run.simulation.frame_pose)

    def play(self, seed: int, limit: float, instruction: str = "", video: Path | None = None) -> Rollout:
        """Play one seed; ``video``: an mp4 file to write."""
        run, began = self.run, time.perf_counter()
        variation = self.condition.variation(run.simulation.usual_task, seed, self._bases)
        run.meter = CommandMeter(frozenset(arm.controller for arm in run.profile.arms))
        run.film = None if video is None else Film(video, run.simulation.model)
        try:
            episode = run.episode(seed, limit, variation, instruction)
        finally:
            if run.film is not None:
                run.film.close()
        progress = run.simulation.progress()
        failure = ""
        if not episode.success:
            failure = episode.failure or (str(episode.reason) if episode.reason.reason else NOT_DONE)
        return Rollout(
            condition=self.condition.name,
            seed=seed,
            success=bool(episode.success),
            completion=episode.completion,
            subtasks={n: bool(d) for n, d in zip(progress.subtasks, progress.subtasks_done, strict=True)},
            seconds=episode.seconds,
            failure=failure,
            refused_chunks=episode.refused_chunks,
            clipped_steps=episode.clipped_steps,
            instruction=instruction or run.simulation.instruction,
            smoothness=run.meter.result(),
            wall_seconds=time.perf_counter() - began,
            video="" if video is None else video.name,
        )
