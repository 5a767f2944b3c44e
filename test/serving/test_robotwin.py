"""RoboTwin's two protocols against clients written here from their description, arrays and all."""

import base64
import json
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from mivla_ros.action_chunk import ArmActions, Space
from mivla_ros.commands.main import main
from mivla_ros.observation import Observation
from mivla_ros.policies.policy import Actions, Policy, PolicyError, PolicySpec, Progress
from mivla_ros.robots.profile import load_profile
from mivla_ros.serving.adapter import load_adapter
from mivla_ros.serving.adapter_layout import AdapterLayout
from mivla_ros.serving.errors import AdapterError
from mivla_ros.serving.layout import metadata_of
from mivla_ros.serving.native import NativeLayout
from mivla_ros.serving.robotwin_side import deploy_policy
from mivla_ros.serving.robotwin_tcp import RoboTwinTcpServer
from mivla_ros.serving.robotwin_ws import RoboTwinServer
from mivla_ros.serving.serve_policy import ServedPolicy
from mivla_ros.serving.server import ServerOptions
from test.serving.running import LoopThread, wait_until

PROFILE = load_profile("piper_bimanual")
LAYOUT = AdapterLayout(load_adapter("robotwin"), PROFILE)
SPEC = PolicySpec("stub", "r7", tuple(c.name for c in PROFILE.cameras), "left_base_link", 5, 0.18, 0.9)
JOINTS = {"left": np.linspace(-0.5, 0.5, 6, dtype=np.float32), "right": np.linspace(0.1, 0.6, 6, dtype=np.float32)}
GRIPPERS = {"left": 0.25, "right": 1.0}
SHAPE = (24, 32, 3)


@dataclass
class TwoArms:
    """Raises every joint by 0.01 a step, closes the left gripper and opens the right one."""

    spec: PolicySpec = SPEC
    seen: list[Observation] = field(default_factory=list)
    resets: list[tuple[str, int]] = field(default_factory=list)
    closed: bool = False

    def reset(self, instruction: str, seed: int) -> None:
        self.resets.append((instruction, seed))

    def infer(self, observation: Observation, progress: Progress) -> Actions:
        if observation.instruction == "fall over":
            raise PolicyError("stub", "it fell over")
        self.seen.append(observation)
        arms = []
        for arm in PROFILE.arms:
            joints = observation.arms[arm.name].joints + 0.01 * np.arange(1, 6)[:, None]
            opening = np.full(5, float(arm.side == "right"))
            arms.append(ArmActions(arm.name, Space.JOINT, joint_names=arm.joints, joints=joints, gripper=opening))
        return Actions(tuple(arms), 0.18, 0.18)

    def close(self) -> None:
        self.closed = True


@contextmanager
def running(server: RoboTwinTcpServer | RoboTwinServer) -> Iterator[Any]:
    thread = LoopThread()
    try:
        thread.run(server.start())
        yield server
    finally:
        thread.run(server.close())
        thread.close()


def picture(camera: str) -> np.ndarray:
    return np.random.default_rng(len(camera)).integers(0, 256, SHAPE, dtype=np.uint8)


def raw_observation() -> dict:
    """What RoboTwin's simulation gives."""
    cameras = ("head_camera", "left_camera", "right_camera")
    joints = {f"{side}_arm": JOINTS[side].tolist() for side in JOINTS}
    joints |= {f"{side}_gripper": GRIPPERS[side] for side in GRIPPERS}
    return {"observation": {name: {"rgb": picture(name)} for name in cameras}, "joint_action": joints}


def observation(words: str = "stack the bowls") -> dict:
    """The same as XPolicyLab's environments say it, with what else they say."""
    made = deploy_policy.encode_obs(raw_observation(), words)
    made["vision"]["cam_head"] |= {"shape": SHAPE[:2], "intrinsic_matrix": np.eye(3, dtype=np.float32)}
    return made | {"instructions": [words], "env_idx": 0, "data_format_version": "v1.0"}


def check_actions(actions: list[dict]) -> None:
    assert len(actions) == 5
    for k, step in enumerate(actions, 1):
        assert set(step) == {f"{side}_{part}_joint_state" for side in JOINTS for part in ("arm", "ee")}
        for side, joints in JOINTS.items():
            np.testing.assert_allclose(step[f"{side}_arm_joint_state"], joints + 0.01 * k, atol=1e-6)
            assert step[f"{side}_ee_joint_state"].tolist() == [float(side == "right")]


def check_seen(seen: Observation) -> None:
    assert seen.instruction == "stack the bowls"
    for arm in PROFILE.arms:
        np.testing.assert_array_equal(seen.arms[arm.name].joints, JOINTS[arm.side])
        assert seen.arms[arm.name].gripper == GRIPPERS[arm.side]
    theirs = {"head_camera": "head_camera", "left_wrist_camera": "left_camera", "right_wrist_camera": "right_camera"}
    for ours, name in theirs.items():
        np.testing.assert_array_equal(seen.images[ours].rgb, picture(name))


# ---- its own protocol: JSON over TCP ----


class JsonArrays(json.JSONEncoder):
    def default(self, value: object) -> object:
        if isinstance(value, np.ndarray):
            data = base64.b64encode(value.tobytes()).decode()
            return {"__numpy_array__": True, "data": data, "dtype": str(value.dtype), "shape": value.shape}
        return super().default(value)


def restored(entry: dict) -> object:
    if "__numpy_array__" not in entry:
        return entry
    return np.frombuffer(base64.b64decode(entry["data"]), entry["dtype"]).reshape(entry["shape"])


class TcpClient:
    """As RoboTwin's evaluation speaks."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), 20)

    def send(self, text: bytes, size: int | None = None) -> None:
        self.socket.sendall(struct.pack(">I", len(text) if size is None else size) + text)

    def receive(self) -> dict:
        head = self.read(4)
        return json.loads(self.read(struct.unpack(">I", head)[0]), object_hook=restored)

    def read(self, size: int) -> bytes:
        parts = b""
        while len(parts) < size:
            part = self.socket.recv(size - len(parts))
            if not part:
                raise EOFError
            parts += part
        return parts

    def call(self, func_name: str, obs: object = None) -> Any:
        self.send(json.dumps({"cmd": func_name, "obs": obs}, cls=JsonArrays).encode())
        return self.receive()["res"]


@contextmanager
def tcp(policy: Policy, **options: Any) -> Iterator[tuple[RoboTwinTcpServer, TcpClient]]:
    made = ServerOptions(**{"port": 0, **options})
    with running(RoboTwinTcpServer(lambda: policy, LAYOUT, made, lambda _: None)) as server:
        client = TcpClient(server.address)
        yield server, client
        client.socket.close()


def test_an_episode_over_tcp() -> None:
    policy = TwoArms()
    with tcp(policy) as (server, client):
        assert server.address.startswith("127.0.0.1:"), "other machines are not served unless told"
        assert client.call("reset", {"seed": 7, "instruction": "stack the bowls"}) is None
        assert client.call("update_obs", observation("what was seen before")) is None
        assert client.call("update_obs", observation()) is None
        check_actions(client.call("get_action"))
        check_actions(client.call("get_action", observation()))
        client.call("reset_model")
        client.call("update_obs", observation())
        client.call("get_action")
    check_seen(policy.seen[0])
    assert policy.resets == [("stack the bowls", 7), ("stack the bowls", 0)], "an episode begins once"


class Simulation:
    """The part of RoboTwin's environment that a policy sees."""

    step_lim = 8

    def __init__(self) -> None:
        self.eval_success, self.take_action_cnt, self.taken = False, 0, []

    def get_instruction(self) -> str:
        return "stack the bowls"

    def take_action(self, action: np.ndarray, action_type: str) -> None:
        assert action_type == "qpos"
        self.take_action_cnt += 1
        self.taken.append(action)


def test_robotwins_side_does_the_steps_of_each_chunk_and_no_more_than_it_may() -> None:
    simulation = Simulation()
    with tcp(TwoArms()) as (_, client):
        deploy_policy.reset_model(client)
        while simulation.take_action_cnt < simulation.step_lim:
            deploy_policy.eval(simulation, client, raw_observation())
    assert len(simulation.taken) == 8
    first = np.concatenate([JOINTS["left"] + 0.01, [0.0], JOINTS["right"] + 0.01, [1.0]])
    np.testing.assert_allclose(simulation.taken[0], first, atol=1e-6)
    with pytest.raises(NotImplementedError, match="mivla serve --protocol robotwin"):
        deploy_policy.get_model({})


def with_array(**change: object) -> dict:
    array = {"__numpy_array__": True, "data": "AAAA", "dtype": "uint8", "shape": [3]} | change
    return {"cmd": "update_obs", "obs": {"x": array}}


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"cmd": "__class__"}, "cmd: is '__class__', must be one of reset"),
        ({"cmd": ["reset"]}, "cmd: is"),
        ([1], "cmd: is 'None'"),
        ({"cmd": "get_action"}, "observation: none has come"),
        ({"cmd": "update_obs"}, "observation: is of type NoneType"),
        ({"cmd": "reset", "obs": {"seed": "now"}}, "seed: is of type str"),
        ({"cmd": "reset", "obs": {"action_type": "ee"}}, "action_type: is 'ee', only joint or qpos is served"),
        ({"cmd": "get_action", "obs": {"instruction": "go"}}, "vision/cam_head/color: is missing"),
        ({"cmd": "get_action", "obs": {**observation(), "state": {}}}, "state/left_arm_joint_state: is missing"),
        (with_array(dtype="object"), "array: type is 'object'"),
        (with_array(dtype="O"), "array: type is 'O'"),
        (with_array(shape=[10**9]), "needs 1000000000 bytes, there are 3"),
        (with_array(data="!"), "data is not base64"),
        (with_array(data=3), "data is of type int"),
        (b"\x80\x04N.", "is not JSON"),
        (b"[" * 90_000, "is not JSON"),
        (b"[" * 200_000, "holds more than 100000 entries"),
        ({"cmd": "get_action", "obs": observation("fall over")}, "it fell over"),
    ],
)
def test_what_is_wrong_over_tcp_is_said_and_ends_that_connection_only(message: object, words: str) -> None:
    with tcp(TwoArms()) as (server, client):
        client.send(message if isinstance(message, bytes) else json.dumps(message, cls=JsonArrays).encode())
        reply = client.receive()
        assert words in reply["error"] and set(reply) == {"error", "traceback"}
        with pytest.raises((EOFError, ConnectionError)):
            client.receive()
        again = TcpClient(server.address)
        assert again.call("reset") is None
        again.socket.close()


def test_a_message_that_is_too_long_is_refused_before_it_is_read() -> None:
    with tcp(TwoArms(), max_frame=1000) as (server, client):
        client.send(b"", size=2**32 - 1)
        assert "has 4294967295 bytes, limit 1000" in client.receive()["error"]
        half = TcpClient(server.address)
        half.send(b"{", size=100)
        half.socket.close()
        assert TcpClient(server.address).call("reset") is None


def test_more_clients_than_allowed_are_sent_away_over_tcp() -> None:
    with tcp(TwoArms(), max_connections=1) as (server, client):
        client.call("reset")
        with pytest.raises((EOFError, ConnectionError)):
            TcpClient(server.address).call("reset")


# ---- XPolicyLab's: msgpack over a websocket ----


def encoded(value: object) -> object:
    """As the package msgpack-numpy writes arrays."""
    if isinstance(value, np.ndarray):
        return {b"nd": True, b"type": value.dtype.str, b"kind": b"", b"shape": value.shape, b"data": value.tobytes()}
    if isinstance(value, np.generic):
        return {b"nd": False, b"type": value.dtype.str, b"data": value.tobytes()}
    raise TypeError(type(value))


def decoded(entry: dict) -> object:
    if entry.get(b"nd") is True:
        return np.ndarray(entry[b"shape"], entry[b"type"], entry[b"data"])
    return np.frombuffer(entry[b"data"], entry[b"type"])[0] if b"nd" in entry else entry


class WsClient:
    """As XPolicyLab's evaluations speak."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket, self.count = socket, 0

    def request(self, kind: str, payload: object, **more: object) -> dict:
        self.count += 1
        frame = {"message_type": kind, "message_id": f"m{self.count}", "evaluation_id": "e", "action_case_id": "case"}
        frame |= {"trial_id": "t", "repeat_index": None, "step": self.count, "sent_at": "2026-07-22T00:00:00+00:00"}
        self.socket.send(msgpack.packb(frame | {"payload": payload} | more, default=encoded, use_bin_type=True))
        reply = msgpack.unpackb(self.socket.recv(20), raw=False, object_hook=decoded)
        same = ("message_id", "evaluation_id", "action_case_id", "trial_id", "repeat_index", "step")
        assert {key: reply[key] for key in same} == {key: frame[key] for key in same}
        assert set(reply) == {*same, "message_type", "sent_at", "payload"}
        return reply


@contextmanager
def ws(policy: Policy, **options: Any) -> Iterator[WsClient]:
    metadata = metadata_of(SPEC, LAYOUT.name, PROFILE.name)
    made = ServerOptions(**{"port": 0, **options})
    with (
        running(RoboTwinServer(lambda: policy, LAYOUT, metadata, made, lambda _: None)) as server,
        connect(server.address, max_size=None, proxy=None) as socket,
    ):
        yield WsClient(socket)


def test_an_episode_over_the_websocket() -> None:
    policy = TwoArms()
    with ws(policy) as client:
        hello = client.request("hello", {})
        assert (hello["message_type"], hello["payload"]["ok"]) == ("hello_ack", True)
        assert hello["payload"]["policy"] == "stub"
        case = {
            "task_name": "stack_bowls_two",
            "seed": 100000,
            "instruction": "stack the bowls",
            "action_type": "joint",
        }
        for kind, answer in (
            ("prepare_case", "prepare_case_ack"),
            ("reset", "reset_result"),
            ("heartbeat", "heartbeat_ack"),
        ):
            reply = client.request(kind, case)
            assert (reply["message_type"], reply["payload"]) == (answer, {"ok": True})
        for _ in range(2):
            reply = client.request("infer", {"observation": observation()})
            assert reply["message_type"] == "infer_result" and reply["payload"]["latency_ms"] > 0
            check_actions(reply["payload"]["actions"])
        assert client.request("trial_end", {"success": np.bool_(True)})["message_type"] == "trial_end_ack"
        client.request("reset", case | {"seed": np.int64(100001)})
        client.request("infer", {"observation": observation()})
        client.socket.send(msgpack.packb({"message_type": "close", "payload": {"reason": ""}}))
        with pytest.raises(ConnectionClosed) as closed:
            client.socket.recv(20)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1000
    check_seen(policy.seen[0])
    assert policy.resets == [("stack the bowls", 100000), ("stack the bowls", 100001)]


@pytest.mark.parametrize(
    ("kind", "payload", "code", "words"),
    [
        ("dance", {}, "unknown_message_type", "is 'dance', must be one of hello"),
        ("infer", {}, "infer_failed", "observation: is of type NoneType"),
        ("infer", None, "infer_failed", "observation: is of type NoneType"),
        ("infer", {"observation": {"instruction": "go"}}, "infer_failed", "vision/cam_head/color: is missing"),
        ("infer", {"observation": observation("fall over")}, "infer_failed", "it fell over"),
        ("reset", {"seed": []}, "reset_failed", "seed: is of type list"),
    ],
)
def test_what_is_wrong_over_the_websocket_is_said_and_the_connection_goes_on(
    kind: str, payload: object, code: str, words: str
) -> None:
    with ws(TwoArms()) as client:
        reply = client.request(kind, payload)
        assert (reply["message_type"], reply["payload"]["code"]) == ("error", code)
        assert words in reply["payload"]["message"]
        check_actions(client.request("infer", {"observation": observation()})["payload"]["actions"])


@pytest.mark.parametrize(
    "frame",
    [
        b"\xc1",
        msgpack.packb([1]),
        msgpack.packb({"payload": {b"nd": True, b"type": "|O", b"kind": b"O", b"shape": [1], b"data": b"\x80\x04N."}}),
        msgpack.packb({"payload": {b"nd": True, b"type": "<f4", b"kind": b"", b"shape": [10**9], b"data": b"0000"}}),
        msgpack.packb({"payload": {b"nd": False, b"type": "<f4", b"data": b"00000000"}}),
    ],
)
def test_frames_that_are_none_end_the_connection(frame: bytes) -> None:
    with ws(TwoArms()) as client:
        client.socket.send(frame)
        assert isinstance(client.socket.recv(20), str)
        with pytest.raises(ConnectionClosed) as closed:
            client.socket.recv(20)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1011


# ---- what can be served, and what serves ----


def test_layouts_that_robotwin_cannot_read_are_refused() -> None:
    with pytest.raises(AdapterError, match="cannot be served to RoboTwin, robotwin can"):
        RoboTwinTcpServer(TwoArms, NativeLayout(), ServerOptions())
    libero = AdapterLayout(load_adapter("libero"), load_profile("piper"))
    with pytest.raises(AdapterError, match=r"libero\.yaml: actions\.values: position has no name there"):
        RoboTwinServer(TwoArms, libero, {})


def test_a_checkpoint_acts_for_robotwin(tmp_path: Path) -> None:
    folder = str(tmp_path / "tiny")
    assert main(["checkpoint", "new", "--config", "tiny", "--robot", "piper_bimanual", folder]) == 0
    options = [f"checkpoint={folder}", "device=cpu", "threads=1", "engine=torch"]
    served = ServedPolicy("mivla", options, "piper_bimanual", "robotwin")
    with running(RoboTwinTcpServer(served, served.layout, ServerOptions(port=0), served.release)) as server:
        client = TcpClient(server.address)
        client.call("reset")
        actions = client.call("get_action", observation())
        client.socket.close()
    assert len(actions) == 16
    assert all(np.isfinite(values).all() for step in actions for values in step.values())
    assert actions[0]["left_arm_joint_state"].shape == (6,) and actions[0]["right_ee_joint_state"].shape == (1,)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--robot", "piper"), "need one left arm"),
        (("--robot", "piper_bimanual", "--adapter", "mivla"), "cannot be served to RoboTwin"),
        (("--robot", "piper_bimanual", "--api-key-file", "key"), "know neither keys nor TLS"),
    ],
)
def test_what_cannot_be_served_so_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    motion = tmp_path / "motion.npz"
    poses = {"position": np.zeros((10, 3)), "quaternion_xyzw": np.tile([0.0, 0, 0, 1], (10, 1))}
    np.savez(motion, time=np.linspace(0, 1, 10), **poses)
    command = ["serve", "--protocol", "robotwin", "--policy", "demonstration", "--option", f"path={motion}"]
    assert main([*command, "--port", "0", *arguments]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("mivla: ")]
    assert len(lines) == 1 and words in lines[0], lines


def test_policies_are_given_back_when_clients_leave_and_when_the_server_ends() -> None:
    policies, back = [TwoArms(), TwoArms()], []
    given = list(policies)
    options = ServerOptions(port=0)
    with running(RoboTwinTcpServer(lambda: given.pop(0), LAYOUT, options, back.append)) as server:
        left = TcpClient(server.address)
        left.call("reset")
        left.socket.close()
        wait_until(lambda: back == policies[:1], 20)
        stays = TcpClient(server.address)
        stays.call("reset")
    assert back == policies
    with pytest.raises((EOFError, ConnectionError)):
        stays.call("reset")
