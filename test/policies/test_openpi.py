"""The policy behind a server: its answers, and what it says while there are none."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mivla_ros.action_chunk import Space
from mivla_ros.observations import Synchroniser
from mivla_ros.policies.openpi import OpenpiOptions, OpenpiPolicy
from mivla_ros.policies.policy import (
    Cancellable,
    Policy,
    PolicyError,
    PolicySpec,
    PolicyUnavailableError,
    Progress,
    Remote,
)
from mivla_ros.policies.registry import PolicyContext, make_policy
from mivla_ros.policies.runner import PolicyRunner, PolicyState
from mivla_ros.serving.adapter import load_adapter
from mivla_ros.serving.adapter_layout import AdapterLayout
from mivla_ros.serving.array_packing import pack
from mivla_ros.stop_reasons import Reason
from test.serving.running import CAMERAS, PROFILE, SPEC, StubPolicy, observation, raw_server, served, wait_until


@contextmanager
def asking(url: str, **options: object) -> Iterator[OpenpiPolicy]:
    wait = 0.0 if "adapter" in options else 20.0
    chosen = OpenpiOptions(url, **{"timeout": 10.0, "connect_timeout": wait, **options})  # type: ignore[arg-type]
    policy = OpenpiPolicy(PROFILE, chosen)
    try:
        yield policy
    finally:
        policy.close()


def free_port() -> int:
    with raw_server(lambda socket: socket.wait_closed()) as (_, port):
        return port


def test_with_our_server_it_is_the_policy_that_is_served() -> None:
    stub = StubPolicy()
    with served(lambda: stub) as server, asking(server.address) as policy:
        assert isinstance(policy, Policy) and isinstance(policy, Cancellable)
        assert policy.spec == replace(SPEC, name="openpi", revision="stub r7")
        policy.reset("pick up the bottle", 5)
        actions = policy.infer(observation(), Progress(3, 2, 1))
        policy.infer(observation(), Progress())
        policy.reset("pick up the bottle", 5)
        policy.infer(observation(), Progress())
    assert actions.arms[0].joints is not None and actions.arms[0].joints.shape == (8, 6)
    assert stub.resets == [("pick up the bottle", 5)] * 2, "a reset with the same words must reach the server"
    assert stub.progress[0] == Progress(3, 2, 1)
    assert stub.seen[0].stamp_ns == observation().stamp_ns


def test_with_an_adapter_the_server_need_not_be_there_yet() -> None:
    port = free_port()
    with asking(f"ws://127.0.0.1:{port}", adapter="piper") as policy:
        assert (policy.spec.cameras, policy.spec.horizon, policy.spec.frame_id) == (CAMERAS, 50, "base_link")
        with pytest.raises(PolicyUnavailableError) as error:
            policy.infer(observation(), Progress())
        assert (error.value.reason.reason, error.value.reason.subject) == (
            Reason.POLICY_UNREACHABLE,
            f"ws://127.0.0.1:{port}",
        )
        layout = AdapterLayout(load_adapter("piper"), PROFILE)
        with served(StubPolicy, layout, port=port):
            assert policy.client.wait_connected(20)
            arm = policy.infer(observation(), Progress()).arms[0]
        assert (arm.space, arm.joint_names) == (Space.JOINT, PROFILE.arms[0].joints)


def test_the_policy_may_be_there_before_its_server_and_takes_its_words_when_it_comes() -> None:
    port = free_port()
    with asking(f"ws://127.0.0.1:{port}", connect_timeout=0.0) as policy:
        assert isinstance(policy, Remote)
        missing = policy.absence()
        assert missing is not None
        assert (missing.reason, missing.subject) == (Reason.POLICY_UNREACHABLE, f"ws://127.0.0.1:{port}")
        with pytest.raises(PolicyUnavailableError, match="policy unreachable"):
            _ = policy.spec
        with served(StubPolicy, port=port):
            wait_until(lambda: policy.absence() is None, 60)
            assert policy.spec.cameras == CAMERAS
            assert policy.client.wait_connected(20)
            assert policy.infer(observation(), Progress()).arms[0].joints is not None


def test_a_server_that_comes_but_does_not_suit_is_not_called_unreachable() -> None:
    other = replace(PROFILE, name="other")
    with served(StubPolicy) as server:
        policy = OpenpiPolicy(other, OpenpiOptions(server.address))
        wait_until(lambda: policy.absence().reason is Reason.POLICY_NOT_LOADED, 60)
        assert "serves robot 'piper', this is 'other'" in policy.absence().message
        with pytest.raises(PolicyUnavailableError, match="policy not loaded"):
            policy.infer(observation(), Progress())
        policy.close()


def test_who_does_not_want_to_wait_gets_an_error() -> None:
    context, options = PolicyContext(PROFILE, ""), {"url": f"ws://127.0.0.1:{free_port()}"}
    with pytest.raises(PolicyError, match="policy unreachable"):
        make_policy("openpi", context, options, wait=0.2)
    later = make_policy("openpi", context, options, wait=0)
    later.close()
    with served(StubPolicy) as server:
        policy = make_policy("openpi", context, {"url": server.address})
        assert policy.spec.horizon == SPEC.horizon
        policy.close()


def test_a_server_of_others_needs_no_words_about_itself() -> None:
    async def pi(socket: object) -> None:
        await socket.send(pack({}))  # type: ignore[attr-defined]
        async for _ in socket:  # type: ignore[attr-defined]
            await socket.send(pack({"actions": np.zeros((50, 7)), "server_timing": {"infer_ms": 1.0}}))  # type: ignore[attr-defined]

    with raw_server(pi) as (url, _), asking(url, adapter="piper") as policy:
        assert policy.client.wait_connected(10)
        assert policy.infer(observation(), Progress()).arms[0].joints is not None
    with raw_server(pi) as (url, _), pytest.raises(PolicyError, match=r"not a server of mivla.*adapter=aloha"):
        OpenpiPolicy(PROFILE, OpenpiOptions(url, connect_timeout=0.5))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "option url is empty"),
        ({"url": "http://a"}, "must be ws://HOST:PORT"),
        ({"url": "ws://127.0.0.1:1", "adapter": "alhoa"}, "alhoa: is not known, there are aloha"),
        ({"url": "ws://127.0.0.1:1", "adapter": "aloha"}, "need one left arm"),
        ({"url": "ws://127.0.0.1:1", "api_key_file": "/no/key"}, "/no/key: API key: No such file"),
        ({"url": "wss://127.0.0.1:1", "ca_file": "/no/ca"}, "/no/ca: TLS authorities"),
        ({"url": "ws://127.0.0.1:1", "timeout": 0.0}, "option timeout is 0, must be above 0"),
        ({"url": "ws://127.0.0.1:1", "connect_timeout": 0.3}, "policy unreachable: ws://127.0.0.1:1 ("),
    ],
)
def test_what_is_wrong_is_said_in_one_line(options: dict, words: str) -> None:
    with pytest.raises(PolicyError) as error:
        OpenpiPolicy(PROFILE, OpenpiOptions(**options))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_key_does_not_go_unencrypted_to_another_machine_unless_told(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("s3cret-key")
    options = OpenpiOptions("ws://192.0.2.1:8000", "piper", api_key_file=str(key))
    with pytest.raises(PolicyError, match="go unencrypted"):
        OpenpiPolicy(PROFILE, options)
    OpenpiPolicy(PROFILE, replace(options, insecure=True)).close()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (replace(SPEC, cameras=("third_eye",)), "needs camera 'third_eye'"),
        (replace(SPEC, horizon=0), "out of range"),
    ],
)
def test_a_server_that_does_not_suit_is_refused(spec: PolicySpec, words: str) -> None:
    with served(StubPolicy, spec=spec) as server, pytest.raises(PolicyError, match=words):
        OpenpiPolicy(PROFILE, OpenpiOptions(server.address, connect_timeout=0.5))


def test_a_server_of_another_layout_or_robot_is_refused() -> None:
    piper = AdapterLayout(load_adapter("piper"), PROFILE)
    words = "speaks adapter 'piper', this client 'mivla'"
    with served(StubPolicy, piper) as server, pytest.raises(PolicyError, match=words):
        OpenpiPolicy(PROFILE, OpenpiOptions(server.address, connect_timeout=0.5))
    other = replace(PROFILE, name="other")
    with served(StubPolicy) as server, pytest.raises(PolicyError, match="serves robot 'piper', this is 'other'"):
        OpenpiPolicy(other, OpenpiOptions(server.address, connect_timeout=0.5))


def test_answers_that_do_not_fit_are_named_and_asked_for_again() -> None:
    async def wrong(socket: object) -> None:
        await socket.send(pack({}))  # type: ignore[attr-defined]
        async for _ in socket:  # type: ignore[attr-defined]
            await socket.send(pack({"actions": np.zeros((50, 14))}))  # type: ignore[attr-defined]

    with raw_server(wrong) as (url, _), asking(url, adapter="piper") as policy:
        assert policy.client.wait_connected(10)
        with pytest.raises(PolicyUnavailableError) as error:
            policy.infer(observation(), Progress())
    assert (error.value.reason.reason, error.value.reason.subject) == (Reason.POLICY_OUTPUT_INVALID, "actions")
    assert "(50, 14)" in error.value.reason.message


class Bench:
    """A runner of a served policy, with images and joints fed as time goes on."""

    def __init__(self, policy: OpenpiPolicy) -> None:
        self.synchroniser = Synchroniser(PROFILE.arms, PROFILE.cameras, lambda arm, q: np.array([*q[:3], 1.0, 0, 0, 0]))
        self.runner = PolicyRunner(policy, PROFILE, self.synchroniser, time.time_ns, bytes(16))
        self.runner.reset("go", 0)
        self.runner.start()

    def step(self):
        now_ns = time.time_ns()
        self.synchroniser.add_joints(now_ns, PROFILE.joint_names, [0.1] * 7)
        for camera in CAMERAS:
            self.synchroniser.add_image(camera, now_ns, observation().images[camera].rgb)
        return self.runner.step()

    def until_chunk(self):
        chunks = []
        wait_until(lambda: chunks.append(self.step()) or chunks[-1] is not None, 20)
        return chunks[-1]

    @property
    def reason(self) -> Reason:
        return self.runner.status().reason.reason


def test_while_the_server_is_away_the_status_says_so_and_chunks_go_on_when_it_is_back() -> None:
    with served(StubPolicy) as server:
        port = server.port
        policy = OpenpiPolicy(PROFILE, OpenpiOptions(server.address, connect_timeout=20.0))
        bench = Bench(policy)
        first = bench.until_chunk()
        assert bench.runner.status().state is PolicyState.RUNNING
    wait_until(lambda: bench.step() is None and bench.reason is Reason.POLICY_UNREACHABLE)
    status = bench.runner.status()
    assert (status.state, status.reason.subject) == (PolicyState.WAITING, f"ws://127.0.0.1:{port}")
    restarted = StubPolicy()
    with served(lambda: restarted, port=port):
        chunk = bench.until_chunk()
        policy.close()
    assert (chunk.session, chunk.generation) == (first.session, first.generation)
    assert chunk.sequence > first.sequence
    assert restarted.resets == [("go", 0)]


def test_a_slow_server_costs_a_deadline_and_no_more() -> None:
    go = threading.Event()
    with served(lambda: StubPolicy(before=lambda seen: go.wait(20))) as server:
        policy = OpenpiPolicy(PROFILE, OpenpiOptions(server.address, connect_timeout=20.0, timeout=0.1))
        bench = Bench(policy)
        began = time.monotonic()
        assert bench.step() is None
        assert 0.1 <= time.monotonic() - began < 2.0
        status = bench.runner.status()
        assert (status.state, status.reason.reason) == (PolicyState.WAITING, Reason.POLICY_DEADLINE)
        assert status.reason.limit == pytest.approx(0.1)
        go.set()
        assert bench.until_chunk().sequence == 1
        policy.close()


@pytest.mark.parametrize("end", [lambda runner: runner.reset("other", 1), lambda runner: runner.stop()])
def test_a_reset_or_stop_does_not_wait_for_the_server(end: object) -> None:
    go, thinking = threading.Event(), threading.Event()

    def think(_: object) -> None:
        thinking.set()
        go.wait(20)

    with served(lambda: StubPolicy(before=think)) as server:
        policy = OpenpiPolicy(PROFILE, OpenpiOptions(server.address, connect_timeout=20.0, timeout=30.0))
        bench = Bench(policy)
        chunks = []
        worker = threading.Thread(target=lambda: chunks.append(bench.step()))
        worker.start()
        assert thinking.wait(10)
        end(bench.runner)  # type: ignore[operator]
        worker.join(5)
        assert not worker.is_alive() and chunks == [None]
        assert bench.runner.status().dropped == 1
        assert bench.runner.status().state in (PolicyState.WAITING, PolicyState.INACTIVE)
        go.set()
        policy.close()


def test_an_error_in_words_fails_the_policy_until_a_reset() -> None:
    def fail(_: object) -> None:
        raise ValueError("no such camera")

    policies = [StubPolicy(before=fail), StubPolicy()]
    with served(lambda: policies.pop(0)) as server:
        policy = OpenpiPolicy(PROFILE, OpenpiOptions(server.address, connect_timeout=20.0))
        bench = Bench(policy)
        assert bench.step() is None
        status = bench.runner.status()
        assert (status.state, status.reason.reason) == (PolicyState.FAILED, Reason.POLICY_FAILED)
        assert "no such camera" in str(status.reason)
        assert policy.client.wait_connected(10)
        wait_until(lambda: policy.client.statistics.connections == 2)
        bench.runner.reset("go", 0)
        bench.runner.start()
        assert bench.until_chunk() is not None
        policy.close()
