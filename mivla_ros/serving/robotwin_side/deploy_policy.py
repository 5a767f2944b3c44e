"""What RoboTwin's ``script/eval_policy_client.py`` calls of a policy. To be copied into its ``policy/MiVLA/``.

The model runs behind `mivla serve --protocol robotwin`; here observations are put into the form it reads, and the
steps of its chunk are done one after another.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

CAMERAS = {"head_camera": "cam_head", "left_camera": "cam_left_wrist", "right_camera": "cam_right_wrist"}
SIDES = ("left", "right")


def get_model(usr_args: Mapping[str, Any]) -> object:
    """Asked for by RoboTwin's own server, which is not used here."""
    raise NotImplementedError("the model is served by: mivla serve --protocol robotwin --checkpoint DIR")


def encode_obs(observation: Mapping[str, Any], instruction: str) -> dict[str, Any]:
    """RoboTwin's observation as the server reads it."""
    seen, joints = observation["observation"], observation["joint_action"]
    state = {}
    for side in SIDES:
        state[f"{side}_arm_joint_state"] = np.asarray(joints[f"{side}_arm"], dtype=np.float32)
        state[f"{side}_ee_joint_state"] = np.asarray([joints[f"{side}_gripper"]], dtype=np.float32).reshape(1)
    vision = {ours: {"color": np.asarray(seen[name]["rgb"])} for name, ours in CAMERAS.items() if name in seen}
    return {"instruction": instruction, "vision": vision, "state": state}


def eval(TASK_ENV: Any, model: Any, observation: Mapping[str, Any]) -> None:  # noqa: ANN401 (RoboTwin's)
    """Ask for one chunk and do its steps, until the task is done or its steps are used up."""
    model.call(func_name="update_obs", obs=encode_obs(observation, TASK_ENV.get_instruction()))
    for step in model.call(func_name="get_action"):
        if TASK_ENV.eval_success or TASK_ENV.take_action_cnt >= TASK_ENV.step_lim:
            return
        parts = [np.ravel(step[f"{side}_{part}_joint_state"]) for side in SIDES for part in ("arm", "ee")]
        TASK_ENV.take_action(np.concatenate(parts), action_type="qpos")


def reset_model(model: Any) -> None:  # noqa: ANN401
    """A new episode."""
    model.call(func_name="reset_model")
