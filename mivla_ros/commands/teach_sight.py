"""Teach a network's own image encoder where the objects of a robot's task are, in thousands of simulated scenes.

A first step for networks that begin with random weights and few demonstrations; `mivla finetune --from DIR` goes on.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla teach-sight`."""
    parser.add_argument(
        "--robot", nargs="+", default=["piper"], metavar="ROBOT",
        help="robot profiles whose tasks' scenes are drawn; the checkpoint is for the first (default: piper)",
    )  # fmt: skip
    parser.add_argument(
        "--people", nargs="*", default=[], metavar="TASK",
        help="also tasks as a person does them, seen from her head",
    )  # fmt: skip
    parser.add_argument(
        "--from", dest="source", default="tiny", metavar="CHECKPOINT",
        help="checkpoint, or a network's name for random weights (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--scenes", type=int, default=3000, help="of each robot and task (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=700, help="of the optimiser (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="scenes a step (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder of the new checkpoint")


def run(arguments: argparse.Namespace) -> int:
    """Draw, teach, say how well it points."""
    from mivla_ros.demonstrations.hands.scenes import hand_scenes
    from mivla_ros.demonstrations.postures import expert_postures
    from mivla_ros.demonstrations.scenes import make_scenes
    from mivla_ros.model.bring_up import bring_up_normalisation
    from mivla_ros.model.checkpoint import save_checkpoint
    from mivla_ros.model.encoder_weights import EncoderSource
    from mivla_ros.model.language import LanguageEncoder  # noqa: F401 - before anything is drawn: Mesa's LLVM clashes
    from mivla_ros.robots.description import robot_description
    from mivla_ros.robots.profile import load_profile
    from mivla_ros.training.setting_up import starting_point
    from mivla_ros.training.sight import SightOptions, teach_sight

    profiles = [load_profile(name) for name in arguments.robot]
    start = starting_point(arguments.source, profiles[0], arguments.seed, EncoderSource())
    vision, scenes = start.network.config.vision, {}
    for profile in profiles:
        print(f"drawing {arguments.scenes} scenes of {profile.name}'s task {profile.task}", flush=True)
        states = expert_postures(profile)
        cameras = tuple(camera.name for camera in profile.cameras)[: len(start.contract.cameras)]
        scenes[profile.name] = make_scenes(profile, vision, cameras, states, arguments.scenes, arguments.seed)
    for task in arguments.people:
        print(f"drawing {arguments.scenes} pictures of people who do {task}", flush=True)
        scenes[f"people, {task}"] = hand_scenes(task, vision, arguments.scenes, arguments.seed)
    options = SightOptions(arguments.steps, arguments.batch, arguments.seed)
    found = teach_sight(start.network, scenes, options, lambda line: print(line, flush=True))
    notes = {
        "made by": "mivla teach-sight",
        "from": start.source,
        "robots": " ".join(arguments.robot),
        "people's tasks": " ".join(arguments.people),
        "scenes": str(arguments.scenes),
    }
    notes |= {f"off by, {name}": f"{100 * error:.2f} % of the picture's width" for name, error in found.items()}
    normalisation = start.normalisation or bring_up_normalisation(profiles[0], robot_description(profiles[0]))
    save_checkpoint(arguments.out, start.network, start.contract, normalisation, notes, overwrite=True)
    print(f"checkpoint: {arguments.out}")
    return 0
