"""The PiPer descriptions with default arguments."""

import pytest
from piper_arm import Arm, expand


@pytest.fixture(scope="session")
def arm() -> Arm:
    """One PiPer with default arguments."""
    return Arm(expand("piper.urdf.xacro").toxml())


@pytest.fixture(scope="session")
def old_arm() -> Arm:
    """One PiPer with the zeros of old arm firmware."""
    return Arm(expand("piper.urdf.xacro", dh_variant="old").toxml())


@pytest.fixture(scope="session")
def pair() -> Arm:
    """Two PiPers with default arguments."""
    return Arm(expand("piper_bimanual.urdf.xacro").toxml())
