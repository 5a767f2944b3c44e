"""Checkpoints: one folder with weights, network, robot and normalisation, written whole and read with suspicion."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from mivla_ros.model.checkpoint_files import (
    CONFIG_FILE,
    STATISTICS_FILE,
    WEIGHTS_FILE,
    Manifest,
    read_description,
    write_manifest,
)
from mivla_ros.model.config import NetworkConfig
from mivla_ros.model.contract import CONTRACT_FILE, Contract, check_contract, check_robot
from mivla_ros.model.encoder_weights import EncoderSource
from mivla_ros.model.errors import CheckpointError
from mivla_ros.model.json_fields import dump
from mivla_ros.model.network import MivlaNetwork, build_network
from mivla_ros.model.statistics import Normalisation, check_normalisation
from mivla_ros.model.weights import put_weights, read_weights, save_weights
from mivla_ros.robots.profile import RobotProfile


@dataclass(frozen=True)
class Checkpoint:
    """A network with all that is needed to use it. ``hash`` is its revision."""

    folder: Path
    network: MivlaNetwork
    contract: Contract
    normalisation: Normalisation
    manifest: Manifest

    @property
    def config(self) -> NetworkConfig:
        """What the network is made of."""
        return self.network.config

    @property
    def hash(self) -> str:
        """SHA-256 of its content."""
        return self.manifest.hash


def save_checkpoint(
    folder: Path,
    network: MivlaNetwork,
    contract: Contract,
    normalisation: Normalisation,
    notes: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Manifest:
    """Write a checkpoint: all of it or nothing, for it is made beside ``folder`` and then renamed.

    Weights keep the type they have; those of frozen public encoders are left to their source. Raises CheckpointError
    for a folder that exists (unless ``overwrite``, and then only if it is a checkpoint) and for weights that are not
    finite.
    """
    check_contract(contract, network.config, CONTRACT_FILE)
    check_normalisation(normalisation, STATISTICS_FILE, CheckpointError)
    if folder.exists():
        if not overwrite:
            raise CheckpointError(f"{folder}: exists already", str(folder))
        read_description(folder, verify=False)  # nothing but a checkpoint is overwritten
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        temporary.chmod(0o755)
        (temporary / CONFIG_FILE).write_text(dump(network.config), "utf-8")
        (temporary / CONTRACT_FILE).write_text(dump(contract), "utf-8")
        (temporary / STATISTICS_FILE).write_text(dump(normalisation), "utf-8")
        weights = {key: value for key, value in network.state_dict().items() if network.is_stored(key)}
        save_weights(temporary / WEIGHTS_FILE, weights)
        manifest = write_manifest(temporary, notes or {})
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
            folder.rename(old / folder.name)
            temporary.rename(folder)
            shutil.rmtree(old)
        else:
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return manifest


def load_checkpoint(
    folder: Path,
    profile: RobotProfile | None = None,
    encoders: EncoderSource | None = None,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
) -> Checkpoint:
    """Read a checkpoint and build its network for inference.

    profile: the robot it shall drive; ContractError names every difference. dtype: of the weights, fp32 unless told.
    Raises CheckpointError (missing, truncated or changed files, weights of another network, NaN), ContractError and
    EncoderError, one line each.
    """
    description = read_description(folder)
    if profile is not None:
        check_robot(description.contract, profile, str(folder))
    weights = read_weights(folder / WEIGHTS_FILE)
    network = build_network(description.config, encoders, dtype=dtype or torch.float32, empty=True)
    wanted = {key for key in network.state_dict() if network.is_stored(key)}
    put_weights(network, weights, wanted, folder / WEIGHTS_FILE)
    return Checkpoint(
        folder, network.to(device).eval(), description.contract, description.normalisation, description.manifest
    )
