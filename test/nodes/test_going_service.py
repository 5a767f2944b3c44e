"""Going to ready in the real node: while a way is planned, ticks, chunks and stops go on in the control path."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy")

from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from mivla_msgs.msg import ActionChunk as ActionChunkMessage  # noqa: E402
from mivla_msgs.srv import Stop  # noqa: E402
from mivla_ros.action_chunk import NANOSECONDS, ActionChunk, ArmActions, Space  # noqa: E402
from mivla_ros.nodes.conversions import chunk_message  # noqa: E402
from mivla_ros.nodes.executor import make_executor  # noqa: E402
from mivla_ros.nodes.moveit_planning import OURS  # noqa: E402
from mivla_ros.nodes.retargeting_node import RetargetingNode  # noqa: E402
from mivla_ros.retargeting import Mode  # noqa: E402
from mivla_ros.retargeting.going import Going  # noqa: E402
from mivla_ros.robots.description import robot_description  # noqa: E402
from mivla_ros.robots.profile import load_profile  # noqa: E402
from mivla_ros.stop_reasons import Reason  # noqa: E402
from test.domain import free_domain  # noqa: E402

PROFILE = load_profile("piper")
ARM = PROFILE.arms[0]
BEGIN = np.array(ARM.ready) + 0.2
PATIENCE = 30.0  # s; only a hang takes so long


class Bench:
    """The node, its executor, and a robot that stands where it is; a planner that waits for ``may_plan``."""

    def __init__(self) -> None:
        self.node = RetargetingNode()
        self.node.start()
        self.executor = make_executor(self.node)
        self.client = rclpy.create_node("wisher")
        self.executor.add_node(self.client)
        self.planning, self.may_plan = threading.Event(), threading.Event()
        self.node._going._find = self._plan  # type: ignore[assignment]
        self.service = self.client.create_client(Trigger, "mivla/go_to_ready")

    def _plan(self, going: Going) -> tuple[dict[str, Any], str]:
        self.planning.set()
        assert self.may_plan.wait(PATIENCE)
        return going.plan(), OURS

    def spin_until(self, done: Any) -> None:
        deadline = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < deadline, f"it did not come: {self.follower.mode}, {self.follower.reason}"
            states = JointState(name=list(PROFILE.joint_names), position=[*BEGIN, 0.05])
            states.header.stamp = self.node.get_clock().now().to_msg()
            self.node._on_joint_states(states)
            self.executor.spin_once(timeout_sec=0.01)

    @property
    def follower(self) -> Any:
        return self.node._follower

    def chunk(self) -> ActionChunkMessage:
        now_ns = self.node.get_clock().now().nanoseconds
        actions = ArmActions(ARM.name, Space.JOINT, joint_names=ARM.joints, joints=np.tile(BEGIN, (8, 1)))
        return chunk_message(
            ActionChunk(
                "world", now_ns, NANOSECONDS // 10, 8, (actions,), observation_ns=now_ns,
                valid_until_ns=now_ns + NANOSECONDS, session=bytes(15) + b"1", sequence=1, robot="piper",
            )
        )  # fmt: skip


@pytest.fixture
def bench() -> Iterator[Bench]:
    rclpy.init(domain_id=free_domain())
    made = Bench()
    made.node._on_description(String(data=robot_description(PROFILE)))
    yield made
    made.may_plan.set()
    made.node.close()
    made.executor.shutdown()
    made.client.destroy_node()
    made.node.destroy_node()
    rclpy.try_shutdown()


def test_while_a_way_is_planned_chunks_are_answered_and_then_the_arm_sets_off(bench: Bench) -> None:
    bench.spin_until(bench.service.service_is_ready)
    wish = bench.service.call_async(Trigger.Request())
    bench.spin_until(bench.planning.is_set)
    refused = bench.follower.counts.refused_chunks
    bench.node._on_chunk(bench.chunk())
    assert bench.follower.counts.refused_chunks == refused + 1
    assert bench.follower.reason.reason is Reason.CHUNK_OUTDATED
    generation = bench.follower.generation
    bench.may_plan.set()
    bench.spin_until(wish.done)
    assert wish.result().success, wish.result().message
    assert OURS in wish.result().message
    assert bench.follower.generation == generation + 1
    assert bench.follower.motion(ARM.name).arm.positions[-1] == pytest.approx(ARM.ready, abs=1e-3)


def test_a_stop_while_a_way_is_planned_latches_at_once_and_calls_the_wish_off(bench: Bench) -> None:
    bench.spin_until(bench.service.service_is_ready)
    wish = bench.service.call_async(Trigger.Request())
    bench.spin_until(bench.planning.is_set)
    assert bench.node._on_stop(Stop.Request(reason="test"), Stop.Response()).success
    assert bench.follower.mode is Mode.STOPPED
    bench.may_plan.set()
    bench.spin_until(wish.done)
    assert not wish.result().success
    assert "operator stop" in wish.result().message
    assert bench.follower.mode is Mode.STOPPED


def test_a_wish_whose_joints_nobody_knows_is_refused_by_name(bench: Bench) -> None:
    wish = bench.service.call_async(Trigger.Request())
    deadline = time.monotonic() + PATIENCE
    while not wish.done():
        assert time.monotonic() < deadline
        bench.executor.spin_once(timeout_sec=0.01)
    assert not wish.result().success
    assert "joint" in wish.result().message
