"""What RoboTwin's and XPolicyLab's evaluations ask of a policy: reset, an observation, a chunk of actions.

Both of their protocols (``robotwin_tcp``, ``robotwin_ws``) carry the same observations and actions: ``vision`` with a
``color`` (h, w, 3) a camera, ``state`` with joints (rad) and gripper (0 closed, 1 open) a side, and an ``instruction``;
a chunk is a list of steps, each a map from ``left_arm_joint_state``, ``left_ee_joint_state`` ... to values.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mivla_ros.serving.adapter import GRIPPER, JOINTS, Adapter
from mivla_ros.serving.adapter_layout import AdapterLayout
from mivla_ros.serving.errors import AdapterError, FrameError
from mivla_ros.serving.layout import Layout
from mivla_ros.serving.policy_session import PolicySession

ROBOTWIN = "robotwin"
ACTION_TYPES = ("joint", "qpos")
NAMES = {JOINTS: "arm_joint_state", GRIPPER: "ee_joint_state"}

Step = dict[str, NDArray[np.float64]]


def robotwin_adapter(layout: Layout) -> Adapter:
    """The adapter of a layout that can be served so. Raises AdapterError for others."""
    if not isinstance(layout, AdapterLayout):
        raise AdapterError(f"adapter {layout.name}", f"cannot be served to RoboTwin, {ROBOTWIN} can")
    for value in layout.adapter.actions.values:
        if value.of not in NAMES:
            raise AdapterError(f"adapter {layout.adapter.source}: actions.values", f"{value.of} has no name there")
    return layout.adapter


class RoboTwinSession:
    """One evaluation's conversation with its policy. Calls come from one thread."""

    def __init__(self, session: PolicySession, adapter: Adapter) -> None:
        self._session, self._adapter = session, adapter
        self._seed, self._episode = 0, 0
        self._seen: Mapping[str, Any] | None = None

    def reset(self, given: object = None) -> None:
        """A new episode; a ``seed`` in what is given is the policy's. Raises FrameError for one that is no number, and
        where actions of another kind than joints are expected (RoboTwin would take none, and hold still).
        """
        known = given if isinstance(given, Mapping) else {}
        seed, kind = known.get("seed", 0), known.get("action_type", ACTION_TYPES[0])
        if kind not in ACTION_TYPES:
            raise FrameError("action_type", f"is {str(kind)[:40]!r}, only {' or '.join(ACTION_TYPES)} is served")
        if not isinstance(seed, int | np.integer) or isinstance(seed, bool):
            raise FrameError("seed", f"is of type {type(seed).__name__}, must be a whole number")
        self._seed, self._episode, self._seen = abs(int(seed)), self._episode + 1, None

    def see(self, observation: object) -> None:
        """Take the newest observation. Raises FrameError where it is no map."""
        if not isinstance(observation, Mapping):
            raise FrameError("observation", f"is of type {type(observation).__name__}, must be a map")
        self._seen = observation

    def act(self) -> list[Step]:
        """The chunk for the newest observation. Raises FrameError for one that does not fit, PolicyError."""
        if self._seen is None:
            raise FrameError("observation", "none has come since the last reset")
        request = self._session.layout.request_from_message(self._seen, time.time_ns())
        reply = self._session.infer(replace(request, seed=self._seed, episode=self._episode))
        return steps(reply[self._adapter.actions.key[-1]], self._adapter)


def steps(table: NDArray[np.float64], adapter: Adapter) -> list[Step]:
    """Rows (H, columns) as maps from names to values."""
    cuts, start = {}, 0
    for value in adapter.actions.values:
        cuts[f"{value.arm}_{NAMES[value.of]}"] = slice(start, start + value.count)
        start += value.count
    return [{name: row[cut] for name, cut in cuts.items()} for row in table]
