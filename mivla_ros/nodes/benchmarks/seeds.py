"""How often the launch ends with the task done: the whole live graph once for each seed.

    ros2 run mivla_ros benchmark_seeds --seeds 20

Prints one row a seed while it runs and the share of successes at the end; exits with 1 below --least.
"""

import argparse
import re
import statistics
import subprocess
import sys
import time

DONE = re.compile(r"done after ([0-9.]+) s")
WHY = re.compile(r"task '[^']*' failed: .*|timeout after .*|.*ended with status.*")


def run(file: str, seed: int, timeout: float, arguments: list[str]) -> tuple[bool, float, float, str]:
    """One launch: whether it succeeded, seconds of the task, seconds of wall time, and why not."""
    command = ["ros2", "launch", "mivla_bringup", file, f"seed:={seed}", "exit_on_success:=true", f"timeout:={timeout}"]
    start = time.monotonic()
    result = subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout + 120,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    wall = time.monotonic() - start
    output = result.stdout + result.stderr
    done, why = DONE.search(output), WHY.search(output)
    seconds = float(done.group(1)) if done else float("nan")
    return (
        result.returncode == 0,
        seconds,
        wall,
        "" if result.returncode == 0 else (why.group(0) if why else output[-300:]),
    )


def main() -> None:
    """Entry point of the command."""
    parser = argparse.ArgumentParser(description="Success of the live launch, seed by seed.")
    parser.add_argument("--file", default="piper.launch.py", help="launch file of mivla_bringup")
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds of wall time a launch may take")
    parser.add_argument("--least", type=int, default=0, help="exit with 1 below so many successes")
    parser.add_argument("arguments", nargs="*", help="more launch arguments, as name:=value")
    options = parser.parse_args()
    print("| seed | done | task s | wall s | why not |\n| --- | --- | --- | --- | --- |")
    times = []
    for seed in range(options.first, options.first + options.seeds):
        success, seconds, wall, why = run(options.file, seed, options.timeout, options.arguments)
        if success:
            times.append(seconds)
        print(f"| {seed} | {'yes' if success else 'NO'} | {seconds:.1f} | {wall:.1f} | {why} |", flush=True)
    median = statistics.median(times) if times else float("nan")
    print(f"\n{len(times)} of {options.seeds} seeds done, median {median:.1f} s of simulated time")
    sys.exit(0 if len(times) >= options.least else 1)


if __name__ == "__main__":
    main()
