"""Record demonstrations in simulation: of a robot's task by its scripted expert, as bags to train from; or, with
--embodiment human, of tasks done by a person's hands, as EgoDex files.

Cameras are rendered, no ROS is needed. Only successes are kept, one of the task's wordings is held out. Run again
after a kill, it goes on; more seeds or conditions are added to what is there.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla demonstrate`."""
    parser.add_argument("--embodiment", default="robot", choices=("robot", "human"))
    parser.add_argument("--tasks", default="all", help="human: comma between them, or all")
    parser.add_argument("--height", type=int, default=270, help="human: of pictures, px (default: %(default)s)")
    parser.add_argument("--motion", type=Path, help="human: a recorded motion (.npz), made an EgoDex episode")
    parser.add_argument("--words", default="", help="human: what is done in that motion")
    parser.add_argument("--video", type=Path, help="human: the video that the motion's landmarks were found in")
    parser.add_argument("--robot", default="piper", help="robot profile")
    parser.add_argument("--seeds", default="0-29", help="how many, or FIRST-LAST (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the bags, one folder each")
    parser.add_argument("--conditions", default="easy", help="easy, hard, ..., comma between (default: %(default)s)")
    parser.add_argument(
        "--disturbance", type=float, default=0.0, metavar="RAD",
        help="size of smooth errors of the arms, whose way back is shown; 0.02 helps (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--task", default="", help="another task than the profile's")
    parser.add_argument("--limit", type=float, default=60.0, help="simulated s an episode has (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=0, help="processes; 0: one a core")
    parser.add_argument(
        "--prepare-for", default="", metavar="CHECKPOINT",
        help="no bags, but prepared training data for a checkpoint or a network's name: faster, for pre-training",
    )  # fmt: skip
    parser.add_argument(
        "--pictures", type=float, default=0.0, metavar="HZ", help="of prepared data; 0: as the cameras take them"
    )
    parser.add_argument("--keep-failures", action="store_true", help="keep bags of failures too, labelled so")


def run(arguments: argparse.Namespace) -> int:
    """Make them and say how fast; 0 where every seed gave a bag, or a person's file."""
    import time

    from tqdm import tqdm

    if arguments.embodiment == "human":
        from mivla_ros.commands.demonstrate_hands import run_hands

        return run_hands(arguments)

    from mivla_ros.commands.evaluate import seeds
    from mivla_ros.demonstrations.making import DemonstrationPlan, make_demonstrations, read_made

    plan = DemonstrationPlan(
        robot=arguments.robot,
        conditions=tuple(name.strip() for name in arguments.conditions.split(",")),
        seeds=seeds(arguments.seeds),
        disturbance=arguments.disturbance,
        limit=arguments.limit,
        task=arguments.task,
        keep_failures=arguments.keep_failures,
        prepare_for=arguments.prepare_for,
        pictures=arguments.pictures,
    )
    before = read_made(arguments.out, plan)
    wanted = [(c, s) for c in plan.conditions for s in plan.seeds]
    began, made, shown = time.perf_counter(), [], sum(key in before for key in wanted)
    with tqdm(total=len(wanted), initial=shown, unit="demonstration", disable=None, file=sys.stderr) as bar:
        for one in make_demonstrations(plan, arguments.out, arguments.workers):
            made.append(one)
            bar.update()
            if not one.success:
                bar.write(f"{one.condition} seed {one.seed}: the expert failed: {one.failure}", file=sys.stderr)
    wall = time.perf_counter() - began
    everything = read_made(arguments.out, plan)
    good = [one for key, one in everything.items() if key in wanted and one.success]
    print(f"{len(good)} of {len(wanted)} in {arguments.out}, {sum(one.megabytes for one in good):.0f} MB")
    print_rate([one.seconds for one in made], wall)
    return 0 if len(good) == len(wanted) else 1


def print_rate(seconds: Sequence[float], wall: float) -> None:
    """How fast they were made; nothing where none was. seconds: simulated, of each. wall: s, of all."""
    if seconds:
        print(
            f"{len(seconds)} made now in {wall:.0f} s: {60 * len(seconds) / wall:.1f} a minute, "
            f"{sum(seconds) / wall:.2f} times real time"
        )
