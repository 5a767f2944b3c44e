"""Run with openpi_client's Python: a server as openpi's, on top of its msgpack_numpy and websockets.

Its policy does what the prompt says. Prints its port. server.py [PORT]
"""

import asyncio
import os
import sys
import time
import traceback

import numpy as np
from openpi_client import msgpack_numpy
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

METADATA = {"reset_pose": [0, -1.5, 1.5, 0, 0, 0]}


def infer(observation):
    prompt = observation["prompt"]
    if prompt == "fail":
        raise KeyError("observation/image")
    if prompt == "die":
        os._exit(3)
    if prompt == "sleep":
        time.sleep(1.0)
    state = observation["state"]
    return {
        "state": state,
        "actions": state + 0.01 * np.arange(50)[:, None],
        "policy_timing": {"infer_ms": np.float64(1)},
    }


async def handle(connection):
    packer = msgpack_numpy.Packer()
    await connection.send(packer.pack(METADATA))
    previous = None
    while True:
        try:
            started = time.monotonic()
            observation = msgpack_numpy.unpackb(await connection.recv())
            reply = infer(observation)
            reply["server_timing"] = {"infer_ms": 1000 * (time.monotonic() - started)}
            if previous is not None:
                reply["server_timing"]["prev_total_ms"] = 1000 * previous
            frame = packer.pack(reply)
            if observation["prompt"] == "garbage":
                frame = b"\xc1" + frame
            await connection.send(frame)
            previous = time.monotonic() - started
        except ConnectionClosed:
            return
        except Exception:
            await connection.send(traceback.format_exc())
            await connection.close(1011, "Internal server error. Traceback included in previous frame.")
            return


async def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    async with serve(handle, "127.0.0.1", port, compression=None, max_size=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
