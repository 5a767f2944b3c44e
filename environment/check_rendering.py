"""Exits with 0 where MuJoCo renders a lit box off screen the way MUJOCO_GL says."""

import sys

import mujoco

SCENE = """
<mujoco>
  <worldbody>
    <light pos="0 0 3"/>
    <geom type="box" size="1 1 1" rgba="1 0 0 1"/>
    <camera name="view" pos="0 -4 0" xyaxes="1 0 0 0 0 1"/>
  </worldbody>
</mujoco>
"""

model = mujoco.MjModel.from_xml_string(SCENE)
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 24, 32) as renderer:
    renderer.update_scene(data, camera="view")
    red, green, _ = map(int, renderer.render()[12, 16])
sys.exit(not red > 2 * green)
