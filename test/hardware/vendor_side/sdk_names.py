"""Run with the Python of the extra environment "vendors": which names of our stand-in (argument 1) the module has, and
what it says about a CAN interface that is not there."""

import importlib.util
import json
import sys

import arx5_interface

spec = importlib.util.spec_from_file_location("stand_in", sys.argv[1])
stand_in = importlib.util.module_from_spec(spec)
spec.loader.exec_module(stand_in)

names, missing = [], []
for kind in ("JointState", "Gain", "Arx5JointController"):
    ours = getattr(stand_in, kind)
    made = [] if kind == "Arx5JointController" else list(vars(ours(6)))
    for name in [*vars(ours), *made]:
        if not name.startswith("_") and name != "model":
            names.append(f"{kind}.{name}")
            if not hasattr(getattr(arx5_interface, kind), name):
                missing.append(names[-1])
try:
    arx5_interface.Arx5JointController("X5", "mivla9")
    error, words = "", ""
except Exception as refused:
    error, words = type(refused).__name__, str(refused)
print("\n" + json.dumps({"ours": names, "missing": missing, "error": error, "words": words}))
