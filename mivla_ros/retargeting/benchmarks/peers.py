"""Other solvers as processes of their own, which get the same problem and are asked in turns."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from mivla_ros.kinematics import Chain
from mivla_ros.retargeting.benchmarks import peer
from mivla_ros.retargeting.benchmarks.arms import chain_urdf
from mivla_ros.retargeting.benchmarks.peers_environment import own_environment

Array = NDArray[np.float64]

NAMES = {
    "roboticstoolbox": "roboticstoolbox ik_LM (chan, C++), pose by pose",
    "trac_ik": "TRAC-IK (C++) through pytracik, pose by pose",
    "pinocchio": "pinocchio, damped least squares in a Python loop",
    "mink": "mink (daqp), steps until within the tolerance",
    "pink": "pink (daqp), steps until within the tolerance",
}


@dataclass(frozen=True)
class Answer:
    """Seconds of wall and processor time for one path, and its joint values (H, n)."""

    wall: float
    busy: float
    joints: Array


def write_problem(path: Path, chain: Chain, poses: Array, seeds: Array) -> None:
    """Write a problem for ``peer.Problem``: poses (P, H, 7) of the chain's tip, warm from seeds (P, n)."""
    urdf, base, last_link, tip = chain_urdf(chain)
    np.savez(
        path, urdf=urdf, base=base, tip=tip, last_link=last_link, joints=np.array(chain.joint_names),
        lower=chain.lower, upper=chain.upper, rotations=chain.rotations, translations=chain.translations,
        poses=poses, seeds=seeds,
    )  # fmt: skip


class Peer:
    """One solver's process; ``why`` says why it cannot be measured, else it is empty."""

    def __init__(self, python: Path, problem: Path, solver: str) -> None:
        command: Sequence[str] = [str(python), str(Path(peer.__file__)), str(problem), solver]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=own_environment(),
        )  # fmt: skip
        first = self._read()
        self.why = str(first.get("why", ""))
        self.version = str(first.get("version", solver))

    def solve(self, path: int) -> Answer:
        """Solve one path of the problem. Raises BrokenPipeError where the process has ended."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        answer = self._read()
        if "wall" not in answer:
            raise BrokenPipeError(f"{self.version}: {answer.get('why')}")
        return Answer(float(answer["wall"]), float(answer["busy"]), np.array(answer["q"]))  # type: ignore[arg-type]

    def _read(self) -> dict[str, object]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line) if line else {"why": f"the process ended with status {self._process.wait()}"}

    def __enter__(self) -> "Peer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
