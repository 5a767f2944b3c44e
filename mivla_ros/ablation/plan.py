"""What is compared, and the budget that every mode is given alike."""

from dataclasses import asdict, dataclass

from mivla_ros.ablation.errors import AblationError
from mivla_ros.training.options import Mode


@dataclass(frozen=True)
class AblationPlan:
    """robots: profiles that are fine-tuned and judged, each on its own task. modes: of pre-training. training_seeds: of
    weights, order and noise. demonstrations: that a robot is fine-tuned on, several for few-shot curves. episodes:
    unseen seeds that judge, each of ``limit`` simulated s, in ``condition``.

    people: seeds of every task that a person's hands show. simulated: robot that shows the same tasks in ``both``, and
    whose actions people's are turned into. simulated_seeds: of every task. pictures: observations a second of these,
    and of the robots' own demonstrations. held_out: tasks that pre-training does not see.

    scenes, sight_steps: with which an image encoder is taught once, in the robots' views and in people's of the same
    tasks; every mode has the same, frozen, as the paper's have the same public ones.
    """

    robots: tuple[str, ...] = ("piper", "arx_x5", "locoman")
    modes: tuple[str, ...] = tuple(str(mode) for mode in Mode)
    training_seeds: tuple[int, ...] = (0, 1, 2)
    demonstrations: tuple[int, ...] = (30,)
    network: str = "tiny"
    people: int = 20
    simulated: str = "piper"
    simulated_seeds: int = 12
    held_out: tuple[str, ...] = ()
    pictures: tuple[float, float] = (2.0, 4.0)
    scenes: int = 2000
    sight_steps: int = 4200
    pretraining_steps: int = 1200
    fine_tuning_steps: int = 800
    batch: int = 16
    rate: float = 1e-3
    noise: float = 0.25
    episodes: int = 50
    limit: float = 40.0
    condition: str = "easy"

    def __post_init__(self) -> None:
        """Raises AblationError naming what cannot be."""
        for mode in self.modes:
            if mode not in tuple(Mode):
                raise AblationError("modes", f"{mode!r} must be one of {', '.join(Mode)}")
        for name in ("robots", "modes", "training_seeds", "demonstrations"):
            values = getattr(self, name)
            if not values or len(set(values)) != len(values):
                raise AblationError(name, f"are {', '.join(map(str, values)) or 'none'}, must be some, each once")
        for name in (
            "people", "simulated_seeds", "scenes", "sight_steps", "pretraining_steps", "fine_tuning_steps", "batch",
            "episodes",
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise AblationError(name, f"is {getattr(self, name)}, must be 1 or more")
        if min(self.demonstrations) < 2:
            raise AblationError("demonstrations", f"are {min(self.demonstrations)}, must be 2 or more")

    def same_results(self) -> dict[str, object]:
        """All that changes one run's result; robots, modes, seeds and numbers of demonstrations may be added later."""
        data = asdict(self)
        for name in ("robots", "modes", "training_seeds", "demonstrations"):
            del data[name]
        return data
