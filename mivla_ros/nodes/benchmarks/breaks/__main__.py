"""Break everything, on a simulated robot in a ROS domain of its own, and write down what happened."""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mivla_ros.nodes.benchmarks.breaks.cases import Result
    from mivla_ros.nodes.benchmarks.breaks.scene import Scene


def main() -> int:
    """Entry point of the command; 1 where a fault was not met as it must be, or not all was measured."""
    parser = argparse.ArgumentParser(description="What happens when something breaks: a table of measured times.")
    parser.add_argument("--out", type=Path, help="page whose table is replaced; without it the table is only printed")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is broken; the worst counts")
    parser.add_argument("--only", default="", help="only faults whose names hold this")
    parser.add_argument("--domain", type=int, default=91, help="ROS domain, which nobody else may use")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no process is left behind
    os.environ["ROS_DOMAIN_ID"] = str(options.domain)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

    import rclpy
    from rclpy.signals import SignalHandlerOptions

    from mivla_ros.nodes.benchmarks.breaks import table
    from mivla_ros.nodes.benchmarks.breaks.scene import Scene

    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    rounds: list[list[Result]] = []
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder))
        try:
            for _ in range(options.rounds):
                rounds.append([])
                _break_everything(scene, options.only, rounds[-1], failures)
        finally:
            scene.close()
            rclpy.try_shutdown()
            print(table.markdown(rounds))  # also what an interrupted run has measured
    if options.out is not None and not failures:
        table.replace_table(options.out, table.markdown(rounds))
    return 1 if failures or any(result.resumed for results in rounds for result in results) else 0


def _break_everything(scene: "Scene", only: str, results: "list[Result]", failures: list[str]) -> None:
    from mivla_ros.nodes.benchmarks.breaks import cases
    from mivla_ros.nodes.benchmarks.breaks.scene import BreakError

    for case in (case for case in cases.CASES if only in case.name):
        try:
            results.append(cases.run(scene, case))
            print(results[-1], file=sys.stderr)
        except BreakError as error:
            failures.append(f"{case.name}: {error}")
            print(failures[-1], file=sys.stderr)
            scene.restart()
    if only in cases.RETARGETING_DEATH:
        results += cases.run_retargeting_death(scene)
        print(*results[-2:], sep="\n", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
