"""What every scene has: physics options, table, floor, sky and light. World frame: z up, 0 at the table
top."""

from dataclasses import dataclass

import mujoco

from mivla_ros.robots.profile import RobotProfile

VISUAL_GROUP = 1  # drawn, as MuJoCo's URDF reader sets it for <visual>
COLLISION_GROUP = 3  # only touched
TIMESTEP_NS = 2_500_000

TABLE, FLOOR = "table", "floor"


@dataclass(frozen=True)
class Furniture:
    """The table whose top is at 0 and the floor below it; centre x, y, and length, width, thickness, all m."""

    table_centre: tuple[float, float] = (0.30, 0.0)
    table_size: tuple[float, float, float] = (1.10, 1.30, 0.04)
    floor_height: float = -0.74


def furniture_for(profile: RobotProfile) -> Furniture:
    """The usual table; for a robot on legs, the low one that its profile's surroundings name, on the ground it stands
    on.
    """
    if profile.body is None:
        return Furniture()
    box = next((s for s in profile.surroundings if s.name == TABLE), None)
    if box is None:
        return Furniture(floor_height=profile.body.ground)
    centre = ((box.lower[0] + box.upper[0]) / 2, (box.lower[1] + box.upper[1]) / 2)
    size = (box.upper[0] - box.lower[0], box.upper[1] - box.lower[1], 0.04)
    return Furniture(centre, size, profile.body.ground)


def add_surroundings(spec: mujoco.MjSpec, furniture: Furniture | None = None) -> None:
    """Set the physics options and add table, floor, sky and light to a spec that holds the robot."""
    option = spec.option
    option.timestep = TIMESTEP_NS / 1e9
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    option.impratio = 10
    # without this MuJoCo answers NaN by a silent reset
    option.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
    option.noslip_iterations = 3  # a grasp creeps by 0.25 mm a second without
    _add_looks(spec)
    _add_table(spec, furniture or Furniture())


def _add_looks(spec: mujoco.MjSpec) -> None:
    visual = spec.visual
    visual.quality.offsamples = 0
    visual.quality.shadowsize = 4096
    visual.headlight.ambient = [0.38, 0.38, 0.38]
    visual.headlight.diffuse = [0.30, 0.30, 0.30]
    visual.headlight.specular = [0.0, 0.0, 0.0]
    visual.map.znear = 0.01
    visual.map.shadowclip = 1.6
    visual.map.zfar = 8.0
    spec.stat.extent = 1.0
    spec.stat.center = [0.3, 0.0, 0.15]
    spec.add_texture(
        name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.80, 0.86, 0.92], rgb2=[0.55, 0.62, 0.70], width=128, height=128,
    )  # fmt: skip
    light = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
    spec.worldbody.add_light(
        name="lamp", type=light, pos=[0.8, 0.6, 1.8], dir=[-0.35, -0.35, -1.0], diffuse=[0.55, 0.55, 0.53],
        specular=[0.2, 0.2, 0.2], castshadow=True,
    )  # fmt: skip


def _add_table(spec: mujoco.MjSpec, furniture: Furniture) -> None:
    x, y = furniture.table_centre
    length, width, thickness = furniture.table_size
    table = spec.worldbody.add_body(name=TABLE, mocap=True)  # so that a variation can raise it
    box = mujoco.mjtGeom.mjGEOM_BOX
    table.add_geom(
        name=TABLE, type=box, pos=[x, y, -thickness / 2], size=[length / 2, width / 2, thickness / 2],
        rgba=[0.80, 0.70, 0.57, 1], friction=[0.8, 0.005, 0.0001], group=VISUAL_GROUP,
    )  # fmt: skip
    depth = (-furniture.floor_height - thickness) / 2
    for side_x in (-1, 1):
        for side_y in (-1, 1):
            corner = [x + side_x * (length / 2 - 0.06), y + side_y * (width / 2 - 0.06), -thickness - depth]
            table.add_geom(
                type=box,
                pos=corner,
                size=[0.025, 0.025, depth],
                rgba=[0.30, 0.31, 0.33, 1],
                group=VISUAL_GROUP,
            )
    spec.worldbody.add_geom(
        name=FLOOR, type=mujoco.mjtGeom.mjGEOM_PLANE, pos=[0, 0, furniture.floor_height], size=[0, 0, 0.1],
        rgba=[0.62, 0.65, 0.68, 1], group=VISUAL_GROUP,
    )  # fmt: skip
