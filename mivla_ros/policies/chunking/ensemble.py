"""Temporal ensembling: a step is the weighted mean of what the newest answers say about its due time, by kind."""

from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.action_chunk import ArmActions, GripperKind, HandActions
from mivla_ros.policies.chunking import resampling
from mivla_ros.policies.chunking.resampling import Places, places
from mivla_ros.policies.policy import Actions

Array = NDArray[np.float64]

DECISION = 0.2
"""Gripper openings farther apart than this are two decisions; the newer one counts alone."""


@dataclass(frozen=True)
class EnsembleOptions:
    """decay: weights are exp(-decay * n), n answers after the oldest one, so that older answers count more (ACT's
    scheme). most: answers kept."""

    decay: float = 0.01
    most: int = 16


@dataclass(frozen=True)
class _Answer:
    actions: Actions
    first_ns: int
    step_ns: int
    horizon: int


class Ensemble:
    """Remembers answers since ``forget``."""

    def __init__(self, options: EnsembleOptions | None = None) -> None:
        self._options = options or EnsembleOptions()
        self._answers: deque[_Answer] = deque(maxlen=self._options.most)

    def forget(self) -> None:
        """Begin anew."""
        self._answers.clear()

    def blend(self, actions: Actions, stamp_ns: int) -> Actions:
        """The answer to an observation at stamp_ns, blended with those before."""
        horizon, step_ns = actions.horizon, round(actions.step_seconds * 1e9)
        answer = _Answer(actions, stamp_ns + round(actions.first_step_seconds * 1e9), step_ns, horizon)
        self._answers.append(answer)
        due_ns = answer.first_ns + step_ns * np.arange(horizon, dtype=np.int64)
        where = [places(a.first_ns, a.step_ns, a.horizon, due_ns) for a in self._answers]
        weights = np.exp(-self._options.decay * np.arange(len(where)))[:, None] * [place.inside for place in where]
        arms = tuple(self._arm(arm, where, weights) for arm in actions.arms)
        return replace(actions, arms=arms)

    def _arm(self, arm: ArmActions, where: list[Places], weights: Array) -> ArmActions:
        voices, places_of, shares = [], [], []
        for answer, place, weight in zip(self._answers, where, weights, strict=True):
            same = next((a for a in answer.actions.arms if a.name == arm.name and _alike(a, arm)), None)
            if same is not None:
                voices.append(same)
                places_of.append(place)
                shares.append(weight)
        weight = np.array(shares)

        def mean(part: list[Array]) -> Array:
            values = [resampling.linear(p.reshape(len(p), -1), q) for p, q in zip(part, places_of, strict=True)]
            return np.einsum("ak,akn->kn", weight / weight.sum(axis=0), np.array(values)).reshape(
                -1, *part[0].shape[1:]
            )

        def mean_poses(part: list[Array]) -> Array:
            moved = np.array([resampling.poses(p, q) for p, q in zip(part, places_of, strict=True)])
            position = np.einsum("ak,akn->kn", weight / weight.sum(axis=0), moved[..., :3])
            return np.concatenate([position, _mean_rotations(moved[..., 3:], weight)], axis=1)

        hands = _all([voice.hand for voice in voices])
        joints, eef = _all([voice.joints for voice in voices]), _all([voice.eef for voice in voices])
        hand = arm.hand
        if hand is not None and hands is not None:
            knuckles = _all([h.thumb_knuckle for h in hands])
            hand = HandActions(
                wrist=mean_poses([h.wrist for h in hands]),
                finger_tips=mean([h.finger_tips for h in hands]),
                thumb_knuckle=hand.thumb_knuckle if knuckles is None else mean_poses(knuckles),
                left=hand.left,
            )
        return replace(
            arm,
            joints=arm.joints if joints is None else mean(joints),
            eef=arm.eef if eef is None else mean_poses(eef),
            gripper=_grippers(arm, voices, places_of, weight),
            hand=hand,
        )


def _all[T](values: list[T | None]) -> list[T] | None:
    """The values; None where one is missing."""
    there = [value for value in values if value is not None]
    return there if len(there) == len(values) else None


def _alike(a: ArmActions, b: ArmActions) -> bool:
    return (a.space, a.eef_frame, a.joint_names, a.gripper_kind) == (
        b.space,
        b.eef_frame,
        b.joint_names,
        b.gripper_kind,
    )


def _grippers(arm: ArmActions, voices: list[ArmActions], where: list[Places], weight: Array) -> Array | None:
    """The newest answer's openings, averaged with others only where these are continuous and of the same decision."""
    if arm.gripper is None or arm.gripper_kind is GripperKind.BINARY:
        return arm.gripper
    openings = _all([voice.gripper for voice in voices])
    if openings is None:
        return arm.gripper
    values = np.array([resampling.held(v, place) for v, place in zip(openings, where, strict=True)])
    agreeing = weight * (np.abs(values - arm.gripper) <= DECISION)
    return np.asarray((agreeing * values).sum(axis=0) / agreeing.sum(axis=0))


def _mean_rotations(quaternions: Array, weight: Array) -> Array:
    """Quaternions (A, K, 4) and weights (A, K) to their mean on SO(3), (K, 4)."""
    found = [
        Rotation.from_quat(q[w > 0], scalar_first=True).mean(weights=w[w > 0]).as_quat(scalar_first=True)
        for q, w in zip(quaternions.swapaxes(0, 1), weight.T, strict=True)
    ]
    return np.array(found)
