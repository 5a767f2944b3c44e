"""A policy node whose policy keeps every observation it is given, as a file: what a recording is compared with."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mivla_ros.action_chunk import ArmActions, Space
from mivla_ros.nodes import policy_node
from mivla_ros.observation import Observation
from mivla_ros.policies.policy import Actions, PolicySpec, Progress
from mivla_ros.policies.registry import POLICIES, PolicyContext, PolicyEntry

FOLDER = "MIVLA_TEST_OBSERVATIONS"


class KeepingPolicy:
    """Answers with where the arms are."""

    def __init__(self, context: PolicyContext, options: Mapping[str, object]) -> None:
        profile = context.profile
        self._arms = {arm.name: arm.eef_frame for arm in profile.arms}
        self._count = 0
        cameras = tuple(camera.name for camera in profile.cameras)
        self.spec = PolicySpec("keeping", "test", cameras, profile.arms[0].base_frame, 2, 0.1, 0.2)

    def reset(self, instruction: str, seed: int) -> None:
        pass

    def infer(self, observation: Observation, progress: Progress) -> Actions:
        arrays: dict[str, np.ndarray] = {
            "stamps": np.array([observation.stamp_ns, observation.oldest_ns], dtype=np.int64),
            "instruction": np.array(observation.instruction),
        }
        for name, image in observation.images.items():
            arrays[f"image.{name}"] = image.rgb
            arrays[f"stamp.{name}"] = np.int64(image.stamp_ns)
        for name, arm in observation.arms.items():
            arrays[f"arm.{name}"] = np.concatenate([arm.joints, arm.eef, [arm.gripper]])
        unfinished = Path(os.environ[FOLDER]) / f"{self._count:04d}.part"
        with unfinished.open("wb") as file:
            np.savez(file, **arrays)
        unfinished.rename(unfinished.with_suffix(".npz"))
        self._count += 1
        arms = tuple(
            ArmActions(name, Space.EEF, frame, np.tile(observation.arms[name].eef, (2, 1)))
            for name, frame in self._arms.items()
        )
        return Actions(arms, 0.1, 0.1)

    def close(self) -> None:
        pass


if __name__ == "__main__":
    POLICIES["keeping"] = PolicyEntry(KeepingPolicy, "keeps observations", needs_instruction=False)
    sys.exit(policy_node.main())
