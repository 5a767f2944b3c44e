"""Measure training: samples a second and the share of waiting for data, beside a plain loop in the same run."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla benchmark training`."""
    parser.add_argument("--episodes", type=Path, nargs="+", required=True, help="a robot's bags, or folders with them")
    parser.add_argument("--robot", default="piper", help="robot profile")
    parser.add_argument("--config", default="tiny", help="named network (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=10, help="counted steps of each (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="samples a step (default: %(default)s)")
    parser.add_argument("--loaders", type=int, default=0, help="processes that make our batches")
    parser.add_argument("--cache", type=Path, default=Path("prepared"), help="prepared episodes (default: ./prepared)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print a table."""
    import os

    import torch

    from mivla_ros.model.encoder_weights import EncoderMode, EncoderSource
    from mivla_ros.robots.profile import load_profile
    from mivla_ros.training.options import TrainingOptions
    from mivla_ros.training.setting_up import find, normalisation_of, prepared_and_checked, starting_point
    from mivla_ros.training.speed import measure
    from mivla_ros.training.trainer import Job

    load = os.getloadavg()[0]
    profile = load_profile(arguments.robot)
    start = starting_point(arguments.config, profile, 0, EncoderSource(EncoderMode.RANDOM))
    report = prepared_and_checked(arguments.episodes, start, profile, arguments.robot, arguments.cache)
    options = TrainingOptions(steps=arguments.steps, batch=arguments.batch, loaders=arguments.loaders, colour=0.0)
    normalisation = normalisation_of(report.episodes, True)
    job = Job(start.network.to(arguments.device), start.contract, normalisation, report.episodes, ())
    print(
        f"{arguments.config}, batch {arguments.batch}, {arguments.device}, {torch.get_num_threads()} threads, load "
        f"{load:.1f} when it began\n"
    )
    print("| loop | samples a second | waiting for data, % |\n| --- | --- | --- |")
    for one in measure(job, find(arguments.episodes)[0], arguments.robot, options):
        print(f"| {one.name} | {one.samples_per_second:.1f} | {100 * one.loading_share:.0f} |")
    return 0
