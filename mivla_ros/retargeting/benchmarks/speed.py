"""How long retargeting takes, beside other solvers, as ratios within one run.

Every solver gets the same smooth paths of 64 poses, warm, and has to meet every pose to 0.1 mm and 0.1 degrees. The
solvers take turns over several rounds on one core, so that other load on the machine hits all of them alike; medians
over all of it are compared.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mivla_ros.kinematics import Chain, IkOptions, forward_kinematics, pose_errors, solve_path, solve_pose
from mivla_ros.retargeting.benchmarks.arms import arms
from mivla_ros.retargeting.benchmarks.chunks import whole_chunk
from mivla_ros.retargeting.benchmarks.peer import TOLERANCE
from mivla_ros.retargeting.benchmarks.peers import NAMES, Answer, Peer, write_problem
from mivla_ros.retargeting.benchmarks.smoothness import MAX_STEP, clean_path

Array = NDArray[np.float64]

PATHS = 8
OWN = "this suite (numba), all poses in one call"
AS_USED = "the same as retargeting uses it: two damped steps, within 1 mm"
CHUNKS = (
    ("piper", "one PiPER"),
    ("piper_bimanual", "two PiPERs"),
    ("arx_x5_bimanual", "two ARX X5"),
    ("locoman", "both sides of LocoMan"),
)
HORIZONS = (16, 64)


@dataclass(frozen=True)
class Timing:
    """One row: what was timed, and milliseconds (N,) of wall and processor time; met: share of poses within TOLERANCE
    (nan: not asked); version of a peer, why: why a peer was not measured.
    """

    name: str
    wall: Array
    busy: Array
    met: float = np.nan
    version: str = ""
    why: str = ""


@dataclass(frozen=True)
class ColdShare:
    """Of ``count`` random reachable poses, how many were solved from nothing within TOLERANCE; median microseconds."""

    arm: str
    count: int
    solved: int
    microseconds: float


@contextmanager
def one_core() -> Iterator[int]:
    """Keep this process, and what it starts, on one core; its number."""
    before = os.sched_getaffinity(0)
    core = max(before)
    os.sched_setaffinity(0, {core})
    try:
        yield core
    finally:
        os.sched_setaffinity(0, before)


def timed(task: Callable[[], Array | None]) -> Answer:
    """Run a task and time it."""
    wall, busy = time.perf_counter(), time.process_time()
    joints = task()
    wall, busy = time.perf_counter() - wall, time.process_time() - busy
    return Answer(wall, busy, np.empty((0, 0)) if joints is None else joints)


def compare_solvers(python: Path | None, rounds: int, seed: int = 0) -> list[Timing]:
    """Times of the suite's inverse kinematics and of the peers in ``python``'s environment (None: of no peer)."""
    chain, rng = arms()["piper"], np.random.default_rng(seed)
    joints = np.array([clean_path(chain, rng) for _ in range(PATHS)])
    poses, seeds = forward_kinematics(chain, joints), np.ascontiguousarray(joints[:, 0])
    strict = IkOptions(aim=TOLERANCE, reach=TOLERANCE, near_reach=TOLERANCE, damping=1e-4, gain=np.inf)
    solvers: dict[str, Callable[[int], Answer]] = {
        OWN: lambda k: timed(lambda: solve_path(chain, poses[k], seeds[k], options=strict).q),
        AS_USED: lambda k: timed(lambda: solve_path(chain, poses[k], seeds[k], MAX_STEP).q),
    }
    versions, missing = {}, []
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        if python is not None:
            problem = Path(folder) / "problem.npz"
            write_problem(problem, chain, poses, seeds)
            for solver, name in NAMES.items():
                peer = stack.enter_context(Peer(python, problem, solver))
                if peer.why:
                    missing.append(Timing(name, np.empty(0), np.empty(0), why=peer.why))
                else:
                    solvers[name], versions[name] = peer.solve, peer.version
        for solve in solvers.values():
            solve(0)  # compiles
        answers: dict[str, list[Answer]] = {name: [] for name in solvers}
        for turn in tqdm(range(rounds * PATHS), desc="solvers", unit="path", disable=None):
            for name, solve in solvers.items():
                answers[name].append(solve(turn % PATHS))
    rows = []
    for name, all_answers in answers.items():
        found = np.array([answer.joints for answer in all_answers[:PATHS]])
        rows.append(_row(name, all_answers, _met(chain, poses, found), versions.get(name, "")))
    return rows + missing


def _met(chain: Chain, poses: Array, joints: Array) -> float:
    errors = pose_errors(poses, forward_kinematics(chain, joints))
    within = (np.linalg.norm(errors[..., :3], axis=-1) <= TOLERANCE[0]) & (
        np.linalg.norm(errors[..., 3:], axis=-1) <= TOLERANCE[1]
    )
    legal = ((joints >= chain.lower - 1e-6) & (joints <= chain.upper + 1e-6)).all(axis=-1)
    return float(np.mean(within & legal))


def _row(name: str, answers: list[Answer], met: float = np.nan, version: str = "") -> Timing:
    return Timing(
        name, 1e3 * np.array([a.wall for a in answers]), 1e3 * np.array([a.busy for a in answers]), met, version
    )


def time_chunks(rounds: int) -> list[Timing]:
    """Times of whole chunks with every limit and collisions, for one arm and for two."""
    tasks = {
        f"{words}, {horizon} steps": whole_chunk(robot, horizon) for horizon in HORIZONS for robot, words in CHUNKS
    }
    answers: dict[str, list[Answer]] = {name: [] for name in tasks}
    for task in tasks.values():
        task()  # compiles
    for _ in tqdm(range(rounds * PATHS), desc="chunks", unit="turn", disable=None):
        for name, task in tasks.items():
            answers[name].append(timed(lambda task=task: task() and None))  # type: ignore[misc]
    return [_row(name, found) for name, found in answers.items()]


def cold_share(name: str, chain: Chain, count: int, seed: int = 1) -> ColdShare:
    """Solve random reachable poses from nothing."""
    rng = np.random.default_rng(seed)
    poses = forward_kinematics(chain, rng.uniform(chain.lower, chain.upper, (count, chain.size)))
    solve_pose(chain, poses[0])
    solved, times = 0, []
    for pose in tqdm(poses, desc=f"cold, {name}", unit="pose", disable=None):
        began = time.perf_counter()
        found = solve_pose(chain, pose)
        times.append(time.perf_counter() - began)
        solved += found.position_error <= TOLERANCE[0] and found.rotation_error <= TOLERANCE[1]
    return ColdShare(name, count, solved, 1e6 * float(np.median(times)))
