"""Who plans a way to ready: MoveIt where it is installed, else our planner, and the log says which."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS")
pytest.importorskip("ament_index_python", reason="needs ROS")

from mivla_ros.nodes.moveit_planning import OURS, WayFinder, moveit_config, without_moveit
from mivla_ros.retargeting import Retargeter
from mivla_ros.retargeting.going import Going
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile

CONFIG = Path(__file__).parents[2] / "mivla_bringup" / "config" / "moveit"


class Log:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def info(self, words: str) -> None:
        """Keep it."""
        self.said.append(words)


def test_without_moveit_ours_plans_and_the_log_says_so() -> None:
    profile = load_profile("piper")
    retargeter = Retargeter(profile, robot_description(profile))
    going = Going(retargeter, {"arm": np.array(profile.arms[0].ready) + 0.1})
    if not without_moveit(going):
        pytest.skip("moveit_py is installed here")
    log = Log()
    motions, finder = WayFinder(log)(going)  # type: ignore[arg-type]
    assert finder == OURS
    assert log.said and "not installed" in log.said[0]
    assert motions["arm"].arm.positions[-1] == pytest.approx(profile.arms[0].ready, abs=1e-3)


@pytest.mark.parametrize("robot", ["piper", "piper_bimanual", "arx_x5", "arx_x5_bimanual", "locoman"])
def test_moveit_is_given_descriptions_limits_pipeline_and_controllers(robot: str) -> None:
    profile = load_profile(robot)
    config = moveit_config(profile, CONFIG / robot)
    assert "<robot" in config["robot_description"] and "<robot" in config["robot_description_semantic"]
    assert set(config["robot_description_kinematics"]) == {arm.name for arm in profile.arms}
    assert set(config["robot_description_planning"]["joint_limits"]) >= set(profile.arms[0].joints)
    pipeline = config[config["planning_pipelines"]["pipeline_names"][0]]
    assert config["plan_request_params"]["planner_id"] in pipeline["planner_configs"]
    assert config["moveit_simple_controller_manager"]["controller_names"]
