"""What LeRobot itself makes of a data set. LeRobot's own Python runs it; it imports nothing of ours.

    PYTHON lerobot_client.py load ROOT | train ROOT | write ROOT | measure ROOT --samples N --chunk N --step S

Prints one line of JSON. LeRobot pins libraries that clash with the suite's, hence the environment of its own.
"""

import argparse
import json
import os
import time
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here is fetched


def _dataset(root: str, chunk: int = 1, step: float = 0.0) -> Any:  # noqa: ANN401
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    deltas = {"action": [step * (i + 1) for i in range(chunk)]} if chunk > 1 else None
    return LeRobotDataset("mivla/episodes", root=root, delta_timestamps=deltas)


def load(root: str) -> dict[str, object]:
    """What LeRobot says of the data set, and the first, a middle and the last frame."""
    dataset = _dataset(root)
    frames = {}
    for index in (0, len(dataset) // 2, len(dataset) - 1):
        item = dataset[index]
        frames[index] = {
            "state": item["observation.state"].tolist(),
            "action": item["action"].tolist(),
            "task": item["task"],
            "episode": int(item["episode_index"]),
            "left": {key: item[key][:, :, : item[key].shape[2] // 4].mean((1, 2)).tolist() for key in _cameras(item)},
        }
    return {"episodes": dataset.num_episodes, "frames": len(dataset), "fps": dataset.fps, "shown": frames}


def _cameras(item: dict[str, object]) -> list[str]:
    return [key for key in item if key.startswith("observation.images.") and not key.endswith("_is_pad")]


def train(root: str) -> dict[str, object]:
    """Losses of two steps of LeRobot's ACT, small, on one batch of the data set."""
    import torch
    from lerobot.configs.types import FeatureType
    from lerobot.datasets.dataset_metadata import LeRobotDatasetMetadata
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.act.modeling_act import ACTPolicy
    from lerobot.policies.factory import make_pre_post_processors
    from lerobot.utils.feature_utils import dataset_to_policy_features

    torch.manual_seed(0)
    meta = LeRobotDatasetMetadata("mivla/episodes", root=root)
    features = dataset_to_policy_features(meta.features)
    outputs = {key: f for key, f in features.items() if f.type is FeatureType.ACTION}
    config = ACTConfig(
        input_features={key: f for key, f in features.items() if key not in outputs},
        output_features=outputs,
        chunk_size=8,
        n_action_steps=8,
        dim_model=64,
        n_heads=4,
        dim_feedforward=128,
        n_encoder_layers=1,
        n_vae_encoder_layers=1,
        pretrained_backbone_weights=None,
        device="cpu",
    )
    policy = ACTPolicy(config)
    prepare, _ = make_pre_post_processors(config, dataset_stats=meta.stats)
    loader = torch.utils.data.DataLoader(_dataset(root, 8, 1 / meta.fps), batch_size=4, shuffle=True)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-4)
    batch = prepare(next(iter(loader)))
    losses = []
    for _ in range(2):
        loss, _ = policy.forward(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    return {"policy": "act", "losses": losses}


def write(root: str) -> dict[str, object]:
    """A data set as LeRobot writes it: three episodes, a video and an embedded picture; red left, blue right."""
    import numpy as np
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    names = [*(f"joint{i + 1}" for i in range(6)), "gripper"]
    vector = {"dtype": "float32", "shape": (7,), "names": names}
    axes = ["height", "width", "channels"]
    features = {
        "observation.state": vector,
        "action": vector,
        "observation.images.head_camera": {"dtype": "video", "shape": (96, 128, 3), "names": axes},
        "observation.images.wrist_camera": {"dtype": "image", "shape": (48, 64, 3), "names": axes},
    }
    dataset = LeRobotDataset.create("mivla/episodes", 15, features, root=root, robot_type="piper")
    for episode in range(3):
        for i in range(20 + 5 * episode):
            rgb = np.zeros((96, 128, 3), np.uint8)
            rgb[:, :64, 0], rgb[:, 64:, 2], rgb[:48, :, 1] = 200, 180, 8 * i % 200
            state = np.arange(7, dtype=np.float32) * 0.01 + i * 0.001
            frame = {"observation.state": state, "action": state + 0.001, "task": f"task {episode % 2}"}
            frame |= {"observation.images.head_camera": rgb, "observation.images.wrist_camera": rgb[::2, ::2].copy()}
            dataset.add_frame(frame)
        dataset.save_episode()
    dataset.finalize()
    return {"frames": len(dataset)}


def measure(root: str, samples: int, chunk: int, step: float, seed: int) -> dict[str, object]:
    """Random-access samples a second, in this process."""
    import random

    dataset = _dataset(root, chunk, step)
    order = random.Random(seed).choices(range(len(dataset)), k=samples + 5)
    for index in order[:5]:
        dataset[index]
    began = time.perf_counter()
    for index in order[5:]:
        dataset[index]
    seconds = time.perf_counter() - began
    return {"samples": samples, "seconds": seconds, "per_second": samples / seconds}


def main() -> None:
    """Run one of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("load", "train", "write", "measure"))
    parser.add_argument("root")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--chunk", type=int, default=16)
    parser.add_argument("--step", type=float, default=1 / 15)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.what == "measure":
        result = measure(given.root, given.samples, given.chunk, given.step, given.seed)
    else:
        result = {"load": load, "train": train, "write": write}[given.what](given.root)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
