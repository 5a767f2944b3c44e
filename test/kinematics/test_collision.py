"""Collisions, against pinocchio and coal."""

import numpy as np
import pinocchio
import pytest

from mivla_ros.kinematics import KinematicsError
from mivla_ros.kinematics.collision import CollisionModel, Obstacle
from mivla_ros.robots.description import robot_semantics
from mivla_ros.robots.profile import load_profile
from test.kinematics.chains import piper, piper_urdf, random_joints

TABLE = Obstacle("table", (-0.5, -0.8, -0.1), (1.0, 0.8, 0.0), ("base_link",))


@pytest.fixture(scope="module")
def model() -> CollisionModel:
    return CollisionModel(
        piper_urdf(), robot_semantics(load_profile("piper")), piper().joint_names, [TABLE], {"gripper": 0.1}
    )


def test_it_finds_what_pinocchio_and_coal_find(model: CollisionModel) -> None:
    urdf = piper_urdf()
    whole = pinocchio.buildModelFromXML(urdf)
    geometry = pinocchio.buildGeomFromUrdfString(whole, urdf, pinocchio.GeometryType.COLLISION)
    centre = np.array([0.25, 0.0, -0.05])
    import coal

    table = pinocchio.GeometryObject("table_0", 0, pinocchio.SE3(np.eye(3), centre), coal.Box(1.5, 1.6, 0.1))
    geometry.addGeometryObject(table)
    index = {name: set() for name in {g.name.rsplit("_", 1)[0] for g in geometry.geometryObjects}}
    for k, g in enumerate(geometry.geometryObjects):
        index[g.name.rsplit("_", 1)[0]].add(k)
    keys = {}
    for a, b in model.pair_names:
        for i in index[a]:
            for j in index[b]:
                geometry.addCollisionPair(pinocchio.CollisionPair(i, j))
                keys[len(geometry.collisionPairs) - 1] = (a, b)
    data, geometry_data = whole.createData(), geometry.createData()
    hits = 0
    for joints in random_joints(piper(), 300, 3):
        q = pinocchio.neutral(whole)
        for name, value in zip(piper().joint_names, joints, strict=True):
            q[whole.joints[whole.getJointId(name)].idx_q] = value
        for name, value in (("gripper", 0.1), ("gripper_joint1", 0.05), ("gripper_joint2", -0.05)):
            if whole.existJointName(name):
                q[whole.joints[whole.getJointId(name)].idx_q] = value
        pinocchio.computeCollisions(whole, data, geometry, geometry_data, q, False)
        expected = {keys[k] for k, result in enumerate(geometry_data.collisionResults) if result.isCollision()}
        assert model.touching(joints) == expected
        hits += bool(expected)
    assert 30 < hits < 290


def test_the_first_contact_is_named(model: CollisionModel) -> None:
    down = np.linspace([0, 1.3, -1.05, 0, 0.85, 0], [0, 2.6, -1.0, 0, 1.0, 0], 31)
    contact = model.first_contact(down)
    assert contact is not None and contact.second == "table" and 0 < contact.row < 31
    assert model.first_contact(down[: contact.row]) is None
    nearer = model.first_contact(down, margin=0.02)
    assert nearer is not None and nearer.row < contact.row and 0 < nearer.distance <= 0.02
    others = frozenset(pair for pair in model.pair_names if "table" in pair)
    later = model.first_contact(down, others)
    assert later is None or "table" not in (later.first, later.second)


def test_meshes_are_refused() -> None:
    shape = '<collision><geometry><mesh filename="x"/></geometry></collision>'
    mesh = f'<robot name="r"><link name="a">{shape}</link></robot>'
    with pytest.raises(KinematicsError, match="mesh"):
        CollisionModel(mesh, "<robot/>", [])
