"""How training is done; what the paper leaves open has H-RDT's value (paper.md 1.6, 2.6)."""

import math
from dataclasses import asdict, dataclass
from enum import StrEnum

from mivla_ros.training.errors import TrainingError


class Mode(StrEnum):
    """Which demonstrations are used and what is learnt from them (paper, Table 3).

    SCRATCH: no pre-training. HUMAN: people's, their own actions only (H-RDT). H2R: people's, with the robot's
    pseudo-actions (Eq. 6). BOTH: people's and robots', each with the other's (Eq. 7).
    """

    SCRATCH = "scratch"
    HUMAN = "human"
    H2R = "h2r"
    BOTH = "both"


class Adaptation(StrEnum):
    """FULL: all weights that are not frozen. LORA: low-rank changes of the diffusion transformer's linear layers, and
    the projections of state and actions."""

    FULL = "full"
    LORA = "lora"


class Decay(StrEnum):
    """Of the learning rate after the warm-up: CONSTANT (the paper) or COSINE to a hundredth at the last step."""

    CONSTANT = "constant"
    COSINE = "cosine"


@dataclass(frozen=True)
class TrainingOptions:
    """steps: of the optimiser. batch: samples a step, of all processes together. rate: learning rate. warmup: steps.
    clip: largest norm of the gradient. average: decay of the moving average of the weights that is what is saved, 0
    for none. precision: float32 or bfloat16. imitate: also the other body's actions, by alignment (Eq. 5). frozen:
    parts that stay: vision, language, trunk, projections, adaptors. rank: of LoRA. colour: share of pictures whose
    brightness and contrast are changed. noise: size of what the flow begins with; below 1 learns faster where there
    is one way to do the task, for a policy with the option noise=0.
    validate_every, save_every, rollout_every: steps; 0: a twentieth, a
    twentieth, a quarter of all. rollouts: seeds of closed-loop success that chooses the best; 0: by validation loss.
    loaders: processes that make batches. seed: of all that is drawn at random.
    """

    steps: int = 3000
    batch: int = 32
    rate: float = 1e-4
    warmup: int = 500
    decay: Decay = Decay.CONSTANT
    weight_decay: float = 0.01
    clip: float = 1.0
    average: float = 0.0
    precision: str = "float32"
    imitate: bool = True
    adaptation: Adaptation = Adaptation.FULL
    frozen: tuple[str, ...] = ()
    rank: int = 16
    colour: float = 0.5
    noise: float = 1.0
    validate_every: int = 0
    save_every: int = 0
    rollout_every: int = 0
    rollouts: int = 0
    loaders: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises TrainingError naming the option that cannot be."""
        for name, least in (("steps", 1), ("batch", 1), ("rank", 1), ("warmup", 0), ("rollouts", 0), ("loaders", 0)):
            if getattr(self, name) < least:
                raise TrainingError(name, f"is {getattr(self, name)}, must be {least} or more")
        if not 0 < self.noise <= 1:
            raise TrainingError("noise", f"is {self.noise}, must be above 0 and at most 1")
        if not 0 < self.rate < 1 or not 0 <= self.weight_decay < 1 or self.clip <= 0:
            raise TrainingError("rate", f"is {self.rate}, weight decay {self.weight_decay}, clip {self.clip}")
        if not 0 <= self.average < 1:
            raise TrainingError("average", f"is {self.average}, must be at least 0 and below 1")
        if self.precision not in ("float32", "bfloat16"):
            raise TrainingError("precision", f"is {self.precision!r}, must be float32 or bfloat16")

    def every(self, name: str) -> int:
        """Steps between two validations, saves or rollouts."""
        parts = {"validate_every": 20, "save_every": 20, "rollout_every": 4}
        return int(getattr(self, name)) or max(1, self.steps // parts[name])

    def rate_at(self, step: int) -> float:
        """Learning rate of the step with this number, from 0."""
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        if self.decay is Decay.CONSTANT:
            return self.rate
        share = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.rate * (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2)

    def what_matters(self) -> dict[str, object]:
        """Options that a run which goes on must share with its beginning."""
        data = asdict(self)
        for name in ("validate_every", "save_every", "rollout_every", "rollouts", "loaders"):
            del data[name]
        return {key: list(value) if isinstance(value, tuple) else value for key, value in data.items()}
