"""The launch description that all robots share; their launch files differ only in the robot profile."""

import os
import shutil
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    EmitEvent,
    GroupAction,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    UnsetEnvironmentVariable,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch_ros.actions import Node, PushRosNamespace, SetParameter, SetRemap
from launch_ros.parameter_descriptions import ParameterValue

from mivla_bringup.arguments import (
    DISCOVERY_VARIABLE,
    LEARNED,
    ArgumentError,
    Settings,
    arguments,
    on_network,
    read_settings,
)
from mivla_ros.hardware.driver_names import ADAPTED
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import RobotProfile, load_profile

SUITE = "mivla_ros"
FAST_DDS_VARIABLE = "FASTRTPS_DEFAULT_PROFILES_FILE"


def robot_launch(robot: str) -> LaunchDescription:
    """Everything that runs for one robot of that profile name."""
    share = Path(get_package_share_directory("mivla_bringup"))
    declared = arguments(robot, str(share / "config" / f"{robot}.yaml"))

    def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        settings = read_settings(context, declared)
        return [
            *_middleware(settings, share),
            *_nodes(load_profile(settings.profile), settings, share),
        ]

    return LaunchDescription([*(argument.declare() for argument in declared), OpaqueFunction(function=start)])


def _middleware(settings: Settings, share: Path) -> list[LaunchDescriptionEntity]:
    """Who may be spoken to, and the transports that carry images without loss."""
    actions: list[LaunchDescriptionEntity] = []
    if settings.network != on_network() or not os.environ.get(DISCOVERY_VARIABLE):
        actions.append(SetEnvironmentVariable(DISCOVERY_VARIABLE, "SUBNET" if settings.network else "LOCALHOST"))
    present = os.environ.get(FAST_DDS_VARIABLE, "")
    ours = not present or Path(present).name.startswith("fastdds_")
    if not settings.fast_dds_profile:
        return [*actions, UnsetEnvironmentVariable(FAST_DDS_VARIABLE)] if ours and present else actions
    if not ours:
        return [*actions, LogInfo(msg=f"{FAST_DDS_VARIABLE} is set to {present}: left as it is")]
    profile = share / "config" / ("fastdds_network.xml" if settings.network else "fastdds_loopback.xml")
    return [*actions, SetEnvironmentVariable(FAST_DDS_VARIABLE, str(profile))]


LATENESS = ["JOINTS_STALE", "STREAM_STALE", "STREAM_MISSING", "TRANSFORM_STALE", "CHUNK_EXPIRED", "POLICY_SILENT"]
"""What a simulator on a busy machine does and a robot's driver does not; there the arm holds and goes on by itself."""


def _nodes(profile: RobotProfile, settings: Settings, share: Path) -> list[LaunchDescriptionEntity]:
    urdf = robot_description(profile)
    description = {"robot_description": ParameterValue(urdf, value_type=str)}
    parameters = [settings.parameters_file] if settings.parameters_file else []

    def suite_node(name: str, values: dict[str, object]) -> Node:
        return Node(
            package=SUITE,
            executable=f"{name}_node",
            name=name,
            output="screen",
            parameters=[*parameters, {"robot": settings.profile, **values}],
            ros_arguments=["--log-level", f"{name}:={settings.log_level}"],
        )

    needed = [
        Node(
            package="robot_state_publisher",
            executable="robot_state_publisher",
            output="screen",
            parameters=[description, {"publish_frequency": profile.command_rate}],
        ),
        suite_node("retargeting", {**description, **({"resumes_after": LATENESS} if settings.simulated else {})}),
        suite_node(
            "policy",
            {
                "policy": settings.policy,
                "instruction": settings.instruction,
                "demonstration.file": settings.demonstration,
                "options": policy_options(settings) or [""],
                "seed": settings.seed,
                # what is recorded are the compressed images: the policy looks at the same bytes
                **({"image_transport": "compressed"} if settings.record else {}),
                **({"deadline": settings.deadline} if settings.deadline else {}),
            },
        ),
    ]
    if settings.simulated:
        needed.insert(0, suite_node("simulation", {"seed": settings.seed, "viewer": settings.viewer}))
    elif settings.driver in ADAPTED:
        needed.insert(
            0, suite_node("hardware", {"driver": settings.driver, "options": settings.driver_options.split() or [""]})
        )
    folder = str(Path(settings.record_folder).resolve())
    needed.append(suite_node("recorder", {"folder": folder, "automatic": settings.record}))
    optional = [_rviz(share)] if settings.rviz else []
    watch = []
    if settings.exit_on_success or settings.timeout:
        watch.append(
            suite_node("task_watch", {"timeout": settings.timeout, "exit_on_success": settings.exit_on_success})
        )
    group = GroupAction(
        [
            PushRosNamespace(settings.namespace),
            SetRemap("/tf", "tf"),
            SetRemap("/tf_static", "tf_static"),
            SetRemap("/clock", "clock"),
            SetParameter("use_sim_time", settings.simulated),
            *needed,
            *optional,
            *watch,
        ]
    )
    handlers = [RegisterEventHandler(OnProcessExit(target_action=node, on_exit=_needed_node_ended)) for node in needed]
    handlers += [RegisterEventHandler(OnProcessExit(target_action=node, on_exit=_task_ended)) for node in watch]
    return [*handlers, group]


def policy_options(settings: Settings) -> list[str]:
    """Options of the policy, NAME=VALUE: the arguments made for it, then what policy_options says."""
    given: dict[str, str] = {}
    if settings.policy == "openpi":
        given = {
            "url": settings.policy_url,
            "adapter": settings.policy_adapter,
            "api_key_file": settings.policy_api_key_file,
        }
    elif settings.policy == "replay":
        given = {"path": settings.episode}
    elif settings.policy in LEARNED:
        given = {"checkpoint": settings.checkpoint}
    return [*(f"{name}={value}" for name, value in given.items() if value), *settings.policy_options.split()]


def _rviz(share: Path) -> Node:
    if shutil.which("rviz2") is None:
        raise ArgumentError("rviz", "true", "rviz2 is not installed (Ubuntu: apt install ros-jazzy-rviz2)")
    return Node(package="rviz2", executable="rviz2", arguments=["-d", str(share / "rviz" / "robot.rviz")])


def _needed_node_ended(event: ProcessExited, context: LaunchContext) -> None:
    """Without one of its nodes the robot must not run on half alive: end the launch with status 1."""
    if not context.is_shutdown:
        raise RuntimeError(f"{event.process_name} ended with status {event.returncode}, so the launch ends")


def _task_ended(event: ProcessExited, context: LaunchContext) -> EmitEvent | None:
    """The task watch ends with 0 when the task is done; only an exception gives a launch another status."""
    if context.is_shutdown:
        return None
    if event.returncode == 0:
        return EmitEvent(event=Shutdown(reason="the task is done"))
    raise RuntimeError("the task is not done")
