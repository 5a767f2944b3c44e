"""Robot profiles: everything that differs between robots, in one YAML file each (``robots/piper.yaml``)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

BODY_JOINTS = 6


_JERK_OF_ACCELERATION = 20.0  # 1/s, for grippers whose profile gives no jerk


class ProfileError(ValueError):
    """A robot profile that cannot be used. ``source`` is the file, ``key`` the dotted path of the fault."""

    def __init__(self, source: str, key: str, message: str) -> None:
        super().__init__(f"robot profile {source}: {key}: {message}")
        self.source = source
        self.key = key


@dataclass(frozen=True)
class GripperProfile:
    """One gripper: its joint, the joint's values (m or rad) when closed and open, who takes its trajectories, and the
    suite's own limits in m (or rad) and s; a profile that gives no jerk gets 20 times the acceleration.
    """

    joint: str
    closed: float
    open: float
    controller: str
    velocity: float
    acceleration: float
    jerk: float

    def position(self, opening: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Joint values for openings from 0 (closed) to 1 (open)."""
        return self.closed + (self.open - self.closed) * np.clip(opening, 0.0, 1.0)

    def opening(self, position: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Openings from 0 (closed) to 1 (open) for joint values, clipped to that range."""
        return np.clip((np.asarray(position) - self.closed) / (self.open - self.closed), 0.0, 1.0)


@dataclass(frozen=True)
class EefSpeed:
    """Greatest speed of an end effector that the robot itself allows: m/s and rad/s."""

    linear: float
    angular: float


@dataclass(frozen=True)
class ArmProfile:
    """One arm. Frames are links of the URDF; joints in URDF order from base to tip; ready in rad.

    velocity (rad/s), acceleration (rad/s2), jerk (rad/s3): the suite's own limits, at or below the URDF's.
    workspace: allowed box of the end effector in the base frame, m, lower and upper corner.
    controller: name of the joint trajectory controller; its topic is ``<controller>/joint_trajectory``.
    eef_speed: the robot's own cap on commands, where it has one.
    """

    name: str
    side: str
    base_frame: str
    eef_frame: str
    joints: tuple[str, ...]
    ready: tuple[float, ...]
    controller: str
    velocity: tuple[float, ...]
    acceleration: tuple[float, ...]
    jerk: tuple[float, ...]
    workspace_lower: tuple[float, float, float]
    workspace_upper: tuple[float, float, float]
    gripper: GripperProfile | None
    eef_speed: EefSpeed | None = None


@dataclass(frozen=True)
class BodyProfile:
    """A body that carries the arms and moves: six joints (x, y, z, yaw, pitch, roll) from stance_frame to frame.

    commanded: those of the joints that the robot's present mode lets a policy move; the others give way by
    ``stiffness`` (N/m, N m/rad) and ``damping`` (N s/m, N m s/rad), which only the simulator reads. velocity,
    acceleration, jerk: as of an arm. held: joints of the legs it stands on, rad; nobody commands them. ground:
    height of what it stands on, m in the world.
    """

    frame: str
    stance_frame: str
    joints: tuple[str, ...]
    commanded: tuple[str, ...]
    controller: str
    velocity: tuple[float, ...]
    acceleration: tuple[float, ...]
    jerk: tuple[float, ...]
    stiffness: tuple[float, ...]
    damping: tuple[float, ...]
    held: Mapping[str, float]
    ground: float


@dataclass(frozen=True)
class SurroundingProfile:
    """A box that the arms keep clear of: corners in the world frame, m. allowed: links that may touch it."""

    name: str
    lower: tuple[float, float, float]
    upper: tuple[float, float, float]
    allowed: tuple[str, ...]


@dataclass(frozen=True)
class CameraProfile:
    """One camera: its topics are ``<name>/image_raw``, ``<name>/image_raw/compressed`` and ``<name>/camera_info``."""

    name: str
    frame: str
    width: int
    height: int
    rate: float
    vertical_fov: float


@dataclass(frozen=True)
class RobotProfile:
    """A robot as the suite sees it. ``hash`` is the SHA-256 of the file, for recordings and checkpoints."""

    name: str
    description: str
    semantic_description: str
    description_arguments: Mapping[str, str]
    world_frame: str
    arms: tuple[ArmProfile, ...]
    cameras: tuple[CameraProfile, ...]
    joint_state_rate: float
    command_rate: float
    task: str
    hash: str
    surroundings: tuple[SurroundingProfile, ...] = ()
    body: BodyProfile | None = None

    def arm(self, name: str) -> ArmProfile:
        """The arm of that name. Raises KeyError naming the arms there are."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise KeyError(f"robot {self.name!r} has no arm {name!r}, only {[arm.name for arm in self.arms]}")

    def camera(self, name: str) -> CameraProfile:
        """The camera of that name. Raises KeyError naming the cameras there are."""
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise KeyError(f"robot {self.name!r} has no camera {name!r}, only {[c.name for c in self.cameras]}")

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Joints of all arms and grippers, arm by arm."""
        return tuple(
            name for arm in self.arms for name in (*arm.joints, *((arm.gripper.joint,) if arm.gripper else ()))
        )

    @property
    def state_names(self) -> tuple[str, ...]:
        """Joints in its joint states: those of arms and grippers, then the body's and those it stands on."""
        return self.joint_names if self.body is None else (*self.joint_names, *self.body.joints, *self.body.held)


def profile_names() -> tuple[str, ...]:
    """Names of the profiles that come with the package."""
    files = resources.files("mivla_ros.robots").iterdir()
    return tuple(sorted(f.name.removesuffix(".yaml") for f in files if f.name.endswith(".yaml")))


def load_profile(name_or_path: str) -> RobotProfile:
    """Load a profile by name ("piper") or from a YAML file. Raises ProfileError naming the file, key and fault."""
    if name_or_path.endswith((".yaml", ".yml")):
        source, path = name_or_path, Path(name_or_path)
        if not path.is_file():
            raise ProfileError(source, "file", "does not exist")
        raw = path.read_bytes()
    else:
        source = f"{name_or_path}.yaml"
        if name_or_path not in profile_names():
            raise ProfileError(
                source, "name", f"unknown robot {name_or_path!r}, there are {', '.join(profile_names())}"
            )
        raw = resources.files("mivla_ros.robots").joinpath(source).read_bytes()
    try:
        data = yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise ProfileError(source, "file", f"is not YAML: {error}") from error
    if not isinstance(data, dict):
        raise ProfileError(source, "file", "must hold a mapping")
    return _Reader(source, "", data).profile(hashlib.sha256(raw).hexdigest())


class _Reader:
    """Reads keys out of a mapping and names what is missing, wrong or unknown."""

    def __init__(self, source: str, path: str, data: Mapping[str, Any]) -> None:
        self.source, self.path, self.data = source, path, dict(data)

    def fail(self, key: str, message: str) -> ProfileError:
        return ProfileError(self.source, f"{self.path}{key}", message)

    def take(self, key: str, kind: type | tuple[type, ...], default: Any = ...) -> Any:  # noqa: ANN401
        if key not in self.data:
            if default is ...:
                raise self.fail(key, "is missing")
            return default
        value = self.data.pop(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            wanted = kind.__name__ if isinstance(kind, type) else " or ".join(k.__name__ for k in kind)
            raise self.fail(key, f"is {value!r}, must be of type {wanted}")
        return value

    def number(self, key: str) -> float:
        value = float(self.take(key, (int, float)))
        if not np.isfinite(value):
            raise self.fail(key, f"is {value}, must be finite")
        return value

    def positive(self, key: str) -> float:
        value = self.number(key)
        if value <= 0:
            raise self.fail(key, f"is {value}, must be above 0")
        return value

    def numbers(self, key: str, count: int) -> tuple[float, ...]:
        values = self.take(key, list)
        if len(values) != count or not all(isinstance(v, int | float) and np.isfinite(v) for v in values):
            raise self.fail(key, f"is {values!r}, must be {count} finite numbers")
        return tuple(float(v) for v in values)

    def child(self, key: str) -> "_Reader":
        return _Reader(self.source, f"{self.path}{key}.", self.take(key, dict))

    def children(self, key: str) -> list["_Reader"]:
        items = self.take(key, list)
        if not all(isinstance(item, dict) for item in items):
            raise self.fail(key, "must be a list of mappings")
        return [_Reader(self.source, f"{self.path}{key}[{i}].", item) for i, item in enumerate(items)]

    def done(self) -> None:
        if self.data:
            raise self.fail(min(self.data), "is not a known key")

    def profile(self, digest: str) -> RobotProfile:
        arguments = self.take("description_arguments", dict, {})
        profile = RobotProfile(
            name=self.take("name", str),
            description=self.take("description", str),
            semantic_description=self.take("semantic_description", str),
            description_arguments={str(k): str(v) for k, v in arguments.items()},
            world_frame=self.take("world_frame", str),
            arms=tuple(reader.arm() for reader in self.children("arms")),
            cameras=tuple(reader.camera() for reader in self.children("cameras")),
            joint_state_rate=self.positive("joint_state_rate"),
            command_rate=self.positive("command_rate"),
            task=self.take("task", str, ""),
            hash=digest,
            surroundings=tuple(r.surrounding() for r in self.children("surroundings"))
            if "surroundings" in self.data
            else (),
            body=self.child("body").body() if "body" in self.data else None,
        )
        self.done()
        if not profile.arms:
            raise self.fail("arms", "is empty, a robot has one arm at least")
        for names, key in ((profile.joint_names, "joints"), ([a.name for a in profile.arms], "arms")):
            for name in names:
                if list(names).count(name) > 1:
                    raise self.fail(key, f"{name!r} appears more than once")
        return profile

    def arm(self) -> ArmProfile:
        joints = tuple(self.take("joints", list))
        count = len(joints)
        side = self.take("side", str)
        if side not in ("left", "right"):
            raise self.fail("side", f"is {side!r}, must be left or right")
        workspace = self.child("workspace")
        lower, upper = workspace.numbers("lower", 3), workspace.numbers("upper", 3)
        workspace.done()
        if any(low >= high for low, high in zip(lower, upper, strict=True)):
            raise self.fail("workspace", f"lower {lower} must be below upper {upper} on every axis")
        arm = ArmProfile(
            name=self.take("name", str),
            side=side,
            base_frame=self.take("base_frame", str),
            eef_frame=self.take("eef_frame", str),
            joints=joints,
            ready=self.numbers("ready", count),
            controller=self.take("controller", str),
            velocity=self.numbers("velocity", count),
            acceleration=self.numbers("acceleration", count),
            jerk=self.numbers("jerk", count),
            workspace_lower=(lower[0], lower[1], lower[2]),
            workspace_upper=(upper[0], upper[1], upper[2]),
            gripper=self.child("gripper").gripper() if "gripper" in self.data else None,
            eef_speed=self.child("eef_speed").speed() if "eef_speed" in self.data else None,
        )
        self.done()
        for key in ("velocity", "acceleration", "jerk"):
            if min(getattr(arm, key)) <= 0:
                raise self.fail(key, f"is {getattr(arm, key)}, every value must be above 0")
        return arm

    def gripper(self) -> GripperProfile:
        acceleration = self.positive("acceleration")
        gripper = GripperProfile(
            joint=self.take("joint", str),
            closed=self.number("closed"),
            open=self.number("open"),
            controller=self.take("controller", str),
            velocity=self.positive("velocity"),
            acceleration=acceleration,
            jerk=self.positive("jerk") if "jerk" in self.data else _JERK_OF_ACCELERATION * acceleration,
        )
        self.done()
        if gripper.open == gripper.closed:
            raise self.fail("open", f"equals closed ({gripper.closed}), the gripper could not move")
        return gripper

    def speed(self) -> EefSpeed:
        speed = EefSpeed(linear=self.positive("linear"), angular=self.positive("angular"))
        self.done()
        return speed

    def body(self) -> BodyProfile:
        joints = tuple(str(name) for name in self.take("joints", list))
        if len(joints) != BODY_JOINTS:
            raise self.fail("joints", f"are {list(joints)}, must be {BODY_JOINTS}: x, y, z, yaw, pitch, roll")
        held = self.take("held", dict, {})
        if not all(isinstance(value, int | float) and np.isfinite(value) for value in held.values()):
            raise self.fail("held", f"is {held}, must be joints with finite angles")
        body = BodyProfile(
            frame=self.take("frame", str),
            stance_frame=self.take("stance_frame", str),
            joints=joints,
            commanded=tuple(str(name) for name in self.take("commanded", list, [])),
            controller=self.take("controller", str),
            velocity=self.numbers("velocity", BODY_JOINTS),
            acceleration=self.numbers("acceleration", BODY_JOINTS),
            jerk=self.numbers("jerk", BODY_JOINTS),
            stiffness=self.numbers("stiffness", BODY_JOINTS),
            damping=self.numbers("damping", BODY_JOINTS),
            held={str(name): float(value) for name, value in held.items()},
            ground=self.number("ground"),
        )
        self.done()
        for name in body.commanded:
            if name not in joints:
                raise self.fail("commanded", f"{name!r} is not one of {', '.join(joints)}")
        for key in ("velocity", "acceleration", "jerk", "stiffness", "damping"):
            if min(getattr(body, key)) <= 0:
                raise self.fail(key, f"is {getattr(body, key)}, every value must be above 0")
        return body

    def surrounding(self) -> SurroundingProfile:
        name, box = self.take("name", str), self.child("box")
        lower, upper = box.numbers("lower", 3), box.numbers("upper", 3)
        box.done()
        if any(low >= high for low, high in zip(lower, upper, strict=True)):
            raise self.fail("box", f"lower {lower} must be below upper {upper} on every axis")
        allowed = tuple(str(link) for link in self.take("allowed", list, []))
        self.done()
        return SurroundingProfile(name, (lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2]), allowed)

    def camera(self) -> CameraProfile:
        camera = CameraProfile(
            name=self.take("name", str),
            frame=self.take("frame", str),
            width=int(self.positive("width")),
            height=int(self.positive("height")),
            rate=self.positive("rate"),
            vertical_fov=self.positive("vertical_fov"),
        )
        self.done()
        return camera
