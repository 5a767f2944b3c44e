"""Run with openpi_client's Python: seconds of round trips by its client, one a line, as asked on standard input.

openpi_round_trip.py URL HEIGHT WIDTH; each line on standard input is a number of round trips.
"""

import sys
import time

import numpy as np
from openpi_client.websocket_client_policy import WebsocketClientPolicy  # type: ignore[import-not-found]


def main() -> None:
    """Ask as often as told, until the end of the input."""
    url, height, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    policy = WebsocketClientPolicy(url)
    rng = np.random.default_rng(0)
    message = {
        "prompt": "fold the towel",
        "state": np.zeros(14, np.float32),
        "images": {
            name: rng.integers(0, 256, (3, height, width), dtype=np.uint8)
            for name in ("cam_high", "cam_left_wrist", "cam_right_wrist")
        },
    }
    policy.infer(message)
    print("ready", flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            began = time.perf_counter()
            reply = policy.infer(message)
            assert reply["actions"].shape == (50, 14)
            print(time.perf_counter() - began, flush=True)
        print("done", flush=True)


if __name__ == "__main__":
    main()
