"""Teach a network's own image encoder where the objects of a robot's task are, in thousands of simulated scenes.

A first step for networks that begin with random weights and few demonstrations; `mivla finetune --from DIR` goes on.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla teach-sight`."""
    parser.add_argument("--robot", default="piper", help="robot profile, whose task's scenes are drawn")
    parser.add_argument(
        "--from", dest="source", default="tiny", metavar="CHECKPOINT",
        help="checkpoint, or a network's name for random weights (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--episodes", type=Path, nargs="+", required=True,
        help="demonstrations of the robot, prepared or not: the arms stand in the scenes as they do in these",
    )  # fmt: skip
    parser.add_argument("--cache", type=Path, default=Path("prepared"), help="prepared episodes (default: ./prepared)")
    parser.add_argument("--scenes", type=int, default=3000, help="how many (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=700, help="of the optimiser (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="scenes a step (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder of the new checkpoint")


def run(arguments: argparse.Namespace) -> int:
    """Draw, teach, say how well it points."""
    import numpy as np

    from mivla_ros.demonstrations.scenes import make_scenes
    from mivla_ros.model.checkpoint import save_checkpoint
    from mivla_ros.model.encoder_weights import EncoderSource
    from mivla_ros.robots.profile import load_profile
    from mivla_ros.training.setting_up import normalisation_of, prepared_and_checked, starting_point
    from mivla_ros.training.sight import SightOptions, teach_sight

    profile = load_profile(arguments.robot)
    start = starting_point(arguments.source, profile, arguments.seed, EncoderSource())
    report = prepared_and_checked(arguments.episodes, start, profile, arguments.robot, arguments.cache)
    states = np.concatenate([episode.state for episode in report.episodes]).astype(np.float64)
    vision, cameras = start.network.config.vision, start.contract.cameras
    print(f"drawing {arguments.scenes} scenes", flush=True)
    scenes = make_scenes(profile, vision, cameras, states, arguments.scenes, arguments.seed)
    options = SightOptions(arguments.steps, arguments.batch, arguments.seed)
    found = teach_sight(start.network, scenes, options, lambda line: print(line, flush=True))
    notes = {"made by": "mivla teach-sight", "from": start.source, "scenes": str(arguments.scenes)}
    notes |= {f"off by, {name}": f"{100 * error:.2f} % of the picture's width" for name, error in found.items()}
    normalisation = start.normalisation or normalisation_of(report.episodes, True)
    save_checkpoint(arguments.out, start.network, start.contract, normalisation, notes, overwrite=True)
    print(f"checkpoint: {arguments.out}")
    return 0
