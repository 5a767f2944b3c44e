"""One compiled simulation for all tests of this folder; each test resets it to a seed of its own."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from mivla_ros.robots.profile import load_profile
from mivla_ros.simulation.simulation import Simulation

# no test may fail because the machine is busy
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")


@pytest.fixture(scope="session")
def compiled() -> Iterator[Simulation]:
    """The PiPER with its task."""
    with Simulation(load_profile("piper")) as simulation:
        yield simulation


@pytest.fixture
def simulation(compiled: Simulation) -> Simulation:
    """The same, at the start of the episode with seed 0."""
    compiled.reset(0)
    return compiled
