"""Run steps as processes of their own, some at a time; what is done stays done, so that a killed ablation goes on."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mivla_ros.ablation.errors import AblationError
from mivla_ros.ablation.steps import Step

DONE, LOGS = "done", "logs"
LOOK_SECONDS = 0.2
GOES_SECONDS = 20.0  # that a step has to end after it was asked to


@dataclass(frozen=True)
class Done:
    """A step that ended well. seconds: it took; nan where it was done before."""

    step: Step
    seconds: float


def command_of(step: Step) -> str:
    """As a user would type it in the ablation's folder."""
    return shlex.join(("mivla", *step.arguments))


def is_done(step: Step, out: Path) -> bool:
    """Whether it was done before. Raises AblationError where that was another command."""
    file = out / DONE / f"{step.name}.json"
    if not file.exists():
        return False
    known = json.loads(file.read_text("utf-8")).get("command")
    if known != command_of(step):
        raise AblationError(str(file), f"was done by {known!r}, this ablation's is {command_of(step)!r}")
    return True


def run_steps(
    steps: Sequence[Step], out: Path, workers: int = 1, say: Callable[[str], None] = lambda line: None
) -> Iterator[Done]:
    """Run what is not done yet, ``workers`` at a time, in order as far as needs allow; yields each that ends well.

    A step that fails holds up those that need it only. Raises AblationError at the end, naming each that failed with
    the last line it said, and at once where a step was done by another command. Ends what runs when it is closed.
    """
    (out / DONE).mkdir(parents=True, exist_ok=True)
    (out / LOGS).mkdir(exist_ok=True)
    done = {step.name for step in steps if is_done(step, out)}
    todo = [step for step in steps if step.name not in done]
    running: dict[str, tuple[Step, subprocess.Popen[bytes], float]] = {}
    failed: dict[str, str] = {}
    try:
        while todo or running:
            while len(running) < workers:
                chosen = next((step for step in todo if done.issuperset(step.needs)), None)
                if chosen is None:
                    break
                todo.remove(chosen)
                say(f"begins {chosen.name}")
                running[chosen.name] = chosen, _start(chosen, out, workers), time.monotonic()
            if not running:
                break  # the rest needs what failed
            time.sleep(LOOK_SECONDS)
            for name, (step, process, began) in list(running.items()):
                code = process.poll()
                if code is None:
                    continue
                del running[name]
                if code == 0 or (code == 1 and step.fails_softly):
                    done.add(name)
                    seconds = time.monotonic() - began
                    _note(step, out, seconds)
                    yield Done(step, seconds)
                else:
                    failed[name] = _last_line(out / LOGS / f"{name}.log") or f"ended with {code}"
                    say(f"{name} failed: {failed[name]}")
    finally:
        _end([process for _, process, _ in running.values()])
    if failed:
        words = "; ".join(f"{name}: {line} (see {out / LOGS / name}.log)" for name, line in failed.items())
        raise AblationError(f"{len(failed)} of {len(steps)} steps failed", f"{words}; {len(todo)} were not begun")


def _start(step: Step, out: Path, workers: int) -> subprocess.Popen[bytes]:
    environment = dict(os.environ)
    if workers > 1:  # a core for each
        environment |= {"OMP_NUM_THREADS": "1", "LP_NUM_THREADS": "1"}
    with (out / LOGS / f"{step.name}.log").open("ab") as log:
        log.write(f"$ {command_of(step)}\n".encode())
        log.flush()
        command = [sys.executable, "-m", "mivla_ros.commands.main", *step.arguments]
        return subprocess.Popen(command, cwd=out, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def _note(step: Step, out: Path, seconds: float) -> None:
    file = out / DONE / f"{step.name}.json"
    unfinished = file.with_suffix(".part")
    unfinished.write_text(json.dumps({"command": command_of(step), "seconds": round(seconds, 1)}) + "\n", "utf-8")
    unfinished.replace(file)


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").replace("\r", "\n").strip().splitlines()
    return lines[-1].strip() if lines else ""


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(GOES_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
