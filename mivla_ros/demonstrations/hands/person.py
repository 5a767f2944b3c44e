"""Who demonstrates: drawn from a seed."""

from dataclasses import dataclass

import numpy as np

from mivla_ros.simulation.hands.hand_bodies import Looks

SKINS = (
    (0.95, 0.80, 0.70), (0.89, 0.70, 0.57), (0.79, 0.58, 0.44), (0.64, 0.44, 0.31), (0.47, 0.31, 0.21),
    (0.33, 0.22, 0.16),
)  # fmt: skip
SLEEVES = ((0.20, 0.27, 0.42), (0.55, 0.14, 0.16), (0.85, 0.85, 0.83), (0.13, 0.13, 0.14), (0.28, 0.42, 0.30))


@dataclass(frozen=True)
class Person:
    """tempo: factor on durations. aim: how far a reach's first part ends beside its goal, share of the way (standard
    deviation). tremor: m, of slow unsteadiness. curve: sideways bulge of a reach, share of the way. left_handed: which
    hand does what either could. eyes: height of the head's camera above the table, m. sway: m, of the head."""

    looks: Looks
    tempo: float = 1.0
    aim: float = 0.05
    tremor: float = 0.0012
    curve: float = 0.05
    left_handed: bool = False
    eyes: float = 0.40
    sway: float = 0.008


def draw_person(random: np.random.Generator) -> Person:
    """A person; the same generator state gives the same one."""
    skin = np.array(SKINS[int(random.integers(len(SKINS)))]) * random.uniform(0.93, 1.05)
    sleeve = SLEEVES[int(random.integers(len(SLEEVES)))]
    red, green, blue = (float(v) for v in np.clip(skin, 0.0, 1.0))
    return Person(
        looks=Looks((red, green, blue, 1.0), (*sleeve, 1.0), float(np.clip(random.normal(1.0, 0.05), 0.88, 1.12))),
        tempo=float(np.clip(random.normal(1.0, 0.12), 0.75, 1.35)),
        aim=float(random.uniform(0.03, 0.08)),
        tremor=float(random.uniform(0.0006, 0.0018)),
        curve=float(random.normal(0.0, 0.06)),
        left_handed=bool(random.random() < 0.15),
        eyes=float(random.uniform(0.34, 0.44)),
        sway=float(random.uniform(0.004, 0.012)),
    )
