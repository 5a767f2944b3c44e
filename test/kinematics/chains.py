"""Robots for the tests of kinematics: PiPER as the suite describes it, and small ones written out here."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from mivla_ros.kinematics import Chain, chain_from_urdf
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile

# seven joints, one of them sliding, one continuous, axes that are not z, fixed joints in between
SEVEN_JOINTS = """
<robot name="seven">
  <link name="base"/> <link name="mount"/> <link name="a"/> <link name="b"/> <link name="c"/> <link name="d"/>
  <link name="e"/> <link name="f"/> <link name="g"/> <link name="tool"/> <link name="finger"/>
  <joint name="foot" type="fixed">
    <parent link="base"/><child link="mount"/><origin xyz="0.1 0 0.2" rpy="0.1 -0.2 0.3"/>
  </joint>
  <joint name="j1" type="prismatic">
    <parent link="mount"/><child link="a"/><origin xyz="0 0 0.1"/><axis xyz="0 0 2"/>
    <limit lower="-0.1" upper="0.3" velocity="0.5" effort="1"/>
  </joint>
  <joint name="j2" type="continuous">
    <parent link="a"/><child link="b"/><origin rpy="0.4 0 0"/><axis xyz="0 1 0"/>
  </joint>
  <joint name="j3" type="revolute">
    <parent link="b"/><child link="c"/><origin xyz="0.3 0 0"/>
    <limit lower="-2" upper="2" velocity="0" effort="1"/>
  </joint>
  <joint name="j4" type="revolute">
    <parent link="c"/><child link="d"/><origin xyz="0.2 0.05 0" rpy="0 0.3 -0.6"/><axis xyz="0.6 0 -0.8"/>
    <limit lower="-1.5" upper="2.5" velocity="2" effort="1"/>
  </joint>
  <joint name="j5" type="revolute">
    <parent link="d"/><child link="e"/><origin xyz="0.15 0 0"/><axis xyz="0 -1 0"/>
    <limit lower="-2" upper="1" velocity="2" effort="1"/>
  </joint>
  <joint name="j6" type="revolute">
    <parent link="e"/><child link="f"/><origin xyz="0.1 0 0"/><axis xyz="0 0 1"/>
    <limit lower="-2" upper="2" velocity="2" effort="1"/>
  </joint>
  <joint name="j7" type="revolute">
    <parent link="f"/><child link="g"/><origin xyz="0.05 0 0"/><axis xyz="1 0 0"/>
    <limit lower="-3" upper="3" velocity="2" effort="1"/>
  </joint>
  <joint name="flange" type="fixed">
    <parent link="g"/><child link="tool"/><origin xyz="0.1 0 0.02" rpy="1 2 3"/>
  </joint>
  <joint name="pinch" type="prismatic">
    <parent link="tool"/><child link="finger"/><limit lower="0" upper="0.1" velocity="1" effort="1"/>
    <mimic joint="j7"/>
  </joint>
</robot>
"""


@cache
def piper_urdf() -> str:
    """PiPER with default arguments."""
    return robot_description(load_profile("piper"))


@cache
def piper() -> Chain:
    """PiPER from its base to its tool centre point."""
    return chain_from_urdf(piper_urdf(), "base_link", "tcp")


@cache
def seven_joints() -> Chain:
    """A chain of seven joints of every kind."""
    return chain_from_urdf(SEVEN_JOINTS, "base", "tool")


def random_joints(chain: Chain, count: int, seed: int) -> NDArray[np.float64]:
    """Joint values (count, n) anywhere within the limits."""
    lower, upper = np.maximum(chain.lower, -np.pi), np.minimum(chain.upper, np.pi)
    return lower + np.random.default_rng(seed).random((count, chain.size)) * (upper - lower)
