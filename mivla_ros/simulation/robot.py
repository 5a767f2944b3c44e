"""The simulated robot, made from the same URDF and SRDF that every other part of the suite reads."""

import copy
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np

from mivla_ros.robots.profile import RobotProfile
from mivla_ros.simulation.body import add_body
from mivla_ros.simulation.errors import SceneError
from mivla_ros.simulation.scene import COLLISION_GROUP, VISUAL_GROUP

ARM_ARMATURE = 0.02  # kg m2, rotor inertia seen behind the gears
FINGER_ARMATURE = 0.15  # kg
JAW_ARMATURE = 2e-4  # kg m2, of fingers that turn
ARM_BANDWIDTH = 60.0  # rad/s, of the drives' position loop
GRIPPER_BANDWIDTH = 80.0  # rad/s
FINGER_FRICTION = (1.2, 0.02, 0.001)  # rubber pads: sliding, torsion in m, rolling in m
FINGER_SOLREF = (
    0.006,
    1.0,
)  # stiff pads: a held bottle moves by less than half a millimetre when it is swung
FINGER_SOLIMP = (0.95, 0.99, 0.001, 0.5, 2.0)
# MuJoCo camera axes (x right, y up, z back) in optical axes (x right, y down, z forward)
OPTICAL_FROM_CAMERA = (0.0, 1.0, 0.0, 0.0)


@dataclass(frozen=True)
class Limits:
    """Limits of one joint as its URDF states them: rad or m, per second, N m or N."""

    lower: float
    upper: float
    velocity: float
    effort: float


@dataclass(frozen=True)
class Follower:
    """A joint that mimics another: position = multiplier * other + offset."""

    joint: str
    link: str
    multiplier: float
    offset: float


def robot_spec(profile: RobotProfile, root: ElementTree.Element, semantics: ElementTree.Element) -> mujoco.MjSpec:
    """A spec with the robot of a URDF: drives, mimicking fingers, cameras of the profile, collision pairs of
    the SRDF.

    Raises SceneError naming the joint, link or frame that the profile asks for and the URDF lacks.
    """
    spec = _read_urdf(root)
    followers = read_followers(root)
    limits = read_limits(root)
    _dress(spec, carried=profile.body is None)
    if profile.body is not None:
        for name in (*profile.body.joints, *profile.body.held):
            if name not in limits:
                raise SceneError(f"joint {name!r}", "not in the URDF, or without limits")
        add_body(spec, profile.body)
    for name in profile.joint_names:
        if name not in limits:
            raise SceneError(f"joint {name!r}", "not in the URDF, or without limits")
    for arm in profile.arms:
        for name in arm.joints:
            spec.joint(name).armature = ARM_ARMATURE
            _add_drive(spec, name, mujoco.mjtTrn.mjTRN_JOINT, name, limits[name])
        if arm.gripper is not None:
            _add_gripper(spec, arm.gripper.joint, followers, limits)
    _exclude(spec, semantics)
    for camera in profile.cameras:
        body = spec.body(camera.frame)
        if body is None:
            raise SceneError(f"camera {camera.name!r}", f"its frame {camera.frame!r} is not in the URDF")
        body.add_camera(
            name=camera.name,
            quat=OPTICAL_FROM_CAMERA,
            fovy=np.degrees(camera.vertical_fov),
            resolution=[camera.width, camera.height],
        )
    return spec


def tune_drives(model: mujoco.MjModel, data: mujoco.MjData) -> None:
    """Give every drive critical damping at its bandwidth for the inertia it moves in the present posture."""
    mujoco.mj_forward(model, data)
    inertia = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, inertia)
    moment = np.zeros((model.nu, model.nv))
    mujoco.mju_sparse2dense(moment, data.actuator_moment, data.moment_rownnz, data.moment_rowadr, data.moment_colind)
    for drive in range(model.nu):
        row = moment[drive]
        if np.count_nonzero(row) == 1:
            moved, bandwidth = float(row @ inertia @ row), ARM_BANDWIDTH
        else:
            moved, bandwidth = 1.0 / float(row @ np.linalg.solve(inertia, row)), GRIPPER_BANDWIDTH
        stiffness, damping = bandwidth**2 * moved, 2 * bandwidth * moved
        model.actuator_gainprm[drive, 0] = stiffness
        model.actuator_biasprm[drive, :3] = (0.0, -stiffness, -damping)


def read_limits(root: ElementTree.Element) -> dict[str, Limits]:
    """Limits of every joint of a URDF that has them."""
    found = {}
    for joint in root.iter("joint"):
        limit = joint.find("limit")
        if limit is not None and joint.get("type") in ("revolute", "prismatic"):
            lower, upper, velocity, effort = (
                float(limit.get(k, "0")) for k in ("lower", "upper", "velocity", "effort")
            )
            found[joint.get("name", "")] = Limits(lower, upper, velocity, effort)
    return found


def read_followers(root: ElementTree.Element) -> dict[str, list[Follower]]:
    """Joints that mimic another, by the name of the joint they follow."""
    found: dict[str, list[Follower]] = {}
    for joint in root.iter("joint"):
        mimic, child = joint.find("mimic"), joint.find("child")
        if mimic is None or child is None:
            continue
        follower = Follower(
            joint.get("name", ""),
            child.get("link", ""),
            float(mimic.get("multiplier", "1")),
            float(mimic.get("offset", "0")),
        )
        found.setdefault(mimic.get("joint", ""), []).append(follower)
    return found


def parse_xml(kind: str, text: str) -> ElementTree.Element:
    """Root of an XML text. Raises SceneError naming the kind of text."""
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise SceneError(kind, f"not XML: {error}") from error


def _read_urdf(root: ElementTree.Element) -> mujoco.MjSpec:
    """The URDF as MuJoCo reads it, every link kept as a body so that frames can be looked up by name."""
    root = copy.deepcopy(root)
    options = root.find("mujoco")
    if options is None:
        options = ElementTree.SubElement(root, "mujoco")
    compiler = options.find("compiler")
    if compiler is None:
        compiler = ElementTree.SubElement(options, "compiler")
    compiler.attrib |= {"fusestatic": "false", "discardvisual": "false", "strippath": "false"}
    try:
        return mujoco.MjSpec.from_string(ElementTree.tostring(root, encoding="unicode"))
    except ValueError as error:
        raise SceneError("URDF", f"MuJoCo cannot read it: {error}") from error


def _dress(spec: mujoco.MjSpec, *, carried: bool) -> None:
    """Drawn shapes and touched shapes in groups of their own; gravity carried by the drives, as real
    controllers do, unless a body that gives way shall feel it (``carried`` false, see body.py)."""
    for geom in spec.geoms:
        touched = bool(geom.contype or geom.conaffinity)
        geom.group = COLLISION_GROUP if touched else VISUAL_GROUP
    for body in spec.bodies[1:]:
        body.gravcomp = float(carried)


def _add_drive(spec: mujoco.MjSpec, name: str, kind: mujoco.mjtTrn, target: str, limits: Limits) -> None:
    drive = spec.add_actuator(name=name, trntype=kind, target=target)
    drive.set_to_position(kp=1.0, kv=1.0)
    drive.forcelimited = True
    drive.forcerange = [-limits.effort, limits.effort]


def _add_gripper(
    spec: mujoco.MjSpec, name: str, followers: Mapping[str, list[Follower]], limits: Mapping[str, Limits]
) -> None:
    """One drive for all fingers: its length is the value of the joint they mimic, and so its force that
    joint's effort."""
    fingers = followers.get(name, [])
    if not fingers:
        spec.joint(name).armature = FINGER_ARMATURE
        _add_drive(spec, name, mujoco.mjtTrn.mjTRN_JOINT, name, limits[name])
        return
    if any(finger.offset for finger in fingers):
        raise SceneError(f"joint {name!r}", "mimicked with an offset, which the simulation does not know")
    # the joint itself moves no part: its value is what the fingers show
    spec.delete(spec.joint(name).parent)
    opening = spec.add_tendon(name=name)
    for finger in fingers:
        joint = spec.joint(finger.joint)
        turns = joint.type == mujoco.mjtJoint.mjJNT_HINGE
        joint.armature = JAW_ARMATURE if turns else FINGER_ARMATURE
        opening.wrap_joint(finger.joint, 1.0 / (finger.multiplier * len(fingers)))
        for geom in spec.body(finger.link).geoms:
            if geom.contype:
                geom.condim = 4
                geom.friction = FINGER_FRICTION
                geom.priority = 1
                geom.solref = FINGER_SOLREF
                geom.solimp = FINGER_SOLIMP
    first = fingers[0]
    for finger in fingers[1:]:
        spec.add_equality(
            name=f"{finger.joint} mimics {name}",
            type=mujoco.mjtEq.mjEQ_JOINT,
            name1=finger.joint,
            name2=first.joint,
            data=[0.0, finger.multiplier / first.multiplier, *[0.0] * 10],
            solref=[0.005, 1.0],
        )
    _add_drive(spec, name, mujoco.mjtTrn.mjTRN_TENDON, name, limits[name])


def _exclude(spec: mujoco.MjSpec, root: ElementTree.Element) -> None:
    """Leave out the collision pairs that the SRDF switches off; links the URDF was expanded without are
    passed over."""
    bodies = {body.name for body in spec.bodies}
    for pair in root.iter("disable_collisions"):
        first, second = pair.get("link1", ""), pair.get("link2", "")
        if first in bodies and second in bodies:
            spec.add_exclude(bodyname1=first, bodyname2=second)


def finger_positions(
    profile: RobotProfile, root: ElementTree.Element, openings: Mapping[str, float]
) -> dict[str, float]:
    """Positions of all finger joints, rad or m, for openings (0 to 1) by arm name."""
    followers = read_followers(root)
    found = {}
    for arm in profile.arms:
        if arm.gripper is None:
            continue
        value = float(arm.gripper.position(openings[arm.name]))
        for finger in followers.get(arm.gripper.joint, []):
            found[finger.joint] = finger.multiplier * value
        if arm.gripper.joint not in followers:
            found[arm.gripper.joint] = value
    return found
