"""Where a robot's arms are while its expert does its task, without a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mivla_ros.demonstrations.errors import DemonstrationError
from mivla_ros.demonstrations.expert_run import ExpertRun
from mivla_ros.episodes.unified import UnifiedEpisode
from mivla_ros.robots.profile import RobotProfile

SEEDS = tuple(range(210_000, 210_012))  # of scenes that neither evaluation nor usual demonstrations take
LIMIT, LATENCY, DISTURBANCE, PERIOD = 30.0, 0.05, 0.02, 0.25  # s, s, rad, s


def expert_postures(profile: RobotProfile, seeds: Sequence[int] = SEEDS) -> NDArray[np.float64]:
    """(M, 76) states of the unified space, four a second. Raises DemonstrationError where the expert never succeeds."""
    run = ExpertRun("scripted", None, profile.name, LATENCY)
    found = []
    try:
        for seed in seeds:
            path = Path(f"{profile.name}_{seed}")
            episode, taken = run.remember(path, seed, LIMIT, disturbance=DISTURBANCE, pictures=0.1)
            if episode.success:
                known = taken.episode()
                stamps = known.streams["joints"].stamps_ns
                moments = np.arange(stamps[0], stamps[-1], round(PERIOD * 1e9))
                found.append(UnifiedEpisode(known).states(moments).values)
    finally:
        run.simulation.close()
    if not found:
        raise DemonstrationError(profile.name, f"its expert did not succeed in seeds {seeds[0]} to {seeds[-1]}")
    return np.concatenate(found)
