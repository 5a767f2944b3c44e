"""Three arms to measure with: PiPER as the suite describes it, ARX X5 and a LocoMan front leg as axes and lengths."""

import warnings

from scipy.spatial.transform import Rotation

from mivla_ros.kinematics import Chain, chain_from_urdf
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile

# name, origin xyz (m) in the link before, axis, lower and upper limit (rad), velocity (rad/s); sources: ARX X5-2025 and
# Go1 with LocoMan's manipulator on the front left leg, both as their makers publish them
_X5 = (
    ("joint1", "0 0 0.0605", "0 0 1", -2.094, 3.1416, 5.5),
    ("joint2", "0.02 0 0.04", "0 1 0", 0.0, 3.665, 5.5),
    ("joint3", "-0.264 3e-05 0", "0 -1 0", 0.0, 3.24, 5.5),
    ("joint4", "0.245 -3e-05 0.056", "0 -1 0", -1.571, 1.571, 20.0),
    ("joint5", "0.06775 0 0.0845", "0 0 -1", -1.571, 1.571, 20.0),
    ("joint6", "0.02895 0 -0.0845", "1 0 0", -1.9635, 2.094, 20.0),
)
_LOCOMAN_LEG = (
    ("hip", "0.1881 0.04675 0", "1 0 0", -0.863, 0.863, 30.1),
    ("thigh", "0 0.08 0", "0 1 0", -0.686, 4.501, 30.1),
    ("calf", "0 0 -0.213", "0 1 0", -2.818, -0.888, 20.06),
    ("joint_1", "0.017662 0.033 -0.182", "0 1 0", -3.19, 1.74, 20.0),
    ("joint_2", "0 0 -0.0531", "1 0 0", -0.6, 2.4, 20.0),
    ("joint_3", "0 0 -0.086", "0 0 1", -3.15, 3.15, 20.0),
)


def urdf_of(name: str, joints: tuple[tuple[str, str, str, float, float, float], ...]) -> str:
    """URDF text of revolute joints one behind the other; links are link0 ... linkN."""
    text = [f'<robot name="{name}">', *(f'<link name="link{k}"/>' for k in range(len(joints) + 1))]
    for k, (joint, xyz, axis, lower, upper, velocity) in enumerate(joints):
        text.append(
            f'<joint name="{joint}" type="revolute"><parent link="link{k}"/><child link="link{k + 1}"/>'
            f'<origin xyz="{xyz}"/><axis xyz="{axis}"/>'
            f'<limit lower="{lower}" upper="{upper}" velocity="{velocity}" effort="1"/></joint>'
        )
    return "".join([*text, "</robot>"])


def arm_urdf(name: str) -> str:
    """URDF text of "piper", "x5" or "locoman_leg"."""
    if name == "piper":
        return robot_description(load_profile("piper"))
    return urdf_of(name, {"x5": _X5, "locoman_leg": _LOCOMAN_LEG}[name])


def arms() -> dict[str, Chain]:
    """Chains by name, base to tool (PiPER) or last link."""
    return {
        "piper": chain_from_urdf(arm_urdf("piper"), "base_link", "tcp"),
        "x5": chain_from_urdf(arm_urdf("x5"), "link0", "link6"),
        "locoman_leg": chain_from_urdf(arm_urdf("locoman_leg"), "link0", "link6"),
    }


def chain_urdf(chain: Chain) -> tuple[str, str, str, str]:
    """URDF text of a chain alone, and the names of its base, last moving link and tip: what every solver can read."""
    count = chain.size
    text = ['<robot name="chain">', '<link name="link0"/>']
    mass = '<inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>'
    text += [f'<link name="link{k + 1}">{mass}</link>' for k in range(count)]
    text.append('<link name="tip"/>')
    for k in range(count + 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of two angles at gimbal lock any may be taken
            angles = Rotation.from_matrix(chain.rotations[k]).as_euler("xyz")
        rpy = " ".join(f"{v:.17g}" for v in angles)
        xyz = " ".join(f"{v:.17g}" for v in chain.translations[k])
        origin = f'<origin xyz="{xyz}" rpy="{rpy}"/>'
        if k == count:
            ends = f'<parent link="link{k}"/><child link="tip"/>'
            text.append(f'<joint name="to_tip" type="fixed">{ends}{origin}</joint>')
            break
        ends = f'<parent link="link{k}"/><child link="link{k + 1}"/>'
        kind = "prismatic" if chain.prismatic[k] else "revolute"
        bounds = f'lower="{chain.lower[k]:.17g}" upper="{chain.upper[k]:.17g}" velocity="10" effort="100"'
        text.append(
            f'<joint name="{chain.joint_names[k]}" type="{kind}">{ends}{origin}'
            f'<axis xyz="0 0 1"/><limit {bounds}/></joint>'
        )
    return "".join([*text, "</robot>"]), "link0", f"link{count}", "tip"
