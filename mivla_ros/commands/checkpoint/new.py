"""Write a checkpoint with random weights, to bring a robot up or to train from.

Its actions are noise close to the robot's ready pose.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla checkpoint new`."""
    parser.add_argument("folder", type=Path, help="folder to write; must not exist")
    parser.add_argument("--config", default="tiny", help="named network: base, small, tiny, h_rdt_human, h_rdt_robot")
    parser.add_argument("--robot", default="piper", help="robot profile: a name, or a YAML file")
    parser.add_argument("--seed", type=int, default=0, help="seed of the weights")
    parser.add_argument("--step-seconds", type=float, default=0.1, help="time between two steps of a chunk, s")
    parser.add_argument("--cameras", nargs="+", metavar="NAME", help="cameras in order; default: the profile's first")
    parser.add_argument("--instruction", default="", help="words it is meant for, kept in the contract")


def run(arguments: argparse.Namespace) -> int:
    """Write it and print its hash."""
    import torch

    from mivla_ros.model.bring_up import bring_up_normalisation
    from mivla_ros.model.checkpoint import save_checkpoint
    from mivla_ros.model.contract import make_contract
    from mivla_ros.model.encoder_weights import EncoderMode, EncoderSource
    from mivla_ros.model.errors import CheckpointError
    from mivla_ros.model.network import build_network
    from mivla_ros.model.presets import preset
    from mivla_ros.robots.description import robot_description
    from mivla_ros.robots.profile import load_profile

    if arguments.folder.exists():
        raise CheckpointError(f"{arguments.folder}: exists already")
    config, profile = preset(arguments.config), load_profile(arguments.robot)
    contract = make_contract(
        profile, config, arguments.step_seconds, cameras=arguments.cameras, instruction=arguments.instruction
    )
    # the encoders that come from elsewhere are not stored, so that they need not be here either
    encoders = EncoderSource(EncoderMode.ABSENT)
    dtype = torch.bfloat16 if config.trunk.width >= 2048 else torch.float32
    network = build_network(config, encoders, seed=arguments.seed, dtype=dtype)
    manifest = save_checkpoint(
        arguments.folder,
        network,
        contract,
        bring_up_normalisation(profile, robot_description(profile)),
        {"made by": "mivla checkpoint new", "seed": str(arguments.seed), "trained": "no"},
    )
    size = sum(entry.bytes for entry in manifest.files.values())
    count = sum(parameter.numel() for parameter in network.parameters())
    print(f"{arguments.folder}: {config.name} for {profile.name}, {count:,} parameters, {size / 1e6:.1f} MB")
    print(f"hash {manifest.hash}")
    return 0
