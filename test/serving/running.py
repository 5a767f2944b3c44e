"""Servers on a free port of this machine, in a thread, for the time of a test; policies and observations for them."""

import asyncio
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from websockets.asyncio.server import ServerConnection, serve

from mivla_ros.action_chunk import ArmActions, Space
from mivla_ros.observation import ArmState, CameraImage, Observation
from mivla_ros.policies.policy import Actions, Policy, PolicySpec, Progress
from mivla_ros.robots.profile import load_profile
from mivla_ros.serving.layout import Layout, metadata_of
from mivla_ros.serving.native import NativeLayout
from mivla_ros.serving.server import PolicyServer, ServerOptions

PROFILE = load_profile("piper")
CAMERAS = tuple(camera.name for camera in PROFILE.cameras)
JOINTS = np.linspace(-0.3, 0.5, 6)
EEF = np.array([0.3, 0.05, 0.2, 0.5, 0.5, -0.5, 0.5])
SPEC = PolicySpec("stub", "r7", CAMERAS, "base_link", 8, 0.05, 0.2)


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until a condition holds; fail where it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)


def observation(stamp_ns: int = 5_000_000_000, words: str = "pick up the bottle") -> Observation:
    """What a PiPer sees."""
    rng = np.random.default_rng(stamp_ns)
    images = {
        name: CameraImage(rng.integers(0, 256, (240, 320, 3), dtype=np.uint8), stamp_ns - k, f"{name}_frame")
        for k, name in enumerate(CAMERAS)
    }
    return Observation(stamp_ns, stamp_ns - 1, images, {"arm": ArmState(JOINTS, EEF, 0.25)}, words)


@dataclass
class StubPolicy:
    """Answers with joints that rise by 0.01 a step from where the arm is; remembers what it was asked."""

    spec: PolicySpec = SPEC
    rows: int = 8
    before: Callable[[Observation], None] = lambda seen: None
    seen: list[Observation] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    resets: list[tuple[str, int]] = field(default_factory=list)
    closed: bool = False

    def reset(self, instruction: str, seed: int) -> None:
        self.resets.append((instruction, seed))

    def infer(self, observation: Observation, progress: Progress) -> Actions:
        self.seen.append(observation)
        self.progress.append(progress)
        self.before(observation)
        joints = observation.arms["arm"].joints + 0.01 * np.arange(self.rows)[:, None]
        arm = PROFILE.arms[0]
        return Actions(
            (ArmActions("arm", Space.JOINT, joint_names=arm.joints, joints=joints, gripper=np.full(self.rows, 0.75)),),
            0.0,
            0.05,
        )

    def close(self) -> None:
        self.closed = True


class LoopThread:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Awaitable[Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)  # type: ignore[arg-type]

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()


@contextmanager
def served(
    make_policy: Callable[[], Policy],
    layout: Layout | None = None,
    spec: PolicySpec = SPEC,
    release: Callable[[Policy], None] | None = None,
    **options: Any,
) -> Iterator[PolicyServer]:
    """Our server."""
    chosen = layout or NativeLayout()
    thread = LoopThread()
    server = PolicyServer(
        make_policy, chosen, metadata_of(spec, chosen.name, "piper"), ServerOptions(**{"port": 0, **options}), release
    )
    try:
        thread.run(server.start())
        yield server
    finally:
        thread.run(server.close())
        thread.close()


@contextmanager
def raw_server(handler: Callable[[ServerConnection], Awaitable[None]], port: int = 0) -> Iterator[tuple[str, int]]:
    """A server that does what a test wants; its address and port."""
    thread = LoopThread()

    async def start() -> Any:
        return await serve(handler, "127.0.0.1", port, compression=None, max_size=None, close_timeout=0.2)

    async def stop(server: Any) -> None:
        server.close()
        await server.wait_closed()

    server = thread.run(start())
    try:
        number = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{number}", number
    finally:
        thread.run(stop(server))
        thread.close()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    subprocess.run(
        [
            *command.split(),
            *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return certificate, key
