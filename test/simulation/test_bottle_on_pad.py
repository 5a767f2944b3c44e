"""The task of the bottle and the pad: fair scenes, honest judgement."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mivla_ros.simulation.errors import SceneError
from mivla_ros.simulation.simulation import Simulation
from mivla_ros.simulation.state import SceneState, TaskProgress
from mivla_ros.simulation.tasks import BottleOnPad, make_task
from test.simulation.motions import PickAndPlace, move

TASK = BottleOnPad()
S = 1_000_000_000
UPRIGHT = [1.0, 0.0, 0.0, 0.0]


def turned(angle: float) -> list[float]:
    return list(Rotation.from_euler("x", angle).as_quat(scalar_first=True))


@given(st.integers(0, 2**31))
def test_scenes_lie_in_reach_and_apart(seed: int) -> None:
    poses = TASK.place(seed)
    bottle, pad = poses["bottle"], poses["pad"]
    assert np.linalg.norm(bottle[:2] - pad[:2]) >= TASK.least_distance
    for pose in (bottle, pad):
        assert 0.25 < np.linalg.norm(pose[:2]) < 0.50
        np.testing.assert_allclose(np.linalg.norm(pose[3:]), 1)
    assert bottle[2] == TASK.table_height
    for name, pose in TASK.place(seed).items():
        np.testing.assert_array_equal(pose, poses[name])


def test_seeds_differ() -> None:
    assert len({tuple(TASK.place(seed)["bottle"]) for seed in range(50)}) == 50


def state(
    seconds: float,
    bottle: tuple[float, float, float] = (0.3, 0.1, 0.0),
    quaternion: list[float] = UPRIGHT,
    touching: tuple[str, ...] = ("table",),
    tcp: tuple[float, float, float] = (0.3, 0.0, 0.3),
    joint: float = 0.5,
    speed: float = 0.0,
) -> SceneState:
    return SceneState(
        time_ns=S + round(seconds * S),
        objects={
            "bottle": np.array([*bottle, *quaternion]),
            "pad": np.array([0.3, -0.1, 0.002, *UPRIGHT]),
        },
        velocities={"bottle": np.array([speed, 0, 0, 0, 0, 0])},
        touching={"bottle": frozenset(touching), "pad": frozenset()},
        eef={"arm": np.array([*tcp, *UPRIGHT])},
        joints={"arm": np.full(6, joint)},
        joint_velocities={"arm": np.zeros(6)},
        openings={"arm": 1.0},
    )


HELD, ON_PAD, ABOVE_PAD = (0.3, 0.1, 0.1), (0.3, -0.1, 0.002), (0.3, -0.1, 0.1)


def judge(*states: SceneState) -> TaskProgress:
    tracker = TASK.tracker({"arm": np.zeros(6)})
    return [tracker.update(s) for s in states][-1]


def carried(until: float = 2.0) -> list[SceneState]:
    """Picked, moved over the pad, and put on it, still held."""
    return [
        state(0.0),
        state(1.0, HELD, touching=("robot",)),
        state(1.5, ABOVE_PAD, touching=("robot",)),
        state(until, ON_PAD, touching=("pad", "robot")),
    ]


def test_sub_tasks_are_done_in_order() -> None:
    states = [*carried(), state(2.1, ON_PAD, touching=("pad",)), state(2.7, ON_PAD, touching=("pad",))]
    states.append(state(4.0, ON_PAD, touching=("pad",), joint=0.0))
    done = [judge(*states[: n + 1]).subtasks_done for n in range(len(states))]
    assert [sum(d) for d in done] == [0, 1, 2, 2, 2, 3, 4]
    last = judge(*states)
    assert last.success
    assert last.completion == 1.0
    assert last.seconds == pytest.approx(2.7)


def test_success_needs_half_a_second_of_standing_there() -> None:
    assert not judge(*carried(), state(2.1, ON_PAD, touching=("pad",)), state(2.5, ON_PAD, touching=("pad",))).success
    assert judge(*carried(), state(2.1, ON_PAD, touching=("pad",)), state(2.6, ON_PAD, touching=("pad",))).success


@pytest.mark.parametrize(
    "change",
    [
        {"touching": ("pad", "robot")},
        {"tcp": (0.3, -0.13, 0.08)},
        {"speed": 0.1},
        {"quaternion": turned(0.3)},
        {"bottle": (0.34, -0.1, 0.002)},
        {"bottle": (0.3, -0.1, 0.03)},
    ],
    ids=["still touched", "hand around it", "moving", "leaning", "over the edge", "in the air"],
)
def test_no_success_while_something_is_amiss(change: dict) -> None:
    end = {"bottle": ON_PAD, "touching": ("pad",)} | change
    assert not judge(*carried(), state(2.1, **end), state(4.0, **end)).success


def test_an_arm_that_is_back_may_be_near_the_bottle() -> None:
    near = {"bottle": ON_PAD, "touching": ("pad",), "tcp": (0.3, -0.13, 0.08)}
    waits = [*carried(), state(2.1, **near), state(4.0, **near)]
    assert not judge(*waits).success
    assert judge(*waits, state(5.0, **near, joint=0.0)).success


def test_pushing_the_bottle_there_is_not_the_task() -> None:
    progress = judge(state(0), state(1, ON_PAD, touching=("pad", "robot")), state(2, ON_PAD), state(4, ON_PAD))
    assert progress.completion == 0.0
    assert not progress.success


def test_success_is_taken_back_when_the_bottle_is_hit_afterwards() -> None:
    stood = [*carried(), state(2.1, ON_PAD, touching=("pad",)), state(3.0, ON_PAD, touching=("pad",))]
    assert judge(*stood).success
    assert not judge(*stood, state(3.5, ON_PAD, touching=("pad", "robot"))).success


def test_falling_over_and_off_are_final_failures() -> None:
    fallen = judge(state(0), state(1, quaternion=turned(1.5)), state(2))
    assert fallen.failure == "the bottle fell over, it leans by 86 degrees"
    gone = judge(state(0), state(1, (1.0, 0.0, -0.3)), state(2))
    assert gone.failure == "the bottle left the table, its base is at z = -0.30 m"


def test_a_held_bottle_may_lean() -> None:
    assert judge(state(0), state(1, HELD, turned(1.5), ("robot",))).failure == ""


@pytest.mark.parametrize("seed", [1, 7])
def test_a_real_pick_and_place_succeeds(simulation: Simulation, seed: int) -> None:
    simulation.reset(seed)
    motion = PickAndPlace(simulation)
    motion.pick()
    assert simulation.progress().subtasks_done == (True, False, False, False)
    motion.place()
    assert not simulation.progress().success
    motion.retreat()
    assert simulation.progress().success
    assert simulation.progress().completion == 0.75
    motion.go_home()
    progress = simulation.progress()
    assert progress.success
    assert progress.completion == 1.0
    assert 5 < progress.seconds < 12


def test_knocking_the_bottle_over_fails(simulation: Simulation) -> None:
    motion = PickAndPlace(simulation)
    sideways = np.array([0.5, 0, 0, 0, 0, 0])
    move(simulation, motion.lifted - sideways, 1.0)
    move(simulation, motion.grasp - sideways, 1.0)
    move(simulation, motion.grasp + sideways, 0.4)
    simulation.step(200)
    assert "fell over" in simulation.progress().failure or "left the table" in simulation.progress().failure


def test_sizes_are_parameters() -> None:
    assert replace(TASK, bottle_radius=0.025).bottle_radius == 0.025


def test_tasks_are_found_by_name() -> None:
    assert make_task("bottle_on_pad").name == "bottle_on_pad"
    with pytest.raises(SceneError, match="'dance': not known, there are bottle_on_pad"):
        make_task("dance")
