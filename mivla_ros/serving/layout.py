"""What a layout of messages has to do, both at the robot and at the model's side."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mivla_ros.observation import Observation
from mivla_ros.policies.policy import Actions, PolicySpec, Progress

Message = dict[str, Any]
EefPose = Callable[[str, NDArray[np.float64]], NDArray[np.float64]]
"""Arm name and joints (rad) to the pose (7,) xyz + wxyz of its end effector in its base frame."""


@dataclass(frozen=True)
class InferenceRequest:
    """What a policy is asked: an observation, and what else the layout carries.

    episode: another number than before asks for a reset with this seed; layouts that do not carry it leave it 0.
    """

    observation: Observation
    seed: int = 0
    episode: int = 0
    progress: Progress = field(default_factory=Progress)


class Layout(Protocol):
    """Turns requests and actions into messages and back. Raises FrameError for messages that do not fit."""

    @property
    def name(self) -> str:
        """The name that server and client compare."""
        ...

    def request_to_message(self, request: InferenceRequest) -> Message:
        """At the robot: what is sent."""
        ...

    def request_from_message(self, message: Mapping[str, Any], now_ns: int) -> InferenceRequest:
        """At the model: what was sent. now_ns stands in for stamps that the layout does not carry."""
        ...

    def actions_to_message(self, actions: Actions, request: InferenceRequest) -> Message:
        """At the model: the answer."""
        ...

    def actions_from_message(self, message: Mapping[str, Any], request: InferenceRequest) -> Actions:
        """At the robot: the answer."""
        ...


def metadata_of(spec: PolicySpec, layout: str, robot: str) -> Message:
    """What our server says of itself in its first frame; every value plain, so that any client can read it."""
    return {
        "server": "mivla_ros",
        "adapter": layout,
        "robot": robot,
        "policy": spec.name,
        "revision": spec.revision,
        "cameras": list(spec.cameras),
        "frame_id": spec.frame_id,
        "action_horizon": spec.horizon,
        "step_seconds": spec.step_seconds,
        "period_seconds": spec.period_seconds,
        "needs_objects": spec.needs_objects,
    }
