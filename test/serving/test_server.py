"""Our server against plain websocket clients: what it says, and what it bears."""

import asyncio
import shutil
import ssl
import threading
import urllib.request
from contextlib import suppress
from pathlib import Path

import msgpack
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from mivla_ros.policies.policy import PolicyError, Progress
from mivla_ros.serving.adapter import load_adapter
from mivla_ros.serving.adapter_layout import AdapterLayout
from mivla_ros.serving.array_packing import pack, unpack_map
from mivla_ros.serving.credentials import server_tls
from mivla_ros.serving.errors import ServingError
from mivla_ros.serving.layout import InferenceRequest
from mivla_ros.serving.native import NativeLayout
from mivla_ros.serving.server import PolicyServer, ServerOptions
from test.serving.running import PROFILE, SPEC, StubPolicy, make_certificate, observation, served, wait_until

REQUEST = NativeLayout().request_to_message(InferenceRequest(observation(), 3, 1, Progress(4, 5, 6)))


def opened(address: str, **options: object) -> ClientConnection:
    return connect(address, compression=None, max_size=None, proxy=None, **options)


def ask(socket: ClientConnection, message: dict | bytes = REQUEST) -> dict:
    socket.send(message if isinstance(message, bytes) else pack(message))
    return unpack_map(socket.recv(10))


def closed(socket: ClientConnection) -> tuple[int, str]:
    """How the server has closed."""
    with pytest.raises(ConnectionClosed) as error:
        socket.recv(10)
    assert error.value.rcvd is not None
    return error.value.rcvd.code, error.value.rcvd.reason


def test_metadata_come_first_then_answers_with_times() -> None:
    policy = StubPolicy()
    with served(lambda: policy) as server, opened(server.address) as socket:
        metadata = unpack_map(socket.recv(10))
        assert metadata["adapter"] == "mivla"
        assert (metadata["policy"], metadata["revision"], metadata["action_horizon"]) == ("stub", "r7", 8)
        first, second = ask(socket), ask(socket)
    assert first["actions"].shape == (8, 7)
    assert first["policy_timing"]["infer_ms"] >= 0
    assert set(first["server_timing"]) == {"infer_ms"}
    assert set(second["server_timing"]) == {"infer_ms", "prev_total_ms"}
    assert second["server_timing"]["prev_total_ms"] > first["server_timing"]["infer_ms"] > 0
    assert policy.progress[0] == Progress(4, 5, 6)
    wait_until(lambda: policy.closed)


def test_it_listens_on_this_machine_only_unless_told() -> None:
    assert ServerOptions().host == "127.0.0.1"
    with served(StubPolicy) as server:
        assert server.address.startswith("ws://127.0.0.1:")


def test_health_is_told_without_a_key() -> None:
    with served(StubPolicy, api_key="s3cret-key") as server:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{server.port}/healthz", timeout=10) as answer:
            assert (answer.status, answer.read()) == (200, b"OK\n")


def test_every_connection_has_a_policy_of_its_own_which_begins_anew() -> None:
    made: list[StubPolicy] = []

    def make() -> StubPolicy:
        made.append(StubPolicy())
        return made[-1]

    with served(make) as server:
        for seed in (3, 8):
            with opened(server.address) as socket:
                socket.recv(10)
                for _ in range(2):
                    ask(socket, REQUEST | {"seed": seed})
    assert [policy.resets for policy in made] == [[("pick up the bottle", 3)], [("pick up the bottle", 8)]]


@pytest.mark.parametrize("change", [{"prompt": "put it down"}, {"episode": 2}, {"seed": 5}])
def test_other_words_another_episode_or_seed_begin_anew(change: dict) -> None:
    policy = StubPolicy()
    with served(lambda: policy) as server, opened(server.address) as socket:
        socket.recv(10)
        ask(socket)
        ask(socket)
        ask(socket, REQUEST | change)
    assert len(policy.resets) == 2


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (b"\xc1garbage", "is not msgpack"),
        (msgpack.packb([1, 2]), "must hold a map"),
        ("words", "is text, must be binary"),
        (pack({"prompt": "go", "arms": {"arm": 5}}), "arms/arm: must be a map"),
        (
            msgpack.packb({"x": {b"__ndarray__": True, b"data": b"1", b"dtype": "|O", b"shape": [1]}}),
            "type is '|O'",
        ),
    ],
)
def test_a_malformed_frame_ends_its_connection_with_words_and_no_other(frame: bytes | str, words: str) -> None:
    with served(StubPolicy) as server, opened(server.address) as good:
        good.recv(10)
        with opened(server.address) as bad:
            bad.recv(10)
            bad.send(frame)
            text = bad.recv(10)
            assert isinstance(text, str) and words in text
            assert closed(bad)[0] == 1011
        assert ask(good)["actions"].shape == (8, 7)


def test_an_oversized_frame_ends_its_connection_with_its_reason() -> None:
    with served(StubPolicy, max_frame=100_000) as server:
        with opened(server.address) as socket:
            socket.recv(10)
            socket.send(bytes(200_000))
            code, reason = closed(socket)
            assert code == 1009 and "100000" in reason
        with opened(server.address) as socket:
            socket.recv(10)
            assert ask(socket, REQUEST | {"images": {}})["actions"].shape == (8, 7)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PolicyError("stub", "cannot see"), "cannot see"),
        (ZeroDivisionError("of all things"), "ZeroDivisionError: of all"),
    ],
)
def test_a_policy_that_raises_is_reported_as_text_and_the_server_lives(error: Exception, words: str) -> None:
    def fail(_: object) -> None:
        raise error

    policies = [StubPolicy(before=fail), StubPolicy()]
    with served(lambda: policies.pop(0)) as server:
        with opened(server.address) as socket:
            socket.recv(10)
            socket.send(pack(REQUEST))
            text = socket.recv(10)
            assert isinstance(text, str) and words in text
            assert closed(socket)[0] == 1011
        with opened(server.address) as socket:
            socket.recv(10)
            assert ask(socket)["actions"].shape == (8, 7)


def test_a_policy_that_cannot_be_made_is_reported_instead_of_metadata() -> None:
    def make() -> StubPolicy:
        raise PolicyError("stub", "no memory left")

    with served(make) as server, opened(server.address) as socket:
        assert "no memory left" in socket.recv(10)
        assert closed(socket)[0] == 1011


@pytest.mark.parametrize(("key", "words"), [(None, "missing"), ("wrong-key", "wrong")])
def test_without_the_key_nobody_gets_in(key: str | None, words: str) -> None:
    headers = {"Authorization": f"Api-Key {key}"} if key else None
    with served(StubPolicy, api_key="s3cret-key") as server:
        with pytest.raises(InvalidStatus) as error:
            opened(server.address, additional_headers=headers)
        assert error.value.response.status_code == 401
        assert words in (error.value.response.body or b"").decode()
        with opened(server.address, additional_headers={"Authorization": "Api-Key s3cret-key"}) as socket:
            assert unpack_map(socket.recv(10))["server"] == "mivla_ros"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_tls_by_the_standard_options(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    with served(StubPolicy, tls=server_tls(str(certificate), str(key))) as server:
        assert server.address.startswith("wss://")
        with opened(server.address, ssl=ssl.create_default_context(cafile=certificate)) as socket:
            socket.recv(10)
            assert ask(socket)["actions"].shape == (8, 7)
        with pytest.raises(ssl.SSLCertVerificationError):
            opened(server.address)


def test_more_clients_than_allowed_are_sent_away_until_one_leaves() -> None:
    with served(StubPolicy, max_connections=1) as server:
        with opened(server.address) as socket:
            socket.recv(10)
            with pytest.raises(InvalidStatus) as error:
                opened(server.address)
            assert error.value.response.status_code == 503

        def gets_in() -> bool:
            with suppress(InvalidStatus), opened(server.address) as socket:
                return bool(socket.recv(10))
            return False

        wait_until(gets_in)


def test_health_is_told_while_a_policy_thinks_and_a_client_that_leaves_meanwhile_harms_nobody() -> None:
    thinking, done = threading.Event(), threading.Event()

    def think(_: object) -> None:
        thinking.set()
        done.wait(20)

    policies = [StubPolicy(before=think), StubPolicy()]
    left = policies[0]
    with served(lambda: policies.pop(0)) as server:
        socket = opened(server.address).__enter__()
        socket.recv(10)
        socket.send(pack(REQUEST))
        assert thinking.wait(10)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{server.port}/healthz", timeout=10) as answer:
            assert answer.status == 200
        socket.socket.close()
        done.set()
        wait_until(lambda: left.closed)
        with opened(server.address) as other:
            other.recv(10)
            assert ask(other)["actions"].shape == (8, 7)


def test_when_it_ends_its_clients_are_told() -> None:
    with served(StubPolicy) as server:
        socket = opened(server.address).__enter__()
        socket.recv(10)
    assert closed(socket)[0] == 1001


def test_a_port_that_is_taken_is_named() -> None:
    with served(StubPolicy) as server:
        second = PolicyServer(StubPolicy, NativeLayout(), {}, ServerOptions(port=server.port))
        with pytest.raises(ServingError, match=rf"127.0.0.1:{server.port}: .*in use"):
            asyncio.run(second.start())


def test_openpis_layouts_are_served_too() -> None:
    layout = AdapterLayout(load_adapter("piper"), PROFILE, eef_pose=lambda arm, joints: np.arange(7.0))
    policy = StubPolicy()
    message = layout.request_to_message(InferenceRequest(observation()))
    with served(lambda: policy, layout, SPEC) as server, opened(server.address) as socket:
        assert unpack_map(socket.recv(10))["adapter"] == "piper"
        reply = ask(socket, message)
        ask(socket, message)
    assert set(reply) == {"actions", "policy_timing", "server_timing"}
    assert reply["actions"].shape == (8, 7)
    assert reply["actions"][:, 6] == pytest.approx(0.75)
    assert policy.seen[0].arms["arm"].eef.tolist() == list(range(7))
    assert len(policy.resets) == 1
