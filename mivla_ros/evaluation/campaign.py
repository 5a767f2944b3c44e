"""All seeds and conditions of one policy, on all cores; what is done already is read from the results file."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from mivla_ros.evaluation.errors import EvaluationError
from mivla_ros.evaluation.rollout import Rollout, Stage
from mivla_ros.evaluation.smoothness import Smoothness
from mivla_ros.worker_processes import in_processes

RESULTS, PLAN = "results.jsonl", "plan.json"


@dataclass(frozen=True)
class Plan:
    """What is played: every seed in every condition. latency, limit: simulated s. task: empty for the profile's.

    checkpoint_hash: of the checkpoint in ``options``, so that results of another are not mixed in.
    """

    robot: str
    policy: str
    options: Mapping[str, str] = field(default_factory=dict)
    conditions: tuple[str, ...] = ("easy",)
    seeds: tuple[int, ...] = tuple(range(50))
    latency: float = 0.05
    limit: float = 60.0
    instruction: str = ""
    task: str = ""
    checkpoint_hash: str = ""

    def key(self) -> str:
        """A hash of all that changes the outcome of one rollout; seeds and conditions may be added later."""
        data = asdict(self)
        del data["seeds"], data["conditions"]
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


_stages: dict[tuple[str, str], Stage] = {}


def _play(plan: Plan, condition: str, seed: int, videos: str) -> Rollout:
    """In a worker: the scene and the policy of a condition are made once a process."""
    key = (plan.key(), condition)
    if key not in _stages:
        _stages[key] = Stage(plan.robot, plan.policy, plan.options, condition, plan.latency, plan.task)
    video = Path(videos) / f"{condition}_{seed}.mp4" if videos else None
    return _stages[key].play(seed, plan.limit, plan.instruction, video)


def read_results(folder: Path, plan: Plan) -> dict[tuple[str, int], Rollout]:
    """What was played already. Raises EvaluationError where the folder holds results of another plan."""
    plan_file, results = folder / PLAN, folder / RESULTS
    if not plan_file.exists():
        return {}
    known = json.loads(plan_file.read_text())
    if known.get("key") != plan.key():
        raise EvaluationError(str(folder), "holds results of another policy, other options or other weights")
    done: dict[tuple[str, int], Rollout] = {}
    for number, line in enumerate(results.read_text().splitlines() if results.exists() else []):
        try:
            data = json.loads(line)
            data["smoothness"] = Smoothness(**data["smoothness"])
            rollout = Rollout(**data)
        except (ValueError, TypeError, KeyError) as error:
            if number == len(results.read_text().splitlines()) - 1:
                break  # killed while it was written
            raise EvaluationError(f"{results}:{number + 1}", f"cannot be read: {error}") from error
        done[rollout.condition, rollout.seed] = rollout
    return done


def results_in(folder: Path) -> list[Rollout]:
    """All results of an evaluation, by its own plan. Raises EvaluationError where the folder is none's."""
    try:
        data = json.loads((folder / PLAN).read_text())
        known = {f.name: data[f.name] for f in fields(Plan) if f.name in data}
        known["seeds"], known["conditions"] = tuple(known["seeds"]), tuple(known["conditions"])
        plan = Plan(**known)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(
            str(folder / PLAN), f"cannot be read ({error}): not the folder of an evaluation"
        ) from error
    return list(read_results(folder, plan).values())


def campaign(
    plan: Plan, folder: Path, workers: int = 0, films: int = 0, apart: bool = False
) -> Iterator[tuple[Rollout, int, int]]:
    """Play what is missing; yields each rollout as it ends, with the number done and to do. Every one is in
    ``folder/results.jsonl`` before the next is yielded, so that a killed run goes on where it was.

    workers: processes; 0: one a core, 1: in this process. films: the first so many seeds of each condition are filmed.
    apart: never in this process, whose settings (threads) a policy may change.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = read_results(folder, plan)
    (folder / PLAN).write_text(json.dumps({"key": plan.key(), **asdict(plan)}, indent=2) + "\n")
    results = folder / RESULTS
    if results.exists() and done:  # without a half-written last line
        results.write_text("".join(json.dumps(r.as_json()) + "\n" for r in done.values()))
    wanted = [(c, s) for c in plan.conditions for s in plan.seeds if (c, s) not in done]
    total, finished = len(plan.conditions) * len(plan.seeds), len(plan.conditions) * len(plan.seeds) - len(wanted)
    filmed = {(c, s) for c in plan.conditions for s in plan.seeds[:films]}
    videos = {job: str(folder / "videos") if job in filmed else "" for job in wanted}
    with results.open("a") as file:

        def keep(rollout: Rollout) -> Rollout:
            file.write(json.dumps(rollout.as_json()) + "\n")
            file.flush()
            return rollout

        count = workers or len(os.sched_getaffinity(0))
        if not wanted or (not apart and (count == 1 or len(wanted) < 2)):
            for job in wanted:
                finished += 1
                yield keep(_play(plan, *job, videos[job])), finished, total
            return
        for _, rollout in in_processes(_play, [(plan, *job, videos[job]) for job in wanted], count):
            finished += 1
            yield keep(rollout), finished, total
