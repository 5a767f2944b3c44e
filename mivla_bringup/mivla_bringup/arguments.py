"""Launch arguments: declared with type and description, read back as one frozen dataclass."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument

from mivla_ros.checkpoints import shipped_checkpoint
from mivla_ros.hardware.driver_names import Driver

POLICIES = ("scripted", "demonstration", "mivla", "h_rdt", "openpi", "replay")
LEARNED = ("mivla", "h_rdt")
NETWORK_PACKAGES = ("torch", "transformers", "onnxruntime", "onnxscript")
"""Without one of them, as where only rosdep's packages are, nobody who names no policy gets a network."""
DRIVERS = tuple(str(driver) for driver in Driver)
DISCOVERY_VARIABLE = "ROS_AUTOMATIC_DISCOVERY_RANGE"
LOG_LEVELS = ("debug", "info", "warn", "error")


class ArgumentError(ValueError):
    """A launch argument that cannot be used; says which, its value, and what it may be."""

    def __init__(self, name: str, value: str, wanted: str) -> None:
        super().__init__(f"launch argument {name}:={value!r}: {wanted}")
        self.name = name
        self.value = value


@dataclass(frozen=True)
class Argument:
    """One launch argument: ``read`` turns its text into a value or raises ValueError saying what it may be."""

    name: str
    default: str
    description: str
    read: Callable[[str], object]

    def declare(self) -> DeclareLaunchArgument:
        """The declaration that `ros2 launch --show-args` prints."""
        return DeclareLaunchArgument(self.name, default_value=self.default, description=self.description)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return text.lower() == "true"


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ValueError("must be a whole number") from error


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise ValueError("must be a number of seconds") from error
    if not 0 <= value < float("inf"):
        raise ValueError("must be 0 (no limit) or a positive number of seconds")
    return value


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(filter(None, choices))}")
        return text

    return read


def _file(text: str) -> str:
    if text and not Path(text).is_file():
        raise ValueError("is not a file" if not Path(text).exists() else "is a folder, must be a file")
    return str(Path(text).resolve()) if text else ""


def _namespace(text: str) -> str:
    name = text.strip("/")
    if not all(part.isidentifier() for part in name.split("/") if name):
        raise ValueError("must be empty or a ROS namespace of letters, digits and underscores")
    return name


def _folder(text: str) -> str:
    if text and not Path(text).expanduser().is_dir():
        raise ValueError("is a file, must be a folder" if Path(text).expanduser().exists() else "is not a folder")
    return str(Path(text).expanduser().resolve()) if text else ""


def _episode(text: str) -> str:
    folder, _, number = text.rpartition("#")
    path = Path(text).expanduser()
    if folder and number.isdigit() and not path.exists():
        path = Path(folder).expanduser()
    else:
        number = ""
    if text and not path.exists():
        raise ValueError("is not there")
    return f"{path.resolve()}{'#' * bool(number)}{number}" if text else ""


def _url(text: str) -> str:
    if text and not text.startswith(("ws://", "wss://")):
        raise ValueError("must be ws://HOST:PORT or wss://HOST:PORT")
    return text.strip()


def _adapter(text: str) -> str:
    return _file(text) if text.endswith((".yaml", ".yml")) else text.strip()


def _words(text: str) -> str:
    return text.strip()


def on_network() -> bool:
    """True where the environment already lets nodes speak to other machines."""
    return os.environ.get(DISCOVERY_VARIABLE, "").upper() not in ("", "LOCALHOST", "OFF")


def arguments(robot: str, parameters_file: str) -> tuple[Argument, ...]:
    """All arguments of a robot's launch file, in the order in which they are shown."""
    return (
        Argument("profile", robot, "Robot profile: a name, or a YAML file like mivla_ros/robots/piper.yaml.", _words),
        Argument(
            "policy",
            "",
            f"What decides the actions: {', '.join(POLICIES)}; empty: mivla, where checkpoint:= is given or, in "
            "simulation, the suite brings one for the robot, else scripted.",
            _one_of("", *POLICIES),
        ),
        Argument("instruction", "", "Words for the task; empty: the task's own words.", _words),
        Argument(
            "demonstration", "", "File that policy:=demonstration plays (EEF motion or hand trajectory, .npz).", _file
        ),
        Argument("episode", "", "Recorded episode that policy:=replay plays (folder, file, SET#NUMBER).", _episode),
        Argument("policy_url", "", "Server that policy:=openpi asks, ws://HOST:PORT or wss://HOST:PORT.", _url),
        Argument(
            "policy_adapter",
            "mivla",
            "Layout of that server: mivla (of mivla serve), a name, or a YAML file.",
            _adapter,
        ),
        Argument("policy_api_key_file", "", "File whose first line is the API key of that server.", _file),
        Argument(
            "checkpoint",
            "",
            f"Checkpoint's folder that policy:={' or '.join(LEARNED)} runs; empty: in simulation mivla runs the one "
            "that comes with the suite, where there is one.",
            _folder,
        ),
        Argument("policy_options", "", "Options of the policy, NAME=VALUE with spaces between.", _words),
        Argument("deadline", "0", "Seconds an inference may take; 0: as the parameters file says.", _seconds),
        Argument("simulated", "true", "true: physics and cameras simulated here; false: a robot is there.", _boolean),
        Argument("driver", "none", f"Who moves a real robot: {', '.join(DRIVERS)}.", _one_of(*DRIVERS)),
        Argument("driver_options", "", "Options of the driver's adapter, NAME=VALUE with spaces between.", _words),
        Argument("seed", "0", "Seed of the simulated scene and of the policy (whole number).", _integer),
        Argument("viewer", "false", "true: open a window on the simulation, where there is a screen.", _boolean),
        Argument("rviz", "false", "true: open RViz with robot, frames, cameras, chunk and path.", _boolean),
        Argument(
            "namespace", "", "Namespace of every node and topic, for a second robot beside the first.", _namespace
        ),
        Argument(
            "record",
            "false",
            "true: record by itself, one rosbag2 folder (MCAP) a task; false: when asked to.",
            _boolean,
        ),
        Argument("record_folder", "recordings", "Folder in which each recorded episode gets a folder.", _words),
        Argument(
            "network", str(on_network()).lower(), "true: speak to other machines; false: stay on this one.", _boolean
        ),
        Argument("fast_dds_profile", "true", "true: use the suite's Fast DDS profile, made for images.", _boolean),
        Argument(
            "exit_on_success", "false", "true: end with status 0 when the task is done, 1 when it is not.", _boolean
        ),
        Argument("timeout", "0", "Seconds after which the launch ends with status 1; 0: never.", _seconds),
        Argument("parameters_file", parameters_file, "YAML file with the parameters of all nodes.", _file),
        Argument(
            "log_level", "info", f"Log level of the suite's nodes: {', '.join(LOG_LEVELS)}.", _one_of(*LOG_LEVELS)
        ),
    )


@dataclass(frozen=True)
class Settings:
    """The launch arguments as values."""

    profile: str
    policy: str
    instruction: str
    demonstration: str
    episode: str
    policy_url: str
    policy_adapter: str
    policy_api_key_file: str
    checkpoint: str
    policy_options: str
    deadline: float
    simulated: bool
    driver: str
    driver_options: str
    seed: int
    viewer: bool
    rviz: bool
    namespace: str
    record: bool
    record_folder: str
    network: bool
    fast_dds_profile: bool
    exit_on_success: bool
    timeout: float
    parameters_file: str
    log_level: str


def read_settings(context: LaunchContext, declared: tuple[Argument, ...]) -> Settings:
    """Read all arguments of a launch. Raises ArgumentError naming the first that cannot be used."""
    values: dict[str, object] = {}
    for argument in declared:
        text = context.launch_configurations[argument.name]
        try:
            values[argument.name] = argument.read(text)
        except ValueError as error:
            raise ArgumentError(argument.name, text, str(error)) from error
    _choose_policy(values)
    settings = Settings(**values)  # type: ignore[arg-type]
    if settings.policy == "demonstration" and not settings.demonstration:
        raise ArgumentError("demonstration", "", "policy:=demonstration needs demonstration:=FILE to play")
    if settings.policy == "openpi" and not settings.policy_url:
        raise ArgumentError("policy_url", "", "policy:=openpi needs policy_url:=ws://HOST:PORT to ask")
    if settings.policy == "replay" and not settings.episode:
        raise ArgumentError("episode", "", "policy:=replay needs episode:=PATH to play")
    if settings.policy in LEARNED and not settings.checkpoint:
        raise ArgumentError("checkpoint", "", f"policy:={settings.policy} needs checkpoint:=FOLDER to run")
    if settings.policy == "scripted" and not settings.simulated:
        raise ArgumentError("policy", "scripted", "reads the simulator's truth and cannot drive a real robot")
    if settings.simulated and settings.driver != Driver.NONE:
        raise ArgumentError("driver", settings.driver, "needs simulated:=false")
    if (settings.viewer or settings.exit_on_success) and not settings.simulated:
        name = "viewer" if settings.viewer else "exit_on_success"
        raise ArgumentError(name, "true", "needs simulated:=true")
    return settings


def _choose_policy(values: dict[str, object]) -> None:
    """A checkpoint that is given runs; the suite's own does where nothing else is asked for, and drives nothing but the
    simulation, in which it learnt."""
    shipped = shipped_checkpoint(str(values["profile"])) if values["simulated"] else None
    runs = shipped is not None and all(map(find_spec, NETWORK_PACKAGES))
    values["policy"] = values["policy"] or ("mivla" if runs or values["checkpoint"] else "scripted")
    if values["policy"] == "mivla" and not values["checkpoint"] and shipped is not None:
        values["checkpoint"] = str(shipped)
