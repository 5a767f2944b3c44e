"""``mivla demonstrate --embodiment human``: demonstrations by a person's hands."""

import argparse
import sys
import time


def run_hands(arguments: argparse.Namespace) -> int:
    """Make them and say how fast; 0 where every seed of every task gave an episode."""
    if arguments.motion is not None:
        return _recorded(arguments)
    from tqdm import tqdm

    from mivla_ros.commands.demonstrate import print_rate
    from mivla_ros.commands.evaluate import seeds
    from mivla_ros.demonstrations.hands.making import HandPlan, make_hands, read_made
    from mivla_ros.simulation.tasks import TASKS

    chosen = arguments.task or arguments.tasks
    plan = HandPlan(
        tasks=tuple(TASKS) if chosen == "all" else tuple(name.strip() for name in chosen.split(",")),
        conditions=tuple(name.strip() for name in arguments.conditions.split(",")),
        seeds=seeds(arguments.seeds),
        height=arguments.height,
        prepare_for=arguments.prepare_for,
        pictures=arguments.pictures,
        robot=arguments.robot,
    )
    wanted = {(c, t, s) for c in plan.conditions for t in plan.tasks for s in plan.seeds}
    before = wanted & read_made(arguments.out, plan).keys()
    began, made = time.perf_counter(), []
    with tqdm(total=len(wanted), initial=len(before), unit="episode", disable=None, file=sys.stderr) as bar:
        for one in make_hands(plan, arguments.out, arguments.workers):
            made.append(one)
            bar.update()
            if not one.success:
                bar.write(f"{one.condition} {one.task} seed {one.seed}: {one.failure}", file=sys.stderr)
    wall = time.perf_counter() - began
    good = [one for key, one in read_made(arguments.out, plan).items() if key in wanted and one.success]
    minutes = sum(one.seconds for one in good) / 60
    size, tasks = sum(one.megabytes for one in good), len({one.task for one in good})
    print(f"{len(good)} of {len(wanted)} in {arguments.out}: {minutes:.1f} minutes of {tasks} tasks, {size:.0f} MB")
    print_rate([one.seconds for one in made], wall)
    return 0 if len(good) == len(wanted) else 1


def _recorded(arguments: argparse.Namespace) -> int:
    from mivla_ros.demonstrations.hands.recorded import recorded_episode
    from mivla_ros.episodes.egodex import write

    target = arguments.out / f"{arguments.motion.stem}.hdf5"
    with recorded_episode(arguments.motion, arguments.words, video=arguments.video) as episode:
        write(episode, target)
        print(f"{target}: {episode.info.seconds:.1f} s, {arguments.words!r}")
    return 0
