"""Make a checkpoint from H-RDT's public weights, for its own network or for MiVLA's on the same trunk.

FILE is its pytorch_model.bin (of which only plain tensors are read) or a .safetensors file.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mivla_ros.robots.profile import RobotProfile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla checkpoint import-h-rdt`."""
    parser.add_argument("file", type=Path, help="H-RDT's weights")
    parser.add_argument("folder", type=Path, help="folder to write; must not exist")
    parser.add_argument("--robot", default="piper", help="robot profile it shall drive: a name, or a YAML file")
    parser.add_argument(
        "--into", choices=("h_rdt", "base"), default="h_rdt", help="its own network, or MiVLA's base on its trunk"
    )
    parser.add_argument("--cameras", nargs="+", metavar="NAME", help="in H-RDT's order: head, right wrist, left wrist")
    parser.add_argument("--step-seconds", type=float, default=0.18, help="time between steps; RoboTwin: 3 x 0.06 s")
    parser.add_argument("--first-step-seconds", type=float, default=0.06, help="from the observation to step 0")
    parser.add_argument("--seed", type=int, default=0, help="seed of what stays random with --into base")


def run(arguments: argparse.Namespace) -> int:
    """Write it, and print what was taken and what was not."""
    from mivla_ros.model.bring_up import bring_up_normalisation
    from mivla_ros.model.checkpoint import save_checkpoint
    from mivla_ros.model.contract import make_contract
    from mivla_ros.model.egodex import human_normalisation, raw_normalisation
    from mivla_ros.model.errors import CheckpointError
    from mivla_ros.model.h_rdt import h_rdt_config, h_rdt_network, mivla_from_h_rdt, read_h_rdt
    from mivla_ros.model.presets import BASE
    from mivla_ros.robots.description import robot_description
    from mivla_ros.robots.profile import load_profile

    if arguments.folder.exists():
        raise CheckpointError(f"{arguments.folder}: exists already")
    profile = load_profile(arguments.robot)
    weights = read_h_rdt(arguments.file)
    config = h_rdt_config(weights, str(arguments.file))
    notes = {"made by": "mivla checkpoint import-h-rdt", "from": arguments.file.name, "network": config.name}
    if arguments.into == "h_rdt":
        cameras = arguments.cameras or _cameras(profile, config.cameras)
        normalisation = human_normalisation() if config.name == "h_rdt_human" else raw_normalisation()
    else:
        cameras = arguments.cameras
        normalisation = bring_up_normalisation(profile, robot_description(profile))
    contract = make_contract(
        profile,
        config if arguments.into == "h_rdt" else BASE,
        arguments.step_seconds,
        arguments.first_step_seconds,
        cameras,
    )
    fresh: tuple[str, ...] = ()
    if arguments.into == "h_rdt":
        network = h_rdt_network(weights, config, arguments.file)
    else:
        network, fresh = mivla_from_h_rdt(weights, config, BASE, arguments.file, arguments.seed)
        notes["random"] = ", ".join(sorted({name.rpartition(".")[0] or name for name in fresh}))
    manifest = save_checkpoint(arguments.folder, network, contract, normalisation, notes)
    print(f"{arguments.folder}: {network.config.name} for {profile.name}, {len(weights)} tensors read")
    if fresh:
        print(f"{len(fresh)} tensors stay random and want training: {notes['random']}")
    print(f"hash {manifest.hash}")
    return 0


def _cameras(profile: "RobotProfile", count: int) -> list[str]:
    """The robot's cameras in H-RDT's order, where their names tell which is which. Raises CheckpointError if not."""
    from mivla_ros.model.errors import CheckpointError
    from mivla_ros.model.h_rdt import CAMERA_ORDER

    names = [camera.name for camera in profile.cameras]
    chosen = []
    for place in CAMERA_ORDER[:count]:
        fitting = [name for name in names if place in name]
        if len(fitting) != 1:
            raise CheckpointError(
                f"which camera of {profile.name!r} is {place!r} is not clear from their names {names}; "
                f"give --cameras in the order {', '.join(CAMERA_ORDER[:count])}",
                "cameras",
            )
        chosen.append(fitting[0])
    return chosen
