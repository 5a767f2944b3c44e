"""The scripted expert as a flow model that errs like a trained network: to compare what chunk boundaries do.

What it would do is the expert's chunk plus noise that is smooth along the chunk and new at every inference, and plus
one of two ways round (a sideways arc to the left or to the right), chosen anew too. The velocity field of flow matching
towards that distribution is known exactly (a Gaussian mixture seen through Gaussian noise), so the sampling, and the
guidance of real-time chunking, are those of a network; only the network is not there.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

from mivla_ros.action_chunk import ArmActions
from mivla_ros.inference.guided_flow import Guide, guided_euler
from mivla_ros.observation import Observation
from mivla_ros.policies.chunking import Chunking
from mivla_ros.policies.chunking.ensemble import Ensemble
from mivla_ros.policies.chunking.resampling import held, poses
from mivla_ros.policies.chunking.under_way import agreement_with, plan_under_way
from mivla_ros.policies.policy import Actions, Policy, PolicyError, PolicySpec, Progress

Array = NDArray[np.float64]
UNIT = 0.02
"""m (and rad / 5) that one unit of the flow stands for; a network's normalisation does the same."""
TURN_UNIT = 5 * UNIT
FAR = 0.25  # m of way in a chunk from which on the two ways round are as far apart as ``sideways`` says


@dataclass(frozen=True)
class NoisyExpertOptions:
    """noise: standard deviation of positions, m; turn: of rotations, rad; both smooth over ``smooth_seconds``.

    sideways: how far the two ways round are from the straight one, m. steps: of Euler's method. exact: guidance by the
    gradient, see ``guided_flow.Guide``. horizon, step_seconds, period_seconds: of the chunks.
    """

    chunking: Chunking = Chunking.RTC
    noise: float = 0.005
    turn: float = 0.03
    smooth_seconds: float = 0.3
    sideways: float = 0.02
    steps: int = 10
    exact: bool = True
    horizon: int = 48
    step_seconds: float = 0.05
    period_seconds: float = 0.3


class GaussianField:
    """The velocity of flow matching towards an equal mixture of Gaussians over chunks (H, D): each has its own mean,
    all have the covariance ``along`` (H, H) between steps and variance ``scale`` (D,) squared in every value.
    """

    def __init__(self, means: Array, along: Array, scale: Array) -> None:
        """means: (M, H, D)."""
        values, vectors = np.linalg.eigh(along)
        self._means = torch.from_numpy(np.swapaxes(vectors, 0, 1) @ means)
        self._turn = torch.from_numpy(vectors)
        variance = np.clip(values, 0.0, None)[:, None] * scale**2
        self._variance = torch.from_numpy(variance)

    def velocity(self, noisy: Tensor, time: float) -> Tensor:
        """E[actions - noise | x_t = noisy] for noisy (H, D) at time 0 noise to 1 actions."""
        left = 1 - time
        spread = time**2 * self._variance + left**2
        away = self._turn.T @ noisy - time * self._means  # (M, H, D)
        weight = torch.softmax(-0.5 * (away**2 / spread).sum(dim=(1, 2)), dim=0)
        each = self._means + (time * self._variance - left) / spread * away
        return self._turn @ (weight[:, None, None] * each).sum(dim=0)


class NoisyExpert:
    """An expert policy of one arm seen through such a flow."""

    def __init__(self, expert: Policy, options: NoisyExpertOptions) -> None:
        """Raises PolicyError for options out of range."""
        for name in ("noise", "turn", "smooth_seconds", "sideways"):
            if not 0 <= getattr(options, name) < np.inf:
                raise PolicyError("noisy_expert", f"option {name} is {getattr(options, name)}, must be 0 or more", name)
        if options.steps < 1:
            raise PolicyError("noisy_expert", f"option steps is {options.steps}, must be 1 or more", "steps")
        self._expert, self._options = expert, options
        spec = expert.spec
        self.spec = PolicySpec(
            name="noisy_expert",
            revision=spec.revision,
            cameras=spec.cameras,
            frame_id=spec.frame_id,
            horizon=spec.horizon,
            step_seconds=spec.step_seconds,
            period_seconds=spec.period_seconds,
            needs_objects=spec.needs_objects,
        )
        ahead = options.step_seconds * np.arange(spec.horizon)
        gap = (ahead[:, None] - ahead[None]) / max(options.smooth_seconds, 1e-3)
        self._along = np.exp(-0.5 * gap**2)
        turn, noise = options.turn / TURN_UNIT, options.noise / UNIT
        self._scale = np.array([noise] * 3 + [turn] * 3)
        self._ensemble = Ensemble()
        self._random = np.random.default_rng(0)

    def reset(self, instruction: str, seed: int) -> None:
        """Begin anew, with the noise of this seed."""
        self._expert.reset(instruction, seed)
        self._ensemble.forget()
        self._random = np.random.default_rng(seed)

    def infer(self, observation: Observation, progress: Progress) -> Actions:
        """A sample of the flow. Raises PolicyError as the expert does."""
        actions = self._expert.infer(observation, progress)
        arm = actions.arms[0]
        mean = arm.eef
        if len(actions.arms) != 1 or mean is None or arm.gripper is None:
            raise PolicyError("noisy_expert", "the expert must move one arm and gripper by its end effector", "expert")
        arc = self._arc(mean)
        field = GaussianField(np.array([arc, -arc]), self._along, self._scale)
        noise = torch.from_numpy(self._random.standard_normal(arc.shape))
        steps = self._options.steps
        guide, gripper = self._guide(arm, actions, observation.stamp_ns, progress)
        found = guided_euler(lambda x, k: field.velocity(x, k / steps), noise, steps, guide).numpy()
        sample = replace(arm, eef=_moved(mean, found), gripper=gripper)
        answer = Actions((sample,), actions.first_step_seconds, actions.step_seconds, finished=actions.finished)
        if self._options.chunking is Chunking.ENSEMBLE:
            return self._ensemble.blend(answer, observation.stamp_ns)
        return answer

    def close(self) -> None:
        """Close the expert."""
        self._expert.close()

    def _arc(self, mean: Array) -> Array:
        """(H, 6) in units of the flow: the left one of the two ways round, as far from the straight one as there is
        way to go, 0 at the chunk's begin."""
        way = mean[-1, :2] - mean[0, :2]
        length = float(np.hypot(*way))
        ahead = np.linspace(0.0, 1.0, len(mean))
        arc = np.zeros((len(mean), 6))
        if length > 1e-6:
            left = np.array([-way[1], way[0]]) / length
            arc[:, :2] = np.sin(np.pi * ahead)[:, None] * left * self._options.sideways * min(length / FAR, 1.0) / UNIT
        return arc

    def _guide(
        self, arm: ArmActions, actions: Actions, stamp_ns: int, progress: Progress
    ) -> tuple[Guide | None, Array]:
        """What the sample has to agree with, in units of the flow about the expert's chunk; and the openings."""
        assert arm.eef is not None and arm.gripper is not None
        plan = plan_under_way(progress) if self._options.chunking is Chunking.RTC else None
        before = None if plan is None else next((a for a in plan.arms if a.name == arm.name), None)
        if plan is None or before is None or before.eef is None or before.gripper is None:
            return None, arm.gripper
        first_ns = stamp_ns + round(actions.first_step_seconds * 1e9)
        due_ns = first_ns + round(actions.step_seconds * 1e9) * np.arange(len(arm.eef), dtype=np.int64)
        where, weight = agreement_with(plan, progress, due_ns)
        target = _difference(arm.eef, poses(before.eef, where))
        # what is decided about the gripper is kept where it is past, and never mixed
        gripper = np.where(weight >= 1, held(before.gripper, where), arm.gripper)
        weights = torch.from_numpy(np.repeat(weight[:, None], 6, axis=1))
        return Guide(torch.from_numpy(target), weights, self._options.exact), gripper


def _moved(mean: Array, by: Array) -> Array:
    """Poses (H, 7) moved by (H, 6) units of the flow: positions, and rotations about the pose's own axes."""
    turn = Rotation.from_quat(mean[:, 3:], scalar_first=True) * Rotation.from_rotvec(TURN_UNIT * by[:, 3:])
    return np.concatenate([mean[:, :3] + UNIT * by[:, :3], turn.as_quat(scalar_first=True)], axis=1)


def _difference(mean: Array, poses: Array) -> Array:
    """What ``_moved`` would take from the mean to poses (H, 7)."""
    turn = Rotation.from_quat(mean[:, 3:], scalar_first=True).inv() * Rotation.from_quat(
        poses[:, 3:], scalar_first=True
    )
    return np.concatenate([(poses[:, :3] - mean[:, :3]) / UNIT, turn.as_rotvec() / TURN_UNIT], axis=1)
