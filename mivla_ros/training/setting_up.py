"""From paths and a checkpoint to a training job: the network, the data that was checked, its statistics, the split."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mivla_ros.action_space import ACTION_SIZE
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.formats import EpisodeRef, find_episodes
from mivla_ros.episodes.splits import split_episodes
from mivla_ros.model.checkpoint import load_checkpoint
from mivla_ros.model.checkpoint_files import read_description
from mivla_ros.model.config import NetworkConfig
from mivla_ros.model.contract import Contract, contract_mismatches, make_contract
from mivla_ros.model.encoder_weights import EncoderSource
from mivla_ros.model.network import MivlaNetwork, build_network
from mivla_ros.model.presets import PRESETS, preset
from mivla_ros.model.statistics import Normalisation, statistics_of
from mivla_ros.robots.profile import RobotProfile, load_profile
from mivla_ros.training.checking import Report, check
from mivla_ros.training.errors import TrainingError
from mivla_ros.training.preparing import PreparationOptions, PreparedEpisode, find_prepared, prepare

STATISTICS_ROWS = 400_000  # at most, of which quantiles are taken


@dataclass(frozen=True, eq=False)
class Start:
    """What training begins with: a network and what it means; normalisation None: of the new data."""

    network: MivlaNetwork
    contract: Contract
    normalisation: Normalisation | None
    source: str


def starting_point(
    source: str,
    profile: RobotProfile,
    seed: int,
    encoders: EncoderSource,
    cameras: Sequence[str] | None = None,
    step_seconds: float | None = None,
) -> Start:
    """source: a checkpoint's folder, or the name of a network for random weights. Raises ModelError, TrainingError."""
    if source in PRESETS:
        config = preset(source)
        contract = make_contract(profile, config, step_seconds or 0.1, cameras=cameras)
        return Start(build_network(config, encoders, seed), contract, None, f"random weights, seed {seed}")
    folder = Path(source)
    if not folder.is_dir():
        raise TrainingError("--from", f"{source!r} is neither a folder nor one of {', '.join(PRESETS)}")
    loaded = load_checkpoint(folder, None, encoders)
    same_robot = not contract_mismatches(loaded.contract, profile)
    contract = loaded.contract
    if not same_robot or cameras is not None or step_seconds is not None:
        contract = make_contract(profile, loaded.config, step_seconds or contract.step_seconds, cameras=cameras)
    return Start(loaded.network, contract, loaded.normalisation if same_robot else None, loaded.hash)


def take_sight(network: MivlaNetwork, folder: Path) -> None:
    """Put the image encoder of a checkpoint in the place of the network's. Raises ModelError, TrainingError."""
    given = load_checkpoint(folder, None, EncoderSource()).network
    if given.config.vision != network.config.vision:
        raise TrainingError(str(folder), f"has another image encoder than {network.config.name!r}")
    network.vision.load_state_dict(given.vision.state_dict())


def find(paths: Sequence[Path]) -> tuple[list[EpisodeRef], list[tuple[str, str]]]:
    """Episodes under some paths, each once, and (path, error) of files that are none. Raises TrainingError for a path
    with neither."""
    refs: dict[EpisodeRef, None] = {}
    errors = []
    for path in paths:
        try:
            found = find_episodes(path)
        except EpisodeError as error:
            raise TrainingError(str(path), str(error)) from error
        if not found:
            raise TrainingError(str(path), "holds no episode of a known format")
        for one in found:
            if isinstance(one, EpisodeError):
                errors.append((str(path), str(one)))
            else:
                refs[one] = None
    return list(refs), errors


def prepared_and_checked(
    paths: Sequence[Path],
    start: Start,
    profile: RobotProfile,
    robot: str,
    cache: Path,
    workers: int = 1,
    rate: float = 0.0,
    keep_bad: bool = False,
    keep_failures: bool = False,
    any_robot: bool = False,
) -> Report:
    """Find, prepare and check episodes. robot: name or file of the profile; any_robot: others' too, whose values are
    checked against nothing but their files. Raises TrainingError."""
    options = preparation_options(start.contract, start.network.config, robot, rate)
    ready: list[PreparedEpisode] = []
    others = []
    for path in paths:
        known = find_prepared(path, options)
        ready += known
        if not known:
            others.append(path)
    refs, errors = find(others)
    episodes, unreadable = prepare(refs, options, cache, workers)
    return check([*ready, *episodes], [*errors, *unreadable], profile, keep_bad, keep_failures, any_robot)


def preparation_options(contract: Contract, config: NetworkConfig, robot: str, rate: float = 0.0) -> PreparationOptions:
    """How episodes are prepared for a network. robot: name or file of the profile; rate: see PreparationOptions."""
    return PreparationOptions(
        robot=robot,
        cameras=contract.cameras,
        horizon=contract.horizon,
        step_seconds=contract.step_seconds,
        first_step_seconds=contract.first_step_seconds,
        rate=rate,
        vision=config.vision,
    )


def prepared_for(source: str, robot: str) -> PreparationOptions:
    """How episodes are prepared for a checkpoint's folder, or for the network of that name, with random weights.

    Raises ModelError, TrainingError.
    """
    if source in PRESETS:
        config = preset(source)
        return preparation_options(make_contract(load_profile(robot), config), config, robot)
    folder = Path(source)
    if not folder.is_dir():
        raise TrainingError("network", f"{source!r} is neither a folder nor one of {', '.join(PRESETS)}")
    known = read_description(folder, verify=False)
    return preparation_options(known.contract, known.config, robot)


def first_of(episodes: Sequence[PreparedEpisode], count: int) -> list[PreparedEpisode]:
    """The first ``count``, 0 for all. Raises TrainingError where there are fewer."""
    if count < 0 or count > len(episodes):
        raise TrainingError("--first", f"is {count}, there are {len(episodes)} good episodes")
    return list(episodes[:count] if count else episodes)


def split(
    episodes: Sequence[PreparedEpisode], share: float, seed: int
) -> tuple[list[PreparedEpisode], list[PreparedEpisode]]:
    """Training and validation, by whole episodes."""
    names = [episode.name for episode in episodes]
    if len(set(names)) != len(names):
        names = [f"{episode.path} {episode.name}" for episode in episodes]
    if len(set(names)) != len(names):
        names = [f"{index} {name}" for index, name in enumerate(names)]
    parts = split_episodes(names, share, seed)
    return [episodes[i] for i in parts.training], [episodes[i] for i in parts.validation]


def normalisation_of(episodes: Sequence[PreparedEpisode], imitate: bool) -> Normalisation:
    """Statistics of states and actions; without ``imitate``, the other body's values have none."""
    total = sum(len(e) * e.actions.shape[1] for e in episodes)
    every = max(1, -(-total // STATISTICS_ROWS))
    masks = [e.own | e.imitated if imitate else e.own for e in episodes]
    rows = np.concatenate([e.actions.reshape(-1, ACTION_SIZE)[::every] for e in episodes])
    mask = np.concatenate([m.reshape(-1, ACTION_SIZE)[::every] for m in masks])
    states = np.concatenate([e.state for e in episodes])
    known = np.concatenate([e.state_mask for e in episodes])
    return Normalisation(
        source=f"{len(episodes)} episodes, {len(states)} samples",
        state=statistics_of(states, known),
        actions=statistics_of(rows, mask),
    )


def with_words(contract: Contract, episodes: Sequence[PreparedEpisode]) -> Contract:
    """The contract with an example of the words."""
    words = next((episode.instructions[0] for episode in episodes if episode.instructions), "")
    return replace(contract, instruction=words)
