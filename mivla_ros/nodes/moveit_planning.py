"""Ways to ready: by MoveIt's Python binding ``moveit_py`` where it is installed, else by our own planner.

MoveIt only finds the way. What it finds is checked against the profile's surroundings and timed within our limits like
every other way (``Going.plan``). MoveIt was not available where this was written: none of it has been run.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from rclpy.impl.rcutils_logger import RcutilsLogger

from mivla_ros.nodes.conversions import Array
from mivla_ros.retargeting import ArmMotion
from mivla_ros.retargeting.errors import RetargetingError, refuse
from mivla_ros.retargeting.going import Going
from mivla_ros.robots.description import robot_description, robot_semantics
from mivla_ros.robots.profile import RobotProfile
from mivla_ros.stop_reasons import Reason

OURS, MOVEIT = "our own planner", "moveit_py"
FILES = {
    "robot_description_kinematics": "kinematics.yaml",
    "robot_description_planning": "joint_limits.yaml",
    "ompl": "ompl_planning.yaml",
    "": "moveit_controllers.yaml",
}


class WayFinder:
    """``motions, name = finder(going)``: MoveIt first where there is one, ours where it is not or finds nothing.

    name: who found the way; the log says it too, and why MoveIt was passed over. Raises RetargetingError.
    """

    def __init__(self, log: RcutilsLogger) -> None:
        self._log = log
        self._moveit: tuple[Going, Callable[[Array, Array], Array]] | None = None

    def __call__(self, going: Going) -> tuple[dict[str, ArmMotion], str]:  # noqa: D102
        why = without_moveit(going)
        if not why:
            try:
                return going.plan(planner=self._planner(going)), MOVEIT
            except RetargetingError as error:
                why = str(error)
            except Exception as error:  # what a foreign library raises must not end the arm's node
                why = f"{type(error).__name__}: {error}"
        self._log.info(f"the way is planned by {OURS}, as moveit_py {why}")
        return going.plan(), OURS

    def _planner(self, going: Going) -> Callable[[Array, Array], Array]:
        if self._moveit is None or self._moveit[0].retargeter is not going.retargeter:
            self._moveit = going, moveit_planner(going.retargeter.profile, going.joint_names)
        return self._moveit[1]


def without_moveit(going: Going) -> str:
    """Why MoveIt does not plan this; empty where it does."""
    if find_spec("moveit") is None:
        return "is not installed"
    if going.retargeter.body is not None:
        return "knows no commanded body: the SRDF's groups hold arms only"
    return ""


def moveit_config(profile: RobotProfile, folder: Path) -> dict[str, Any]:
    """Parameters of a MoveItPy for one robot, from ``folder`` with its four YAML files, the URDF and the SRDF.

    Raises OSError, yaml.YAMLError.
    """
    config: dict[str, Any] = {
        "robot_description": robot_description(profile),
        "robot_description_semantic": robot_semantics(profile),
        "planning_pipelines": {"pipeline_names": ["ompl"]},
        "plan_request_params": {
            "planning_pipeline": "ompl",
            "planner_id": "RRTConnectkConfigDefault",
            "planning_attempts": 1,
            "planning_time": 2.0,
            "max_velocity_scaling_factor": 1.0,
            "max_acceleration_scaling_factor": 1.0,
        },
        "planning_scene_monitor_options": {
            "name": "planning_scene_monitor",
            "robot_description": "robot_description",
            "joint_state_topic": "joint_states",
            "attached_collision_object_topic": "moveit/planning_scene_monitor",
            "publish_planning_scene_topic": "moveit/publish_planning_scene",
            "monitored_planning_scene_topic": "moveit/monitored_planning_scene",
            "wait_for_initial_state_timeout": 5.0,
        },
    }
    for key, name in FILES.items():
        data = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
        config |= {key: data} if key else data
    return config


def moveit_planner(profile: RobotProfile, joint_names: tuple[str, ...]) -> Callable[[Array, Array], Array]:
    """A ``Planner`` by MoveIt's group of all arms. Raises RetargetingError where its configuration is not there."""
    try:
        folder = Path(get_package_share_directory("mivla_bringup")) / "config" / "moveit" / profile.name
        config = moveit_config(profile, folder)
    except (PackageNotFoundError, OSError, yaml.YAMLError) as error:
        raise refuse(Reason.DESCRIPTION_MISSING, f"MoveIt's configuration of {profile.name!r}", str(error)) from error
    robot = import_module("moveit.planning").MoveItPy(node_name="mivla_moveit", config_dict=config)
    state_type = import_module("moveit.core.robot_state").RobotState
    group = profile.arms[0].name if len(profile.arms) == 1 else "arms"
    component = robot.get_planning_component(group)

    def state_of(joints: Array) -> Any:  # noqa: ANN401  MoveIt's own type
        state = state_type(robot.get_robot_model())
        state.joint_positions = dict(zip(joint_names, joints.tolist(), strict=True))
        state.update()
        return state

    def plan(begin: Array, goal: Array) -> Array:
        component.set_start_state(robot_state=state_of(begin))
        component.set_goal_state(robot_state=state_of(goal))
        result = component.plan()
        if not result:
            raise refuse(Reason.COLLISION, "moveit_py", f"finds no way for group {group!r}: {result.error_code}")
        trajectory = result.trajectory.get_robot_trajectory_msg().joint_trajectory
        columns = [list(trajectory.joint_names).index(name) for name in joint_names]
        return np.array([point.positions for point in trajectory.points], dtype=np.float64)[:, columns]

    return plan
