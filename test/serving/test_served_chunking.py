"""Real-time chunking through a server: what the robot has counted reaches the policy, so that frozen steps agree."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from mivla_ros.action_chunk import ActionChunk, ArmActions
from mivla_ros.inference.fast_inference import EngineName
from mivla_ros.model.bring_up import bring_up_normalisation
from mivla_ros.model.checkpoint import save_checkpoint
from mivla_ros.model.contract import make_contract
from mivla_ros.model.network import build_network, without_encoders
from mivla_ros.model.presets import TINY
from mivla_ros.observations import Synchroniser
from mivla_ros.policies.chunking.resampling import due_times, linear, places
from mivla_ros.policies.mivla import MivlaOptions, MivlaPolicy
from mivla_ros.policies.openpi import OpenpiOptions, OpenpiPolicy
from mivla_ros.policies.policy import Policy
from mivla_ros.policies.runner import PolicyRunner
from mivla_ros.robots.description import robot_description
from test.serving.running import CAMERAS, EEF, PROFILE, observation, served

SECOND = 1_000_000_000
STEPS_BETWEEN = 4  # chunk steps between two inferences, the period
LATE = 2  # first step that was still due when the first chunk was taken up


class Robot:
    """A runner fed at will, with a clock of its own."""

    def __init__(self, policy: Policy) -> None:
        self.now_ns = 10 * SECOND
        self.synchroniser = Synchroniser(PROFILE.arms, PROFILE.cameras, lambda arm, joints: EEF)
        self.runner = PolicyRunner(policy, PROFILE, self.synchroniser, lambda: self.now_ns, bytes(16))
        self.runner.reset("pick up the bottle", 3)
        self.runner.start()

    def chunk(self) -> ActionChunk:
        self.synchroniser.add_joints(self.now_ns, PROFILE.joint_names, [0.1] * len(PROFILE.joint_names))
        for camera in CAMERAS:
            self.synchroniser.add_image(camera, self.now_ns, observation().images[camera].rgb)
        chunk = self.runner.step()
        assert chunk is not None, self.runner.status()
        return chunk

    def two_chunks(self, counted: bool = True) -> tuple[ActionChunk, ActionChunk]:
        first = self.chunk()
        self.now_ns += STEPS_BETWEEN * first.step_ns
        if counted:
            self.runner.report_executed(first.session, first.sequence, 2, 2, LATE)
        return first, self.chunk()


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> MivlaPolicy:
    """A tiny network with last layers that are not zero, whose chunks differ wildly unless they are made to agree."""
    network = build_network(TINY, without_encoders())
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.trunk.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    normalisation = bring_up_normalisation(PROFILE, robot_description(PROFILE))
    save_checkpoint(folder, network, make_contract(PROFILE, TINY), normalisation)
    return MivlaPolicy("mivla", PROFILE, MivlaOptions(str(folder), device="cpu", engine=EngineName.TORCH))


@pytest.fixture
def remote(policy: MivlaPolicy) -> Iterator[OpenpiPolicy]:
    with served(lambda: policy, spec=policy.spec, release=lambda _: None) as server:
        asking = OpenpiPolicy(PROFILE, OpenpiOptions(server.address, connect_timeout=20.0, timeout=60.0))
        yield asking
        asking.close()


def arm_of(chunk: ActionChunk) -> ArmActions:
    (arm,) = chunk.arms
    return arm


def apart(first: ActionChunk, second: ActionChunk, steps: slice) -> float:
    """Largest difference of the joints at the second chunk's due times, rad."""
    planned = linear(arm_of(first).joints, places(first.first_step_ns, first.step_ns, first.horizon, due_times(second)))
    return float(np.abs(arm_of(second).joints - planned)[steps].max())


def test_frozen_steps_are_those_of_the_plan_under_way_over_the_wire(remote: OpenpiPolicy) -> None:
    first, second = Robot(remote).two_chunks()
    frozen, overlap = LATE + 1, first.horizon - STEPS_BETWEEN
    assert second.sequence == first.sequence + 1
    assert apart(first, second, slice(0, frozen)) < 1e-5
    uncounted = apart(*Robot(remote).two_chunks(counted=False), slice(0, frozen))
    assert uncounted > 1e-3, "without a count nothing is frozen, so this test would see nothing"
    assert apart(first, second, slice(frozen, overlap)) > 1e-3, "what is not frozen may differ"


def test_the_wire_changes_nothing(remote: OpenpiPolicy, policy: MivlaPolicy) -> None:
    far = Robot(remote).two_chunks()
    near = Robot(policy).two_chunks()
    for there, here in zip(far, near, strict=True):
        np.testing.assert_array_equal(arm_of(there).joints, arm_of(here).joints)
        np.testing.assert_array_equal(arm_of(there).gripper, arm_of(here).gripper)
