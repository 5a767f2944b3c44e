"""The public package openpi-client, in an environment of its own, against us: both directions."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from mivla_ros.policies.openpi import OpenpiOptions, OpenpiPolicy
from mivla_ros.policies.policy import PolicyError, PolicyUnavailableError, Progress
from mivla_ros.serving.adapter import load_adapter
from mivla_ros.serving.adapter_layout import AdapterLayout
from mivla_ros.serving.credentials import server_tls
from mivla_ros.serving.images import fit
from mivla_ros.stop_reasons import Reason
from test.serving.running import (
    JOINTS,
    PROFILE,
    StubPolicy,
    make_certificate,
    observation,
    served,
    wait_until,
)

ROOT = Path(__file__).parents[2]
SIDE = Path(__file__).parent / "openpi_side"
SECONDS = 60
KEY = "s3cret-key"


@pytest.fixture(scope="module")
def python() -> str:
    """The Python that has openpi_client; made where it is absent."""
    try:
        made = subprocess.run(
            [ROOT / "environment" / "extra.bash", "openpi_client"],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip("the environment of openpi-client was not made within 240 s")
    if made.returncode != 0:
        pytest.skip(f"the environment of openpi-client cannot be made: {made.stderr.strip()[-300:]}")
    return str(ROOT / ".environment" / "extra" / "openpi_client" / "bin" / "python")


def clean(**more: str) -> dict[str, str]:
    """An environment without the paths of the suite's own Python."""
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **more}


def client(python: str, case: str, url: str = "", key: str = "", **variables: str):
    """What openpi's client saw."""
    command = [python, str(SIDE / "client.py"), case, url, *([key] if key else [])]
    result = subprocess.run(
        command, env=clean(**variables), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


PIPER = AdapterLayout(load_adapter("piper"), PROFILE)

# ---- their client, our server ----


def test_their_client_gets_metadata_actions_and_times_from_our_server(python: str) -> None:
    policy = StubPolicy()
    with served(lambda: policy, PIPER, api_key=KEY) as server:
        seen = client(python, "infer", server.address, KEY)
    assert (seen["metadata"]["policy"], seen["metadata"]["adapter"]) == ("stub", "piper")
    assert seen["keys"] == ["actions", "policy_timing", "server_timing"]
    assert (seen["shape"], seen["dtype"]) == ([8, 7], "<f8")
    np.testing.assert_allclose(seen["row"], [0.11, 0.21, -0.29, 0.41, 0.51, 0.61, 0.75], atol=1e-6)
    assert (seen["timing"], seen["timing_later"]) == (["infer_ms"], ["infer_ms", "prev_total_ms"])
    assert seen["policy_timing"] == ["infer_ms"]
    assert policy.seen[0].instruction == "fold the towel"
    assert policy.seen[0].images["wrist_camera"].rgb.shape == (224, 224, 3)


def test_their_chunk_broker_plays_our_rows(python: str) -> None:
    policy = StubPolicy()
    with served(lambda: policy, PIPER) as server:
        rows = client(python, "broker", server.address)
    assert [row[0] for row in rows] == pytest.approx([0.10, 0.11, 0.12, 0.10, 0.10])
    assert len(policy.seen) == 3


def test_their_client_is_told_what_was_wrong_and_may_come_back(python: str) -> None:
    with served(StubPolicy, PIPER, max_frame=1_000_000) as server:
        malformed = client(python, "malformed", server.address)
        assert "is not msgpack" in malformed["words"]
        assert "1011" in malformed["closed"]
        assert malformed["again"] == [8, 7]
        wrong = client(python, "wrong_state", server.address)
        assert wrong.startswith("RuntimeError: Error in inference server:") and "must be (7,)" in wrong
        oversized = client(python, "oversized", server.address)
        assert "1009" in oversized["error"]
        assert oversized["again"] == [8, 7]


@pytest.mark.parametrize("key", ["", "wrong-key"])
def test_their_client_does_not_get_in_without_the_key(python: str, key: str) -> None:
    with served(StubPolicy, PIPER, api_key=KEY) as server:
        assert "401" in client(python, "refused", server.address, key)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_their_client_speaks_tls_with_our_server(python: str, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    with served(StubPolicy, PIPER, tls=server_tls(str(certificate), str(key)), api_key=KEY) as server:
        seen = client(python, "infer", server.address, KEY, SSL_CERT_FILE=str(certificate))
        assert seen["shape"] == [8, 7]
        assert "certificate" in client(python, "refused", server.address, KEY)


def test_their_client_notices_when_our_server_is_killed_mid_request(python: str, tmp_path: Path) -> None:
    time = np.linspace(0, 1, 10)
    motion = tmp_path / "motion.npz"
    np.savez(motion, time=time, position=np.zeros((10, 3)), quaternion_xyzw=np.tile([0.0, 0, 0, 1], (10, 1)))
    command = [sys.executable, "-m", "mivla_ros.commands.main", "serve", "--policy", "demonstration", "--port", "0"]
    with subprocess.Popen(
        [*command, "--option", f"path={motion}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
    ) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            with subprocess.Popen(
                [python, str(SIDE / "client.py"), "wait", address],
                env=clean(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as waiting:
                assert waiting.stdin is not None and waiting.stdout is not None
                assert waiting.stdout.readline() == "connected\n"
                os.kill(server.pid, signal.SIGSTOP)
                waiting.stdin.write("go\n")
                waiting.stdin.flush()
                assert waiting.stdout.readline() == "asking\n"
                server.kill()
                assert "ConnectionClosed" in waiting.communicate(timeout=SECONDS)[0]
        finally:
            server.kill()


def test_images_are_fitted_bit_by_bit_as_by_their_tools(python: str) -> None:
    theirs = client(python, "images")
    rng = np.random.default_rng(0)
    for size, digest in theirs.items():
        height, width = map(int, size.split("x"))
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        assert hashlib.sha256(fit(image, 224, 224).tobytes()).hexdigest() == digest, size


# ---- their messages, our client ----


@contextmanager
def their_server(python: str, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [python, str(SIDE / "server.py"), *([str(port)] if port else [])]
    with subprocess.Popen(command, env=clean(), stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server, int(server.stdout.readline())
        finally:
            server.kill()


@pytest.fixture
def our_client() -> Iterator[Callable[..., OpenpiPolicy]]:
    made: list[OpenpiPolicy] = []

    def make(port: int, **options: float) -> OpenpiPolicy:
        url = f"ws://127.0.0.1:{port}"
        made.append(OpenpiPolicy(PROFILE, OpenpiOptions(url, "piper", **{"timeout": 20.0, **options})))  # type: ignore[arg-type]
        assert made[-1].client.wait_connected(20)
        return made[-1]

    yield make
    for policy in made:
        policy.close()


def test_our_client_reads_their_metadata_and_actions(python: str, our_client: Callable[..., OpenpiPolicy]) -> None:
    with their_server(python) as (_, port):
        policy = our_client(port)
        assert policy.client.metadata == {"reset_pose": [0, -1.5, 1.5, 0, 0, 0]}
        for _ in range(2):
            arm = policy.infer(observation(), Progress()).arms[0]
    assert arm.joints is not None and arm.joints.shape == (50, 6)
    np.testing.assert_allclose(arm.joints[1], JOINTS + 0.01, atol=1e-6)
    assert policy.client.statistics.answers == 2


def test_our_client_passes_their_errors_on_and_connects_anew(
    python: str, our_client: Callable[..., OpenpiPolicy]
) -> None:
    with their_server(python) as (_, port):
        policy = our_client(port)
        with pytest.raises(PolicyError, match="KeyError: 'observation/image'") as error:
            policy.infer(observation(words="fail"), Progress())
        assert not isinstance(error.value, PolicyUnavailableError)
        wait_until(lambda: policy.client.statistics.connections == 2)
        assert policy.infer(observation(), Progress()).arms
        with pytest.raises(PolicyUnavailableError, match="not msgpack") as bad:
            policy.infer(observation(words="garbage"), Progress())
        assert bad.value.reason.reason is Reason.POLICY_OUTPUT_INVALID
        wait_until(lambda: policy.client.statistics.connections == 3)
        assert policy.infer(observation(), Progress()).arms


def test_our_client_survives_their_server_dying_mid_request(
    python: str, our_client: Callable[..., OpenpiPolicy]
) -> None:
    with their_server(python) as (server, port):
        policy = our_client(port)
        with pytest.raises(PolicyUnavailableError) as error:
            policy.infer(observation(words="die"), Progress())
        assert error.value.reason.reason is Reason.POLICY_UNREACHABLE
        assert server.wait(20) == 3
    with their_server(python, port):
        assert policy.client.wait_connected(20)
        assert policy.infer(observation(), Progress()).arms


def test_our_client_does_not_wait_for_their_slow_answer(python: str, our_client: Callable[..., OpenpiPolicy]) -> None:
    with their_server(python) as (_, port):
        policy = our_client(port, timeout=0.2)
        with pytest.raises(PolicyUnavailableError) as error:
            policy.infer(observation(words="sleep"), Progress())
        assert error.value.reason.reason is Reason.POLICY_DEADLINE
        wait_until(lambda: policy.client.statistics.answers == 1)
        assert policy.client.statistics.connections == 1
        assert policy.infer(observation(), Progress()).arms


def test_our_client_leaves_a_server_whose_words_are_above_its_limit(python: str) -> None:
    with their_server(python) as (_, port):
        policy = OpenpiPolicy(PROFILE, OpenpiOptions(f"ws://127.0.0.1:{port}", "piper", max_frame_mb=0.00001))
        wait_until(lambda: "1009" in policy.client.link[1])
        policy.close()
