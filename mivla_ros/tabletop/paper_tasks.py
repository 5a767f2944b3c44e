"""The paper's three tasks as acts. Their scenes and judges are in simulation/tasks; poses are theirs: a bottle's and a
basket's at the underside's middle, a block's and an umbrella's in the thing's middle, a pad's on its top."""

from math import pi

from mivla_ros.tabletop.acts import Act
from mivla_ros.tabletop.things import Grasp

_KNOB = Grasp((-0.068, 0.0, 0.03), 0.012, (pi / 2,))
_BLOCK = Grasp((0.0, 0.0, 0.011), 0.017, (0.0, pi / 2))
_UMBRELLA = Grasp((0.0, 0.0, 0.006), 0.026, (pi / 2,))

PAPER_ACTS: dict[str, tuple[Act, ...]] = {
    "bottle_on_pad": (Act("bottle", "pad", grasp=Grasp((0.0, 0.0, 0.095), 0.056, (), power=True)),),
    "gather_objects": (
        Act("basket", "pad", (0.0, 0.0, 0.002), turn=0.0, hand="left", grasp=_KNOB),
        Act("block", "basket", (0.004, 0.0, 0.026), turn=0.0, period=pi, hand="right", grasp=_BLOCK),
    ),
    "umbrella_rack": (
        Act("left_umbrella", "rack", (0.0, 0.045, 0.014), turn=0.0, hand="left", grasp=_UMBRELLA),
        Act("right_umbrella", "rack", (0.0, -0.045, 0.014), turn=0.0, hand="right", grasp=_UMBRELLA),
    ),
}  # fmt: skip
