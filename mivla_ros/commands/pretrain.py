"""Pre-train by mutual imitation: from people's and robots' episodes, forecast the own actions and the other body's.

Modes: human (people's own actions only, as H-RDT), h2r (people's, and the robot's by alignment), both (also robots',
and people's by alignment; the paper's), scratch (random weights, for comparison). Goes on after a kill.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla pretrain`."""
    from mivla_ros.commands.finetune import add_training_arguments

    parser.add_argument(
        "--episodes", type=Path, nargs="+", default=[], help="EgoDex, RoboTwin, LeRobot, bags: files or folders"
    )
    parser.add_argument("--mode", default="both", choices=("scratch", "human", "h2r", "both"))
    parser.add_argument("--robot", default="piper_bimanual", help="profile that people's motions are turned into")
    parser.add_argument("--config", default="tiny", help="named network: base, small, tiny")
    parser.add_argument(
        "--from", dest="source", default="", metavar="CHECKPOINT", help="go on from its weights, instead of random ones"
    )
    parser.add_argument(
        "--sight-from", type=Path, metavar="CHECKPOINT",
        help="whose image encoder to begin with, as `mivla teach-sight` makes one; the rest is random",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints, curves and what resumes")
    parser.add_argument("--cameras", nargs="+", metavar="NAME", help="cameras in order; default: the profile's first")
    parser.add_argument("--step-seconds", type=float, help="between two steps of a chunk; default: 0.1")
    parser.add_argument("--validation", type=float, default=0.02, help="share of episodes (default: %(default)s)")
    parser.add_argument("--keep-bad", action="store_true", help="train on episodes with bad findings too")
    add_training_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prepare, train, say what came out."""
    from mivla_ros.commands.errors import CommandError
    from mivla_ros.commands.finetune import training_options
    from mivla_ros.model.bring_up import bring_up_normalisation
    from mivla_ros.model.checkpoint import save_checkpoint
    from mivla_ros.model.encoder_weights import EncoderSource
    from mivla_ros.model.presets import PRESETS
    from mivla_ros.robots.description import robot_description
    from mivla_ros.robots.profile import load_profile
    from mivla_ros.training.adapting import finished_network
    from mivla_ros.training.batches import modes_episodes
    from mivla_ros.training.options import Mode
    from mivla_ros.training.processes import is_first
    from mivla_ros.training.setting_up import (
        normalisation_of,
        prepared_and_checked,
        split,
        starting_point,
        take_sight,
        with_words,
    )
    from mivla_ros.training.trainer import LAST, Job, train

    mode = Mode(arguments.mode)
    if arguments.source and arguments.sight_from:
        raise CommandError("--from and --sight-from: one of them", 2)
    if arguments.config not in PRESETS:
        raise CommandError(f"--config {arguments.config!r} must be one of {', '.join(PRESETS)}", 2)
    profile = load_profile(arguments.robot)
    start = starting_point(
        arguments.source or arguments.config, profile, arguments.seed, EncoderSource(folder=arguments.encoders),
        arguments.cameras, arguments.step_seconds,
    )  # fmt: skip
    if arguments.sight_from:
        take_sight(start.network, arguments.sight_from)
    if mode is Mode.SCRATCH:
        normal = start.normalisation or bring_up_normalisation(profile, robot_description(profile))
        notes = {"made by": "mivla pretrain", "mode": "scratch", "trained": "no"}
        save_checkpoint(arguments.out / LAST, finished_network(start.network), start.contract, normal, notes)
        print(f"checkpoint: {arguments.out / LAST}")
        return 0
    if not arguments.episodes:
        raise CommandError(f"--mode {mode} needs --episodes", 2)
    options = training_options(arguments, mode is not Mode.HUMAN)
    report = prepared_and_checked(
        arguments.episodes, start, profile, arguments.robot, arguments.cache or arguments.out / "prepared",
        arguments.workers, arguments.rate_of_samples, arguments.keep_bad, any_robot=True,
    )  # fmt: skip
    if is_first():
        print(report, flush=True)
    chosen = modes_episodes(report.episodes, mode)
    kinds = {episode.embodiment for episode in chosen}
    if "human" not in kinds or (mode is Mode.BOTH and "robot" not in kinds):
        found = ", ".join(sorted({e.embodiment for e in report.episodes}))
        needs = "people's and robots'" if mode is Mode.BOTH else "people's"
        raise CommandError(f"--mode {mode} needs {needs} episodes, there are those of: {found}")
    training, validation = split(chosen, arguments.validation, arguments.seed)
    job = Job(
        network=start.network,
        contract=with_words(start.contract, training),
        normalisation=normalisation_of(training, options.imitate),
        training=training,
        validation=validation,
        notes={"made by": "mivla pretrain", "mode": str(mode), "from": start.source, "episodes": str(len(training))},
    )
    labels = [e.imitated.any(axis=2).mean() for e in training if e.embodiment == "human"]
    if is_first():
        if options.imitate and labels:
            print(f"a robot can follow {100 * sum(labels) / len(labels):.0f} % of the steps of people's demonstrations")
        print(f"training on {len(training)}, validating on {len(validation)} episodes", flush=True)
    result = train(job, options, arguments.out)
    if not is_first():
        return 0
    print(result)
    print(f"checkpoint: {result.checkpoint}")
    return 0
