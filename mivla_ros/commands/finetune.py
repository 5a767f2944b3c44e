"""Train a checkpoint on a robot's own episodes: check the data, say what it trains on, train, keep the best.

Run again after a kill, it goes on with the same losses. Writes DIR/best and DIR/last (checkpoints), curves.png,
log.jsonl and tensorboard/ while it runs.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mivla_ros.training.options import TrainingOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla finetune`."""
    parser.add_argument("--episodes", type=Path, nargs="+", required=True, help="bags, or folders with them")
    parser.add_argument("--robot", default="piper", help="robot profile")
    parser.add_argument(
        "--from", dest="source", default="tiny", metavar="CHECKPOINT",
        help="checkpoint to begin with, or a network's name for random weights (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints, curves and what resumes")
    parser.add_argument("--cameras", nargs="+", metavar="NAME", help="cameras in order; default: the checkpoint's")
    parser.add_argument("--step-seconds", type=float, help="between two steps of a chunk; default: the checkpoint's")
    parser.add_argument("--keep-statistics", action="store_true", help="normalise as the checkpoint does")
    parser.add_argument("--no-imitation", action="store_true", help="only the robot's own actions, no hands (Eq. 5)")
    parser.add_argument("--validation", type=float, default=0.1, help="share of episodes (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="only the first N episodes; 0: all")
    parser.add_argument("--keep-bad", action="store_true", help="train on episodes with bad findings too")
    parser.add_argument("--keep-failures", action="store_true", help="train on episodes labelled failures too")
    parser.add_argument("--check", action="store_true", help="only check the data")
    parser.add_argument("--rollouts", type=int, default=0, help="simulated seeds that choose the best; 0: by loss")
    parser.add_argument("--rollout-every", type=int, default=0, help="steps; 0: a quarter of all")
    add_training_arguments(parser)


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that fine-tuning and pre-training share."""
    from mivla_ros.training.options import Adaptation, Decay, TrainingOptions

    usual = TrainingOptions()
    group = parser.add_argument_group("training")
    group.add_argument("--steps", type=int, default=usual.steps)
    group.add_argument("--batch", type=int, default=usual.batch, help="of all processes (default: %(default)s)")
    group.add_argument("--rate", type=float, default=usual.rate, help="learning rate (default: %(default)s)")
    group.add_argument("--warmup", type=int, default=usual.warmup, help="steps (default: %(default)s)")
    group.add_argument("--decay", default="constant", choices=[str(d) for d in Decay], help="of the learning rate")
    group.add_argument("--average", type=float, default=0.0, help="decay of a moving average, such as 0.999; 0: none")
    group.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    group.add_argument("--adaptation", default="full", choices=[str(a) for a in Adaptation])
    group.add_argument("--rank", type=int, default=usual.rank, help="of LoRA (default: %(default)s)")
    group.add_argument("--freeze", nargs="*", default=[], metavar="PART", help="vision language trunk ...")
    group.add_argument("--colour", type=float, default=usual.colour, help="share of pictures with changed colours")
    group.add_argument(
        "--noise", type=float, default=usual.noise,
        help="of what the flow begins with; below 1, where there is one way to do a task, it is run with none (1)",
    )  # fmt: skip
    group.add_argument("--validate-every", type=int, default=0, help="steps; 0: a twentieth of all")
    group.add_argument("--save-every", type=int, default=0, help="steps; 0: a twentieth of all")
    group.add_argument("--loaders", type=int, default=0, help="processes that make batches")
    group.add_argument("--workers", type=int, default=1, help="processes that prepare episodes or play rollouts")
    group.add_argument("--cache", type=Path, help="prepared episodes; default: OUT/prepared")
    group.add_argument("--encoders", default="", help="folder with public encoders' weights")
    group.add_argument("--rate-of-samples", type=float, default=0.0, help="observations a second; 0: every frame")
    group.add_argument("--seed", type=int, default=0)


def training_options(arguments: argparse.Namespace, imitate: bool) -> "TrainingOptions":
    """TrainingOptions of the arguments."""
    from mivla_ros.training.options import Adaptation, Decay, TrainingOptions

    names = (
        "steps", "batch", "rate", "warmup", "average", "precision", "rank", "colour", "noise", "validate_every",
        "save_every", "rollout_every", "rollouts", "loaders", "seed",
    )  # fmt: skip
    return TrainingOptions(
        **{name: getattr(arguments, name) for name in names if hasattr(arguments, name)},
        decay=Decay(arguments.decay),
        adaptation=Adaptation(arguments.adaptation),
        frozen=tuple(arguments.freeze),
        imitate=imitate,
    )


def run(arguments: argparse.Namespace) -> int:
    """Check, train, say what came out."""
    from mivla_ros.commands.errors import CommandError
    from mivla_ros.model.encoder_weights import EncoderSource
    from mivla_ros.robots.profile import load_profile
    from mivla_ros.training.processes import is_first
    from mivla_ros.training.selection import simulated_success
    from mivla_ros.training.setting_up import (
        first_of,
        normalisation_of,
        prepared_and_checked,
        split,
        starting_point,
        with_words,
    )
    from mivla_ros.training.trainer import Job, train

    options = training_options(arguments, not arguments.no_imitation)
    profile = load_profile(arguments.robot)
    rollouts = simulated_success(profile, arguments.robot, arguments.out, options.rollouts, arguments.workers)
    if options.rollouts and rollouts is None:
        raise CommandError(f"--rollouts: {arguments.robot} has no task to simulate; leave it out, or give it one", 2)
    start = starting_point(
        arguments.source, profile, arguments.seed, EncoderSource(folder=arguments.encoders), arguments.cameras,
        arguments.step_seconds,
    )  # fmt: skip
    report = prepared_and_checked(
        arguments.episodes, start, profile, arguments.robot, arguments.cache or arguments.out / "prepared",
        arguments.workers, arguments.rate_of_samples, arguments.keep_bad, arguments.keep_failures,
    )  # fmt: skip
    if is_first():
        print(report, flush=True)
    if arguments.check:
        return 0
    training, validation = split(first_of(report.episodes, arguments.first), arguments.validation, arguments.seed)
    normalisation = start.normalisation if arguments.keep_statistics and start.normalisation else None
    job = Job(
        network=start.network,
        contract=with_words(start.contract, training),
        normalisation=normalisation or normalisation_of(training, options.imitate),
        training=training,
        validation=validation,
        rollouts=rollouts,
        notes={"made by": "mivla finetune", "from": start.source, "episodes": str(len(training))},
    )
    if is_first():
        print(f"training on {len(training)}, validating on {len(validation)} episodes", flush=True)
    result = train(job, options, arguments.out)
    if not is_first():
        return 0
    print(result)
    if result.best:
        print(f"best: {result.best}")
    print(f"checkpoint: {result.checkpoint}")
    return 0
