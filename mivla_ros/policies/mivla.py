"""A checkpoint of the model as a policy: MiVLA's network, or H-RDT's in the same trunk."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mivla_ros.action_chunk import Space
from mivla_ros.action_space import EEF, ROBOT
from mivla_ros.inference.fast_inference import EngineName, FastInference, RowGuide
from mivla_ros.inference.guided_flow import GREATEST
from mivla_ros.model.checkpoint import Checkpoint, load_checkpoint
from mivla_ros.model.checkpoint_files import read_description
from mivla_ros.model.encoder_weights import EncoderSource
from mivla_ros.model.errors import ModelError
from mivla_ros.observation import Observation
from mivla_ros.policies.chunking import Chunking
from mivla_ros.policies.chunking.ensemble import Ensemble
from mivla_ros.policies.chunking.row_plan import RowPlan
from mivla_ros.policies.policy import Actions, PolicyError, PolicySpec, Progress
from mivla_ros.policies.unified_rows import arm_actions, predicted_values, unified_state
from mivla_ros.robots.profile import RobotProfile

SPACES = {"joint": (Space.JOINT, ROBOT), "eef": (Space.EEF, EEF)}
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
STEPS_A_PERIOD = 4  # of the chunk, where the option gives no period


@dataclass(frozen=True)
class MivlaOptions:
    """Options of a learned policy.

    checkpoint: its folder. encoders: folder with the public encoders' weights, where the network uses them. online:
    ask the hub for encoders that are not there. device: auto, cpu or cuda. precision: auto, float32 or bfloat16.
    steps: Euler steps; 0: the checkpoint's. space: what the arms follow, joint or eef. period_seconds: between two
    inferences; 0: a quarter of what the checkpoint's 16 steps last. threads: of PyTorch; 0: as it is.
    engine: auto, torch, compiled, cuda_graphs, onnx or onnx_int8, see ``inference.fast_inference``. chunking: rtc,
    ensemble or replace. noise: size of what the flow begins with, below 0: the checkpoint's. guidance: how strongly
    rtc pulls a chunk towards the plan under way, at most. guidance_gradient: by the network's gradient, see
    ``inference.guided_flow``.
    """

    checkpoint: str = ""
    encoders: str = ""
    online: bool = True
    device: str = "auto"
    precision: str = "auto"
    steps: int = 0
    space: str = "joint"
    period_seconds: float = 0.0
    threads: int = 0
    engine: EngineName = EngineName.AUTO
    chunking: Chunking = Chunking.RTC
    guidance: float = GREATEST
    guidance_gradient: bool = False
    noise: float = -1.0


class MivlaPolicy:
    """Runs a checkpoint on one robot. Values its network does not predict, or the robot has not, go nowhere."""

    def __init__(self, name: str, profile: RobotProfile, options: MivlaOptions) -> None:
        """Load the checkpoint and infer once, so that the first observation waits no longer than others.

        name: "mivla" or "h_rdt". Raises PolicyError for options, files or a robot that do not fit.
        """
        self._name, self._profile, self._options = name, profile, options
        self._space, columns = _chosen_space(name, options)
        checkpoint = _load(name, profile, options)
        config, contract = checkpoint.config, checkpoint.contract
        if config.start > columns.start or config.stop < columns.stop:
            raise PolicyError(
                name,
                f"option space is {options.space!r}, network {config.name!r} predicts columns {config.start} to "
                f"{config.stop} of the action space only",
                "space",
            )
        frames = {arm.base_frame for arm in profile.arms}
        if self._space is Space.EEF and len(frames) > 1:
            raise PolicyError(name, f"option space is 'eef', the arms have different bases {sorted(frames)}", "space")
        try:
            noise = options.noise if options.noise >= 0 else config.flow.noise
            self._inference = FastInference(
                checkpoint, options.steps, options.engine, options.threads, noise, options.guidance_gradient
            )
        except ModelError as error:
            raise PolicyError(name, str(error), error.subject) from error
        self._plan, self._ensemble = RowPlan(), Ensemble()
        # what its data never had it was not trained to predict, such as hands where it did not imitate
        known = np.array(checkpoint.normalisation.actions.count) > 0
        if not known.any():  # raw values, without statistics, as H-RDT's own
            known[:] = True
        self._mask = predicted_values(profile.arms) & known
        self.spec = PolicySpec(
            name=name,
            revision=checkpoint.hash[:12],
            cameras=contract.cameras,
            frame_id=profile.arms[0].base_frame,
            horizon=contract.horizon,
            step_seconds=contract.step_seconds,
            period_seconds=options.period_seconds or STEPS_A_PERIOD * contract.step_seconds,
        )
        self._first_step_seconds = contract.first_step_seconds
        self._seed, self._count = 0, 0
        self._warm_up()

    def reset(self, instruction: str, seed: int) -> None:
        """Encode the words once; begin the noise anew. Raises PolicyError for words the network cannot read."""
        self._seed, self._count = seed, 0
        self._plan.forget()
        self._ensemble.forget()
        try:
            self._inference.instruct(instruction)
        except ModelError as error:
            raise PolicyError(self._name, str(error), error.subject) from error

    def infer(self, observation: Observation, progress: Progress) -> Actions:
        """The next chunk. Raises PolicyError where the observation lacks an arm or an image is none."""
        missing = [arm.name for arm in self._profile.arms if arm.name not in observation.arms]
        if missing:
            raise PolicyError(self._name, f"the observation has no arm {missing[0]!r}", missing[0])
        state, mask = unified_state(self._profile.arms, observation.arms)
        seen = [observation.images.get(name) for name in self.spec.cameras]
        images = [None if image is None else image.rgb for image in seen]
        try:
            # a noise of its own for every chunk, and the same ones for the same seed
            seed = int(np.random.SeedSequence([self._seed, self._count]).generate_state(1)[0])
            guide = self._guide(observation, progress)
            rows = self._inference.actions(images, state, mask, self._mask, seed, guide)
        except ModelError as error:
            raise PolicyError(self._name, str(error), error.subject) from error
        self._count += 1
        self._plan.remember(observation.stamp_ns, rows)
        arms = tuple(arm_actions(rows, arm, self._space) for arm in self._profile.arms)
        answer = Actions(arms, self._first_step_seconds, self.spec.step_seconds)
        if self._options.chunking is Chunking.ENSEMBLE:
            return self._ensemble.blend(answer, observation.stamp_ns)
        return answer

    def _guide(self, observation: Observation, progress: Progress) -> RowGuide | None:
        """What is under way, at the next chunk's due times, for real-time chunking."""
        if self._options.chunking is not Chunking.RTC:
            return None
        first_ns = observation.stamp_ns + round(self._first_step_seconds * 1e9)
        step_ns = round(self.spec.step_seconds * 1e9)
        found = self._plan.under_way(progress, first_ns + step_ns * np.arange(self.spec.horizon, dtype=np.int64))
        return None if found is None else RowGuide(*found, self._options.guidance)

    def close(self) -> None:
        """Nothing to give back but memory."""

    def _warm_up(self) -> None:
        config = self._inference.checkpoint.config
        blank = np.zeros((config.vision.image_size, config.vision.image_size, 3), dtype=np.uint8)
        state = np.zeros(len(self._mask))
        try:
            self._inference.instruct("warm up")
            images = [blank] * len(self.spec.cameras)
            self._inference.actions(images, state, self._mask, self._mask, seed=0)
        except (ModelError, RuntimeError) as error:  # RuntimeError: out of the device's memory, among others
            line = str(error).partition("\n")[0]
            raise PolicyError(self._name, f"a first inference failed: {line}", self._options.device) from error


def _load(name: str, profile: RobotProfile, options: MivlaOptions) -> Checkpoint:
    if not options.checkpoint:
        words = "option checkpoint is empty, it must name a checkpoint's folder (`mivla checkpoint new` makes one)"
        raise PolicyError(name, words, "checkpoint")
    device = _device(name, options.device)
    precision = options.precision
    if precision == "auto":
        precision = "bfloat16" if device == "cuda" else "float32"
    if precision not in PRECISIONS:
        raise PolicyError(name, _not_one_of("precision", precision, ("auto", *PRECISIONS)), "precision")
    for key in ("steps", "threads", "period_seconds", "guidance"):
        if not 0 <= getattr(options, key) < np.inf:
            raise PolicyError(name, f"option {key} is {getattr(options, key)}, must be 0 or more", key)
    if options.threads:
        torch.set_num_threads(options.threads)
    folder = Path(options.checkpoint).expanduser()
    encoders = EncoderSource(folder=options.encoders, online=options.online)
    try:
        family = read_description(folder, verify=False).config.family
        if family != name:
            words = f"{folder} holds a network of {family!r}, run it with policy {family!r}"
            raise PolicyError(name, words, "checkpoint")
        return load_checkpoint(folder, profile, encoders, device, PRECISIONS[precision])
    except ModelError as error:
        raise PolicyError(name, str(error), error.subject) from error


def _device(name: str, device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device not in ("cpu", "cuda"):
        raise PolicyError(name, _not_one_of("device", device, ("auto", "cpu", "cuda")), "device")
    if device == "cuda" and not torch.cuda.is_available():
        raise PolicyError(name, "option device is 'cuda', PyTorch finds none here", "device")
    return device


def _chosen_space(name: str, options: MivlaOptions) -> tuple[Space, slice]:
    if options.space not in SPACES:
        raise PolicyError(name, _not_one_of("space", options.space, tuple(SPACES)), "space")
    return SPACES[options.space]


def _not_one_of(option: str, value: str, choices: Sequence[str]) -> str:
    return f"option {option} is {value!r}, must be one of {', '.join(choices)}"
