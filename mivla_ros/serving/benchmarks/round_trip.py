"""How long a round trip to a policy server takes beside the policy itself: our client, and openpi's in one run.

The server is ours, in a process of its own, with a policy that answers (50, 14) at once; a message has three images.
The clients take turns over several rounds, so that other load on the machine hits both.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mivla_ros.observation import Observation
from mivla_ros.policies.policy import Actions, PolicySpec, Progress
from mivla_ros.serving.client import ClientOptions, PolicyClient
from mivla_ros.serving.layout import InferenceRequest, Message, metadata_of
from mivla_ros.serving.server import PolicyServer, ServerOptions

CAMERAS = ("cam_high", "cam_left_wrist", "cam_right_wrist")
SPEC = PolicySpec("nothing", "1", (), "base_link", 50, 0.02, 0.5)
ROWS = np.zeros((50, 14))
SCRIPT = Path(__file__).with_name("openpi_round_trip.py")


class _Nothing:
    """A policy and a layout that do nothing, so that only the way is measured."""

    name = "nothing"
    spec = SPEC

    def reset(self, instruction: str, seed: int) -> None: ...

    def infer(self, observation: Observation, progress: Progress) -> Actions:
        return Actions((), 0.0, 0.02)

    def close(self) -> None: ...

    def request_to_message(self, request: InferenceRequest) -> Message:
        return {}

    def request_from_message(self, message: Mapping[str, Any], now_ns: int) -> InferenceRequest:
        return InferenceRequest(Observation(now_ns, now_ns, {}, {}, str(message["prompt"])))

    def actions_to_message(self, actions: Actions, request: InferenceRequest) -> Message:
        return {"actions": ROWS}

    def actions_from_message(self, message: Mapping[str, Any], request: InferenceRequest) -> Actions:
        return Actions((), 0.0, 0.02)


async def _serve() -> None:
    nothing = _Nothing()
    server = PolicyServer(lambda: nothing, nothing, metadata_of(SPEC, "nothing", "piper"), ServerOptions(port=0))
    await server.start()
    print(server.address, flush=True)
    # the end of the input is the end of the one who asked for it
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.close()


@contextmanager
def _server() -> Iterator[str]:
    command = [sys.executable, "-m", __spec__.name if __spec__ else __name__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(20)


class _Theirs:
    """openpi's client in its own environment."""

    def __init__(self, python: Path, url: str, size: tuple[int, int]) -> None:
        command = [str(python), str(SCRIPT), url, str(size[0]), str(size[1])]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def __call__(self, count: int) -> list[float]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        seconds = [float(self._line()) for _ in range(count)]
        assert self._line() == "done"
        return seconds

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


@dataclass(frozen=True)
class RoundTrips:
    """Seconds of each round trip by client; of ours, how many bytes a request had."""

    ours: list[float]
    theirs: list[float]
    frame_bytes: int


def measure(rounds: int, count: int, size: tuple[int, int], openpi_python: Path | None) -> RoundTrips:
    """Round trips of both clients in turns; theirs empty where there is no such Python."""
    from mivla_ros.serving.array_packing import pack

    rng = np.random.default_rng(0)
    message = {
        "prompt": "fold the towel",
        "state": np.zeros(14, np.float32),
        "images": {name: rng.integers(0, 256, (3, *size), dtype=np.uint8) for name in CAMERAS},
    }
    ours: list[float] = []
    theirs: list[float] = []
    with _server() as url:
        client = PolicyClient(ClientOptions(url))
        other = _Theirs(openpi_python, url, size) if openpi_python else None
        try:
            if not client.wait_connected(20):
                raise RuntimeError(f"{url}: {client.link[1]}")
            client.ask(message, 20.0)
            for _ in range(rounds):
                for _ in range(count):
                    began = time.perf_counter()
                    reply = client.ask(message, 20.0)
                    assert reply["actions"].shape == (50, 14)
                    ours.append(time.perf_counter() - began)
                if other is not None:
                    theirs += other(count)
        finally:
            client.close()
            if other is not None:
                other.close()
    return RoundTrips(ours, theirs, len(pack(message)))


if __name__ == "__main__":
    asyncio.run(_serve())
