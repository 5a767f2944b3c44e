"""Dialects of a robot by the driver's name, as the launch file and the node's parameters name it."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from mivla_ros.hardware.agx_arm_ros import AgxArmRos, AgxArmRosOptions
from mivla_ros.hardware.arx5_driver import Arx5Driver, Arx5Options
from mivla_ros.hardware.arx_gripper import ArmEnd
from mivla_ros.hardware.arx_x5 import ArxX5, ArxX5Options
from mivla_ros.hardware.dialect import Dialect
from mivla_ros.hardware.driver_names import ROBOTS, Driver
from mivla_ros.hardware.errors import HardwareError
from mivla_ros.hardware.locoman import LocoMan, LocoManOptions
from mivla_ros.hardware.locoman_modes import LocoManMode, Variant
from mivla_ros.hardware.naming import Naming
from mivla_ros.hardware.piper_ros import PiperRos, PiperRosOptions
from mivla_ros.robots.profile import ArmProfile, BodyProfile, RobotProfile

_ENUMS: Mapping[str, Callable[[str], object]] = {
    "naming": Naming,
    "end": lambda text: ArmEnd(int(text)),
    "variant": Variant,
    "mode": LocoManMode,
}


def read_options[T](kind: type[T], options: Mapping[str, str], **defaults: object) -> T:
    """Options NAME=VALUE of a driver. Raises HardwareError naming the option and what it may be."""
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    values: dict[str, Any] = dict(defaults)
    for name, text in options.items():
        if name not in known:
            raise HardwareError(name, f"is no option of this driver, there are {', '.join(known)}")
        try:
            if name in _ENUMS:
                values[name] = _ENUMS[name](text)
            elif isinstance(known[name].default, bool):
                values[name] = {"true": True, "false": False}[text.lower()]
            else:
                default: Any = known[name].default
                values[name] = type(default)(text)
        except (ValueError, KeyError) as error:
            raise HardwareError(name, f"cannot be {text!r}") from error
    return kind(**values)


def make_dialects(
    driver: str, profile: RobotProfile, urdf: str, options: Mapping[str, str]
) -> tuple[tuple[Dialect, tuple[ArmProfile, ...]], ...]:
    """A dialect for each of the driver's processes, with the arms it moves. Raises HardwareError.

    Two arms of a PiPer get the naming of their vendor's newest files unless told otherwise: namespaces for agx_arm_ros,
    suffixes for piper_ros; two X5 the numbered topics of its double-arm controller.
    """
    try:
        kind = Driver(driver)
    except ValueError as error:
        raise HardwareError("driver", f"is {driver!r}, must be one of {', '.join(Driver)}") from error
    known = ROBOTS.get(kind, ())
    if not any(profile.name.startswith(name) for name in known):
        raise HardwareError(
            "driver", f"{driver} drives {', '.join(known) or 'nothing by an adapter'}, not {profile.name}"
        )
    two = len(profile.arms) > 1
    if kind is Driver.LOCOMAN:
        return ((LocoMan(profile, urdf, read_options(LocoManOptions, options)), profile.arms),)
    made: list[tuple[Dialect, tuple[ArmProfile, ...]]] = []
    for arm in profile.arms:
        dialect: Dialect
        if kind is Driver.PIPER_ROS:
            naming = Naming.SUFFIX if two else Naming.PLAIN
            dialect = PiperRos(arm, read_options(PiperRosOptions, options, naming=naming))
        elif kind is Driver.AGX_ARM_ROS:
            naming = Naming.NAMESPACE if two else Naming.PLAIN
            dialect = AgxArmRos(arm, read_options(AgxArmRosOptions, options, naming=naming))
        elif kind is Driver.ARX5_SDK:
            dialect = Arx5Driver(arm, len(profile.arms), read_options(Arx5Options, options))
        else:
            dialect = ArxX5(arm, read_options(ArxX5Options, options, double_arm=two))
        made.append((dialect, (arm,)))
    topics = [listen.topic for dialect, _ in made for listen in dialect.listens]
    for topic in topics:
        if topics.count(topic) > 1:
            raise HardwareError("naming", f"gives both arms the topic {topic!r}; choose namespace or suffix")
    return tuple(made)


def controllers_of(arms: tuple[ArmProfile, ...], body: BodyProfile | None = None) -> dict[str, tuple[str, ...]]:
    """Joints of the controllers of these arms, and of a body of which some may be commanded, by the controller's
    name.
    """
    found: dict[str, tuple[str, ...]] = {}
    if body is not None and body.commanded:
        found[body.controller] = body.commanded
    for arm in arms:
        found[arm.controller] = arm.joints
        if arm.gripper is not None:
            found[arm.gripper.controller] = (arm.gripper.joint,)
    return found
