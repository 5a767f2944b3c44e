import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mivla_ros.policies.polar_path import Pace, PolarPath, coordinates_of, polar, position_at, rotation_at

MS = 1_000_000
PACE = Pace(0.3, 0.8, 1.0, 2.5)

coordinates = st.tuples(st.floats(-2.0, 2.0), st.floats(0.15, 0.6), st.floats(0.0, 0.5), st.floats(-0.5, 1.4)).map(
    lambda values: polar(*values)
)
quaternions = st.lists(st.floats(-1, 1), min_size=4, max_size=4).map(np.array).filter(lambda q: np.linalg.norm(q) > 0.1)


def pose_at(where: np.ndarray, departure: np.ndarray | None = None) -> np.ndarray:
    rotation = rotation_at(where)
    if departure is not None:
        rotation = rotation * Rotation.from_rotvec(departure)
    return np.concatenate([position_at(where), rotation.as_quat(scalar_first=True)])


@given(coordinates)
def test_coordinates_say_where_the_tip_is_and_points(where: np.ndarray) -> None:
    azimuth, radius, height, tilt = where
    matrix = rotation_at(where).as_matrix()
    outwards = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    assert position_at(where) == pytest.approx([*(radius * outwards[:2]), height])
    assert matrix[:, 2] == pytest.approx(np.cos(tilt) * outwards - np.sin(tilt) * np.array([0.0, 0.0, 1.0]), abs=1e-9)
    assert matrix[:, 1] == pytest.approx([-np.sin(azimuth), np.cos(azimuth), 0.0], abs=1e-9)


@given(coordinates)
def test_a_pose_of_the_family_gives_its_coordinates_back(where: np.ndarray) -> None:
    found, departure = coordinates_of(pose_at(where))
    assert found == pytest.approx(where, abs=1e-9)
    assert departure == pytest.approx(np.zeros(3), abs=1e-7)


@given(quaternions, coordinates, coordinates)
def test_a_path_begins_exactly_at_any_pose_and_ends_exactly_at_its_goal(q, where, goal) -> None:
    pose = np.concatenate([position_at(where), q / np.linalg.norm(q)])
    path = PolarPath(0, pose, 1.0, PACE)
    end = path.move("go", goal, 0.0)
    poses, openings = path.sample([0, end])
    assert poses[0, :3] == pytest.approx(pose[:3], abs=1e-9)
    turn = Rotation.from_quat(poses[0, 3:], scalar_first=True).inv() * Rotation.from_quat(pose[3:], scalar_first=True)
    assert turn.magnitude() < 1e-6
    assert poses[1, :3] == pytest.approx(position_at(goal), abs=1e-9)
    assert openings.tolist() == [0.0, 0.0]


@given(coordinates, coordinates)
def test_a_move_keeps_its_pace_and_rests_at_both_ends(start: np.ndarray, goal: np.ndarray) -> None:
    path = PolarPath(0, pose_at(start), 1.0, PACE)
    end = path.move("go", goal, 1.0)
    times = np.linspace(0, end, 400).astype(np.int64)
    states = np.array([path.at(int(t)).state(int(t)) for t in times])
    speed, acceleration = states[:, 1], states[:, 2]
    assert np.abs(speed[:, 1:3]).max() <= PACE.speed * 1.001
    assert np.abs(speed[:, [0, 3]]).max() <= PACE.turn_speed * 1.001
    assert np.abs(acceleration[:, 1:3]).max() <= PACE.acceleration * 1.001
    assert np.abs(acceleration[:, [0, 3]]).max() <= PACE.turn_acceleration * 1.001
    assert states[[0, -1], 1:] == pytest.approx(np.zeros((2, 2, 4)), abs=1e-6)


@given(coordinates, coordinates, coordinates, st.floats(-0.2, 1.2))
def test_a_cut_changes_nothing_before_it_and_no_speed_at_it(start, goal, other, share: float) -> None:
    departure = np.array([0.1, -0.2, 0.3])
    whole, cut = (PolarPath(0, pose_at(start, departure), 1.0, PACE) for _ in range(2))
    end = whole.move("go", goal, 1.0)
    cut.move("go", goal, 1.0)
    at = round(share * end)
    cut.cut(at)
    cut.move("elsewhere", other, 0.0)
    before = [int(t) for t in np.linspace(0, max(at, 0), 20)[:-1]]
    assert cut.sample(before)[0] == pytest.approx(whole.sample(before)[0], abs=1e-9)
    if at > 0:
        left, right = cut.at(at - 1), cut.at(at)
        for one, other_side in zip(left.state(at), right.state(at), strict=True):
            assert one == pytest.approx(other_side, abs=1e-6)
        assert left.departure_at(at) == pytest.approx(right.departure_at(at), abs=1e-9)
    assert cut.goal == pytest.approx(other, abs=1e-9)


def test_a_rest_stays_where_the_path_ends() -> None:
    path = PolarPath(5, pose_at(polar(0.1, 0.3, 0.2, 0.4)), 1.0, PACE)
    end = path.rest("wait", 0.5, 0.0)
    assert end == 5 + 500 * MS
    poses, openings = path.sample([0, 5, 250 * MS, end, end + 1000 * MS])
    assert np.ptp(poses, axis=0) == pytest.approx(np.zeros(7), abs=1e-12)
    assert openings.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0] or openings.tolist() == [0.0] * 5


@given(coordinates, coordinates, st.floats(0.1, 0.9))
def test_a_rest_after_a_cut_in_mid_move_comes_to_a_halt_without_a_jump(start, goal, share: float) -> None:
    path = PolarPath(0, pose_at(start), 1.0, PACE)
    at = round(share * path.move("go", goal, 1.0))
    path.cut(at)
    end = path.rest("halt", 0.4, 1.0)
    for one, other in zip(path.at(at - 1).state(at), path.at(at).state(at), strict=True):
        assert one == pytest.approx(other, abs=1e-6)
    assert path.at(end).state(end)[1] == pytest.approx(np.zeros(4), abs=1e-6)
