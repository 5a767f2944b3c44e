"""An ablation's steps in the order in which they are begun: data, sight, pre-training, fine-tuning, evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass

from mivla_ros.ablation.plan import AblationPlan
from mivla_ros.robots.profile import load_profile
from mivla_ros.simulation.tasks import TASKS
from mivla_ros.training.options import Mode

PRETRAINING_SEEDS = 100_000  # first of the simulated demonstrations; evaluation begins at 0
ROBOT_SEEDS = 300_000  # first of the demonstrations that a robot is fine-tuned on
DISTURBANCE, ROBOT_DISTURBANCE = 0.02, 0.01  # rad; with the greater one ARX's expert fails in half of its scenes
SPARE = 1.6  # seeds for each demonstration that is needed, as an expert may fail
NO_EXPERT = frozenset({("carry_tray", ""), ("gather_objects", "piper")})  # two hands; 0 of 30 seeds; "": any robot
WARM_UP = 0.05  # share of the steps


@dataclass(frozen=True)
class Step:
    """One command. arguments: after `mivla`, relative to the ablation's folder. needs: names of steps that come first.
    fails_softly: one failure (of many seeds) in it is no failure of the ablation.
    """

    name: str
    arguments: tuple[str, ...]
    needs: tuple[str, ...] = ()
    fails_softly: bool = False


@dataclass(frozen=True)
class Run:
    """One fine-tuned policy."""

    robot: str
    demonstrations: int
    mode: str
    seed: int

    @property
    def name(self) -> str:
        """Of its folders."""
        return f"{self.robot}-{self.demonstrations}-{self.mode}-{self.seed}"


def runs_of(plan: AblationPlan) -> list[Run]:
    """All of them; whole comparisons first, so that what is done early can be read early."""
    return [
        Run(robot, count, mode, seed)
        for seed in plan.training_seeds
        for count in sorted(plan.demonstrations, reverse=True)
        for robot in plan.robots
        for mode in plan.modes
    ]


def steps_of(plan: AblationPlan) -> list[Step]:
    """Every step once, none before those it needs."""
    people, simulated = _pretraining_data(plan)
    tasks = dict.fromkeys(load_profile(robot).task for robot in plan.robots)
    shown = ("--people", *(task for task in tasks if task not in plan.held_out))
    robots = [_robot_data(plan, robot) for robot in plan.robots]
    sight = Step("sight", (
        "teach-sight", "--robot", *plan.robots, *shown, "--from", plan.network, "--scenes", str(plan.scenes),
        "--steps", str(plan.sight_steps), "--out", "sight",
    ))  # fmt: skip
    steps = [people, sight, *simulated, *robots]
    for seed in plan.training_seeds:
        steps += [_pretraining(plan, mode, seed, simulated) for mode in plan.modes]
        for run in runs_of(plan):
            if run.seed == seed:
                steps += [_fine_tuning(plan, run), _evaluation(plan, run)]
    return steps


def _pretraining_data(plan: AblationPlan) -> tuple[Step, list[Step]]:
    tasks = [name for name in TASKS if name not in plan.held_out]
    made = ("--prepare-for", plan.network, "--pictures", f"{plan.pictures[0]:g}", "--workers", "1")
    people = Step("people", (
        "demonstrate", "--embodiment", "human", "--tasks", ",".join(tasks), "--seeds", f"0-{plan.people - 1}",
        "--height", "180", "--robot", plan.simulated, *made, "--out", "people",
    ), fails_softly=True)  # fmt: skip
    last = PRETRAINING_SEEDS + plan.simulated_seeds - 1
    simulated = [
        Step(f"simulated-{task}", (
            "demonstrate", "--robot", plan.simulated, "--task", task, "--seeds", f"{PRETRAINING_SEEDS}-{last}",
            "--disturbance", f"{DISTURBANCE:g}", *made, "--out", f"simulated/{task}",
        ), fails_softly=True)
        for task in tasks if not {(task, ""), (task, plan.simulated)} & NO_EXPERT
    ]  # fmt: skip
    return people, simulated if str(Mode.BOTH) in plan.modes else []


def _robot_data(plan: AblationPlan, robot: str) -> Step:
    last = ROBOT_SEEDS + round(SPARE * max(plan.demonstrations)) - 1
    return Step(f"demonstrations-{robot}", (
        "demonstrate", "--robot", robot, "--seeds", f"{ROBOT_SEEDS}-{last}", "--disturbance", f"{ROBOT_DISTURBANCE:g}",
        "--prepare-for", plan.network, "--pictures", f"{plan.pictures[1]:g}", "--workers", "1",
        "--out", f"demonstrations/{robot}",
    ), fails_softly=True)  # fmt: skip


def _training(plan: AblationPlan, steps: int, seed: int) -> tuple[str, ...]:
    return (
        "--freeze", "vision", "--noise", f"{plan.noise:g}", "--steps", str(steps), "--batch", str(plan.batch),
        "--rate", f"{plan.rate:g}", "--warmup", str(max(1, round(WARM_UP * steps))), "--decay", "cosine",
        "--average", "0.998", "--validate-every", str(max(1, steps // 4)), "--save-every", str(max(1, steps // 4)),
        "--seed", str(seed),
    )  # fmt: skip


def _pretraining(plan: AblationPlan, mode: str, seed: int, simulated: Sequence[Step]) -> Step:
    begin = (
        "pretrain", "--mode", mode, "--robot", plan.simulated, "--config", plan.network, "--sight-from", "sight",
        "--out", f"pretrained/{mode}-{seed}",
    )  # fmt: skip
    name = f"pretrain-{mode}-{seed}"
    if mode == Mode.SCRATCH:
        return Step(name, (*begin, "--seed", str(seed)), ("sight",))
    data, needs = ["people"], ["sight", "people"]
    if mode == Mode.BOTH:
        data.append("simulated")
        needs += [step.name for step in simulated]
    return Step(
        name, (*begin, "--episodes", *data, *_training(plan, plan.pretraining_steps, seed)), tuple(needs)
    )  # fmt: skip


def _fine_tuning(plan: AblationPlan, run: Run) -> Step:
    return Step(f"finetune-{run.name}", (
        "finetune", "--robot", run.robot, "--from", f"pretrained/{run.mode}-{run.seed}/last",
        "--episodes", f"demonstrations/{run.robot}", "--first", str(run.demonstrations),
        *_training(plan, plan.fine_tuning_steps, run.seed), "--out", f"finetuned/{run.name}",
    ), (f"pretrain-{run.mode}-{run.seed}", f"demonstrations-{run.robot}"))  # fmt: skip


def _evaluation(plan: AblationPlan, run: Run) -> Step:
    return Step(f"evaluate-{run.name}", (
        "evaluate", "--robot", run.robot, "--checkpoint", f"finetuned/{run.name}/last",
        "--seeds", str(plan.episodes), "--conditions", plan.condition, "--limit", f"{plan.limit:g}", "--workers", "1",
        "--out", f"evaluated/{run.name}",
    ), (f"finetune-{run.name}",))  # fmt: skip
