"""The simulated arm does what its URDF, profile and controllers promise."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mivla_ros.robots.profile import load_profile
from mivla_ros.simulation.errors import DivergedError, SceneError, TrajectoryRejectedError
from mivla_ros.simulation.simulation import CONTROL_PERIOD_NS, Simulation
from mivla_ros.simulation.trajectory import JointTrajectory, joint_trajectory
from test.simulation.motions import PERIODS_A_SECOND, PickAndPlace, grip, move

ARM = load_profile("piper").arms[0]
READY = np.array(ARM.ready)


def arm_positions(simulation: Simulation) -> np.ndarray:
    return simulation.joint_states().positions[:6]


def test_begins_at_ready_with_open_gripper_and_stays_there(simulation: Simulation) -> None:
    for _ in range(3):
        states = simulation.joint_states()
        assert states.names == (*ARM.joints, "gripper")
        np.testing.assert_allclose(states.positions, [*READY, 0.1], atol=1e-4)
        np.testing.assert_allclose(states.velocities, 0, atol=1e-3)
        simulation.step(100)


@pytest.mark.parametrize(
    ("joints", "position"),
    [
        ((0, 0, 0, 0, 0, 0), (0.0561275, 0.0, 0.2132663)),
        ((0.2, 0.2, -0.2, 0.3, -0.2, 0.5), (0.0658537, 0.0078979, 0.2856503)),
    ],
)
def test_link6_is_where_the_vendors_kinematics_put_it(compiled: Simulation, joints: tuple, position: tuple) -> None:
    data = compiled._data
    for name, value in zip(ARM.joints, joints, strict=True):
        data.joint(name).qpos[0] = value
    np.testing.assert_allclose(compiled.frame_pose("link6")[:3], position, atol=2e-4)


def test_time_goes_on_over_resets(simulation: Simulation) -> None:
    began, episode = simulation.time_ns, simulation.episode
    simulation.step(3)
    assert simulation.time_ns == began + 3 * CONTROL_PERIOD_NS
    simulation.reset(4)
    assert simulation.time_ns == began + 3 * CONTROL_PERIOD_NS
    assert (simulation.episode, simulation.seed) == (episode + 1, 4)
    simulation.reset()
    assert simulation.seed == 5


def history(simulation: Simulation) -> list[np.ndarray]:
    move(simulation, READY + 0.3, 0.5)
    grip(simulation, 0.02)
    simulation.step(7)
    states = simulation.joint_states()
    return [states.positions, states.velocities, states.efforts, *simulation.object_poses().values()]


def test_same_seed_and_commands_give_the_same_states(simulation: Simulation) -> None:
    simulation.reset(3)
    first = history(simulation)
    simulation.step(50)
    simulation.reset(3)
    for one, other in zip(first, history(simulation), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_reset_leaves_nothing_of_the_last_episode(simulation: Simulation) -> None:
    simulation.reset(3)
    fresh = [simulation.joint_states().positions, *simulation.object_poses().values()]
    move(simulation, READY + 0.3, 0.5)
    simulation.command(ARM.controller, joint_trajectory(ARM.joints, [5.0], [READY - 0.3]))
    simulation.step(20)
    simulation.reset(3)
    for one, other in zip(
        fresh, [simulation.joint_states().positions, *simulation.object_poses().values()], strict=True
    ):
        np.testing.assert_array_equal(one, other)
    simulation.step(400)
    np.testing.assert_allclose(arm_positions(simulation), READY, atol=1e-3)


def test_the_arm_follows_a_smooth_motion_closely(simulation: Simulation) -> None:
    goal = READY + np.array([0.5, 0.3, -0.3, 0.4, -0.4, 0.5])
    simulation.command(ARM.controller, joint_trajectory(ARM.joints, [0.001, 1.5], [READY, goal], np.zeros((2, 6))))
    worst = 0.0
    for _ in range(300):
        simulation.step()
        wanted = simulation._drives.followers[ARM.controller].sample(simulation.time_ns).positions
        worst = max(worst, np.abs(arm_positions(simulation) - wanted).max())
    assert worst < 0.01
    np.testing.assert_allclose(arm_positions(simulation), goal, atol=2e-3)


def test_set_points_keep_the_urdfs_velocity_and_position_limits(simulation: Simulation) -> None:
    simulation.command(ARM.controller, joint_trajectory(ARM.joints, [0.01], [[2.6, 1.0, -1.0, 0.0, 5.0, 0.0]]))
    fastest = farthest = 0.0
    before = simulation._drives.setpoint
    for _ in range(300):
        simulation.step()
        farthest = max(farthest, np.abs(simulation._drives.setpoint - before)[0])
        before = simulation._drives.setpoint
        fastest = max(fastest, np.abs(simulation.joint_states().velocities[0]))
    assert farthest * PERIODS_A_SECOND == pytest.approx(3.14)
    assert 2.5 < fastest < 3.14 * 1.25
    assert arm_positions(simulation)[4] < 1.22 + 0.01
    np.testing.assert_allclose(arm_positions(simulation)[0], 2.6, atol=0.01)


def test_an_empty_trajectory_stops_the_arm_where_it_is(simulation: Simulation) -> None:
    simulation.command(ARM.controller, joint_trajectory(ARM.joints, [2.0], [READY + np.eye(6)[0]]))
    simulation.step(200)
    here = arm_positions(simulation)
    simulation.command(ARM.controller, JointTrajectory(()))
    simulation.step(200)
    assert 0.3 < here[0] < 0.7
    np.testing.assert_allclose(arm_positions(simulation), here, atol=0.03)


def test_the_gripper_opens_and_closes_as_one_joint(simulation: Simulation) -> None:
    grip(simulation, 0.03)
    assert abs(simulation.joint_states().positions[6] - 0.03) < 5e-4
    left, right = (simulation.frame_pose(f"gripper_link{i}")[:3] for i in (1, 2))
    assert abs(np.linalg.norm(left - right) - 0.03) < 5e-4
    tcp = simulation.frame_pose("tcp")[:3]
    np.testing.assert_allclose((left + right) / 2, tcp, atol=1e-3)


@pytest.mark.parametrize("seed", [0, 5, 11])
def test_a_grasp_holds_the_bottle_without_slip(simulation: Simulation, seed: int) -> None:
    simulation.reset(seed)
    PickAndPlace(simulation).pick()

    def bottle_in_tcp() -> tuple[np.ndarray, Rotation]:
        tcp, bottle = simulation.frame_pose("tcp"), simulation.object_poses()["bottle"]
        turn = Rotation.from_quat(tcp[3:], scalar_first=True).inv()
        return turn.apply(bottle[:3] - tcp[:3]), turn * Rotation.from_quat(bottle[3:], scalar_first=True)

    place, turn = bottle_in_tcp()
    assert simulation.object_poses()["bottle"][2] > 0.11
    simulation.step(400)
    later_place, later_turn = bottle_in_tcp()
    assert np.linalg.norm(later_place - place) < 2e-4
    assert np.degrees((turn.inv() * later_turn).magnitude()) < 0.1


def test_the_bottle_stands_still_on_table_for_long(simulation: Simulation) -> None:
    before = simulation.object_poses()["bottle"]
    simulation.step(4000)
    np.testing.assert_allclose(simulation.object_poses()["bottle"], before, atol=2e-4)


def test_wrong_names_are_refused_with_those_there_are(simulation: Simulation) -> None:
    with pytest.raises(SceneError, match="'leg_controller': not there, only arm_controller, gripper_controller"):
        simulation.command("leg_controller", JointTrajectory(()))
    with pytest.raises(TrajectoryRejectedError, match="arm_controller"):
        simulation.command(ARM.controller, joint_trajectory(["gripper"], [1.0], [[0.0]]))
    with pytest.raises(SceneError, match="'nose': not a link"):
        simulation.frame_pose("nose")


@pytest.mark.parametrize("bad", [np.nan, 1e6])
def test_broken_physics_is_reported_and_a_reset_heals_it(
    simulation: Simulation, bad: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # MuJoCo leaves a log file where it runs
    simulation._data.qvel[0] = bad
    with pytest.raises(DivergedError, match="physics"):
        simulation.step(20)
    simulation.reset(0)
    simulation.step(20)
    np.testing.assert_allclose(arm_positions(simulation), READY, atol=1e-3)


def test_a_description_without_what_the_profile_names_is_refused() -> None:
    with pytest.raises(SceneError, match="joint 'joint1'"):
        Simulation(load_profile("piper"), description="<robot name='r'><link name='base_link'/></robot>")
    with pytest.raises(SceneError, match="URDF: not XML"):
        Simulation(load_profile("piper"), description="no")
