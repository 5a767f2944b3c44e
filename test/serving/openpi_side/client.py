"""Run with openpi_client's Python: its client against a server of ours; what it saw, as JSON.

client.py CASE URL [KEY]
"""

import hashlib
import json
import sys

import numpy as np
from openpi_client import action_chunk_broker, image_tools
from openpi_client.websocket_client_policy import WebsocketClientPolicy

OBSERVATION = {
    "state": np.array([0.1, 0.2, -0.3, 0.4, 0.5, 0.6, 0.25], np.float32),
    "images": {name: np.full((3, 224, 224), 7, np.uint8) for name in ("cam_high", "cam_wrist")},
    "prompt": "fold the towel",
}


def connect(url, key):
    return WebsocketClientPolicy(url, api_key=key)


def caught(call):
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def infer(url, key):
    policy = connect(url, key)
    first, second = policy.infer(OBSERVATION), policy.infer(OBSERVATION)
    return {
        "metadata": policy.get_server_metadata(),
        "keys": sorted(first),
        "shape": first["actions"].shape,
        "dtype": first["actions"].dtype.str,
        "row": first["actions"][1].tolist(),
        "timing": sorted(first["server_timing"]),
        "timing_later": sorted(second["server_timing"]),
        "policy_timing": sorted(first["policy_timing"]),
    }


def broker(url, key):
    chunks = action_chunk_broker.ActionChunkBroker(connect(url, key), action_horizon=3)
    rows = [chunks.infer(OBSERVATION)["actions"] for _ in range(4)]
    chunks.reset()
    rows.append(chunks.infer(OBSERVATION)["actions"])
    return [row.tolist() for row in rows]


def malformed(url, key):
    policy = connect(url, key)
    policy._ws.send(b"\xc1")
    words = policy._ws.recv()
    closed = caught(policy._ws.recv)
    again = connect(url, key).infer(OBSERVATION)
    return {"words": words, "closed": closed, "again": again["actions"].shape}


def wrong_state(url, key):
    return caught(lambda: connect(url, key).infer({**OBSERVATION, "state": np.zeros(14)}))


def oversized(url, key):
    policy = connect(url, key)
    first = caught(lambda: policy.infer({**OBSERVATION, "state": np.zeros(1_000_000)}))
    return {"error": first, "again": connect(url, key).infer(OBSERVATION)["actions"].shape}


def refused(url, key):
    return caught(lambda: connect(url, key))


def wait(url, key):
    policy = connect(url, key)
    print("connected", flush=True)
    sys.stdin.readline()
    print("asking", flush=True)
    return caught(lambda: policy.infer(OBSERVATION))


def images(url, key):
    rng = np.random.default_rng(0)
    found = {}
    for height, width in ((240, 320), (480, 640), (300, 100), (97, 301), (224, 224), (50, 50)):
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        found[f"{height}x{width}"] = hashlib.sha256(image_tools.resize_with_pad(image, 224, 224).tobytes()).hexdigest()
    return found


def main():
    case, url, key = sys.argv[1], sys.argv[2], (sys.argv[3] if len(sys.argv) > 3 else None)
    print(json.dumps(globals()[case](url, key)))


if __name__ == "__main__":
    main()
