"""LocoMan's body commanded on the live graph: a chunk with body poses turns the simulated trunk."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

pytest.importorskip("mivla_bringup", reason="needs the built ROS workspace")

from rosgraph_msgs.msg import Clock

from mivla_msgs.msg import ActionChunk as ActionChunkMessage
from mivla_msgs.msg import PolicyStatus, RetargetingStatus, StopReason
from mivla_ros.action_chunk import ActionChunk, BodyActions
from mivla_ros.nodes import qos
from mivla_ros.nodes.conversions import chunk_message, time_ns
from test.launch.conftest import Launch
from test.launch.driver_stack import blind, episode_of
from test.launch.operator import Operator

StartLaunch = Callable[..., Launch]
PITCH, STEPS, STEP_NS = 0.12, 30, 100_000_000


@pytest.fixture
def turning(tmp_path: Path) -> str:
    """LocoMan in a mode in which a policy may turn its body."""
    file = Path(blind("locoman", tmp_path))
    data = yaml.safe_load(file.read_text("utf-8"))
    data["body"]["commanded"] = ["body_yaw", "body_pitch", "body_roll"]
    file.write_text(yaml.safe_dump(data), "utf-8")
    return str(file)


def test_a_chunk_with_body_poses_turns_the_trunk_and_holds_it_there(
    start_launch: StartLaunch, operator_of: Callable[[Launch], Operator], turning: str, tmp_path: Path
) -> None:
    launch = start_launch(
        "locoman.launch.py", f"profile:={turning}", "policy:=replay", f"episode:={episode_of('locoman', tmp_path)}"
    )
    operator = operator_of(launch)
    clock: list[int] = []
    operator.create_subscription(Clock, "clock", lambda m: clock.append(time_ns(m.clock)), qos.SENSOR)

    # the replay of two seconds at rest ends, and its session falls silent; then this test is the policy
    def finished() -> bool:
        status = operator.newest.get(PolicyStatus)
        return status is not None and status.reason.code == StopReason.POLICY_FINISHED

    operator.wait(finished, 150, "the end of the replay")
    silent_from = clock[-1]
    operator.wait(lambda: clock[-1] > silent_from + 3_000_000_000, 60, "three seconds of silence")

    def pitch() -> float:
        values = dict(zip(operator.names(), operator.positions(), strict=True))
        return float(values["body_pitch"])

    operator.positions()
    assert abs(pitch()) < 0.02
    share = np.minimum(np.arange(STEPS) / 20, 1.0)
    turns = Rotation.from_euler("y", (PITCH * share**2 * (3 - 2 * share))[:, None]).as_quat(scalar_first=True)
    body = BodyActions("trunk", np.concatenate([np.zeros((STEPS, 3)), turns], axis=1))
    begin = clock[-1] + 300_000_000
    chunk = ActionChunk(
        "stance", begin, STEP_NS, STEPS, (), valid_until_ns=begin + STEPS * STEP_NS, observation_ns=clock[-1],
        generation=operator.newest[RetargetingStatus].generation, sequence=1, session=bytes(range(16)), robot="locoman",
        body=body,
    )  # fmt: skip
    message = chunk_message(chunk)
    words = PolicyStatus(
        state=PolicyStatus.RUNNING, session=message.session, generation=chunk.generation, sequence=chunk.sequence
    )
    statuses = operator.create_publisher(PolicyStatus, "mivla/policy_status", qos.STATE)
    operator.create_timer(0.1, lambda: statuses.publish(words))
    publisher = operator.create_publisher(ActionChunkMessage, "mivla/actions", qos.COMMAND)
    operator.wait(lambda: publisher.get_subscription_count() > 0, 30, "the retargeting node")
    publisher.publish(message)
    operator.wait(lambda: abs(pitch() - PITCH) < 0.02, 60, "the trunk's pitch")
    operator.listen(3.0)
    assert abs(pitch() - PITCH) < 0.02, "it does not hold"
    assert "Traceback" not in launch.output()
