"""Workers: results by number, errors end the work, and nobody outlives the process that asked."""

import os
import signal
import subprocess
import sys
import time

import pytest

from mivla_ros.worker_processes import in_processes


def product(a: int, b: int) -> tuple[int, str]:
    return a * b, os.environ["OMP_NUM_THREADS"]


def refuse(name: str) -> None:
    raise ValueError(f"{name} cannot be done")


def say_who_and_wait(folder: str, name: str) -> None:
    with open(os.path.join(folder, name), "w") as file:
        file.write(str(os.getpid()))
    time.sleep(120)


def test_every_call_has_its_result_and_a_worker_one_thread() -> None:
    found = dict(in_processes(product, [(n, 3) for n in range(5)], 2))
    assert found == {n: (3 * n, "1") for n in range(5)}


def test_what_a_call_raises_ends_the_work() -> None:
    with pytest.raises(ValueError, match="seed 7 cannot be done"):
        list(in_processes(refuse, [("seed 7",)], 2))


def alive(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_workers_end_with_the_process_that_asked_for_them(tmp_path) -> None:
    code = (
        "from mivla_ros.worker_processes import in_processes\n"
        "from test.test_worker_processes import say_who_and_wait\n"
        f"list(in_processes(say_who_and_wait, [({str(tmp_path)!r}, n) for n in 'ab'], 2))"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        deadline = time.monotonic() + 60
        while len([f for f in tmp_path.iterdir() if f.read_text()]) < 2:
            assert time.monotonic() < deadline and process.poll() is None, "the workers did not begin"
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    workers = [int(file.read_text()) for file in tmp_path.iterdir()]
    deadline = time.monotonic() + 30
    while any(alive(worker) for worker in workers):
        assert time.monotonic() < deadline, "a worker is left"
        time.sleep(0.05)
