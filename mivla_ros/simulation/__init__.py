"""MuJoCo simulation of the suite's robots: scenes, cameras, tasks. Steps without ROS."""

import ctypes.util
import os

# MuJoCo picks its graphics library when it is first imported; off screen works with either of these
if "MUJOCO_GL" not in os.environ:
    for _backend, _library in (("egl", "EGL"), ("osmesa", "OSMesa")):
        if ctypes.util.find_library(_library):
            os.environ["MUJOCO_GL"] = _backend
            break
