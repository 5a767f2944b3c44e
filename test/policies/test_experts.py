"""The experts of ARX's and LocoMan's tasks, through the same retargeting and physics as everything else, without
ROS.
"""

import pytest

from mivla_ros.policies.headless import HeadlessRun
from mivla_ros.simulation.simulation import Simulation


@pytest.mark.parametrize("robot", ["arx_x5", "locoman"])
def test_expert_does_its_task(robot: str) -> None:
    episode = HeadlessRun("scripted", robot=robot).episode(seed=3)
    assert episode.success, str(episode)
    assert episode.completion == 1.0
    assert episode.refused_chunks == 0


class Thief(HeadlessRun):
    """Puts the left umbrella somewhere else once the hand has lifted it."""

    stolen = False

    def before_step(self, simulation: Simulation) -> None:
        if not self.stolen and simulation.progress().subtasks_done[0]:
            self.stolen = True
            simulation._data.joint("left_umbrella").qpos[:3] = [0.25, 0.22, 0.014]


def test_what_slips_out_of_the_hand_is_picked_up_again() -> None:
    run = Thief("scripted", robot="arx_x5")
    episode = run.episode(seed=3, limit=17.0)  # time for this umbrella, twice, not for the other one
    assert run.stolen
    assert run.simulation.progress().subtasks_done[:2] == (True, True), str(episode)
    assert not episode.failure
