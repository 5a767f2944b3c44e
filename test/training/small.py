"""A small network and made-up episodes that the tests of training share; run as a program, it trains or writes
gradients, for tests that need processes of their own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

from mivla_ros.action_space import ACTION_SIZE, EEF, HUMAN, ROBOT
from mivla_ros.model.contract import make_contract
from mivla_ros.model.network import build_network
from mivla_ros.model.presets import TINY
from mivla_ros.robots.profile import load_profile
from mivla_ros.training.options import Adaptation, TrainingOptions
from mivla_ros.training.preparing import PreparedEpisode
from mivla_ros.training.setting_up import normalisation_of
from mivla_ros.training.trainer import Job, train

VISION = replace(
    TINY.vision,
    image_size=32,
    encoders=(replace(TINY.vision.encoders[0], width=32, depth=2, hidden=16, patch=2, native_size=32, grid=4),),
)
CONFIG = replace(
    TINY,
    horizon=4,
    vision=VISION,
    language=replace(TINY.language, width=16, depth=1, heads=2, head_width=8, hidden=32),
    trunk=replace(TINY.trunk, width=32, depth=2, heads=4, kv_heads=2, ffn_multiple=16, time_features=16),
)
OPTIONS = TrainingOptions(steps=8, batch=4, rate=1e-3, warmup=2, save_every=3, validate_every=4, average=0.9)

UNEVEN = replace(OPTIONS, steps=5, batch=3, save_every=2, validate_every=2)
UNEVEN_LORA = replace(UNEVEN, steps=2, adaptation=Adaptation.LORA, rank=2, average=0.0)


def episode(number: int, embodiment: str = "robot", samples: int = 10) -> PreparedEpisode:
    """An episode of made-up values; a person's has hands of its own and a robot's labels, a robot's the reverse."""
    random = np.random.default_rng(number)
    right_arm = np.zeros(ACTION_SIZE, dtype=bool)
    right_arm[ROBOT.start + 7 : ROBOT.stop] = right_arm[EEF.start + 7 : EEF.stop] = True
    hands = np.zeros(ACTION_SIZE, dtype=bool)
    hands[HUMAN.start + 24 : HUMAN.stop] = True
    own, imitated = (hands, right_arm) if embodiment == "human" else (right_arm, hands)
    shape = (samples, CONFIG.horizon, ACTION_SIZE)
    return PreparedEpisode(
        name=f"episode {number}",
        path=f"made up {number}",
        embodiment=embodiment,
        robot="piper",
        label="success",
        instructions=("Move the bottle.", "Take the bottle."),
        figures={"seconds": 1.0, "rate": 15.0, "step_seconds": 0.1},
        findings=(),
        pixels=random.integers(0, 255, (samples, 2, 3, 32, 32), dtype=np.uint8),
        seen=np.broadcast_to([True, embodiment == "robot"], (samples, 2)).copy(),
        state=np.where(own, random.uniform(-1, 1, (samples, ACTION_SIZE)), 0).astype(np.float32),
        state_mask=np.broadcast_to(own, (samples, ACTION_SIZE)).copy(),
        actions=np.where(own | imitated, random.uniform(-1, 1, shape), 0).astype(np.float32),
        own=np.broadcast_to(own, shape).copy(),
        imitated=np.broadcast_to(imitated, shape).copy(),
    )


def learnable(number: int, samples: int = 24) -> PreparedEpisode:
    """An episode of one rule that holds in every such episode: the arm stays where it is, and goes where the picture
    is bright; the hand is always the same."""
    made = episode(number, samples=samples)
    random = np.random.default_rng([number, 1])
    bright = random.random((samples, 1, 1)) < 0.5
    pixels = np.where(bright[..., None, None], 200, 50) + random.integers(0, 50, made.pixels.shape)
    arm = np.where(made.own, made.state[:, None] + np.where(bright, 1.0, -1.0), 0.0)
    return replace(
        made,
        pixels=pixels.astype(np.uint8),
        actions=np.where(made.imitated, 0.3, arm).astype(np.float32),
    )


def job(episodes: list[PreparedEpisode] | None = None, **changes: object) -> Job:
    """A job with a network of its own."""
    training = episodes or [episode(0), episode(1, "human"), episode(2)]
    made = Job(
        network=build_network(CONFIG, seed=3),
        contract=make_contract(load_profile("piper"), CONFIG),
        normalisation=normalisation_of(training, True),
        training=training,
        validation=[episode(9)],
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def uneven_job() -> Job:
    """With an episode without pictures, so that of two processes one may see none while the other does."""
    blind = episode(2)
    return job([episode(0), episode(1, "human"), replace(blind, seen=np.zeros_like(blind.seen))])


def killed_at(step: int) -> None:
    """From now on, this process dies like one that is killed with -9 when that step begins."""
    from mivla_ros.training import trainer

    own = trainer._step

    def mortal(*arguments: object) -> object:
        if arguments[4] == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return own(*arguments)  # type: ignore[arg-type]

    trainer._step = mortal  # type: ignore[assignment]


def write_gradients(file: Path) -> None:
    """Gradients of one batch, from as many processes as there are."""
    from accelerate import Accelerator, DistributedDataParallelKwargs
    from safetensors.torch import save_file

    from mivla_ros.training.batches import Batches, Samples
    from mivla_ros.training.imitator import Imitator
    from mivla_ros.training.trainer import backward

    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True, kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)])
    made = job()
    wrapped = accelerator.prepare(Imitator(made.network))
    samples = Samples(made.training, CONFIG, made.normalisation, True)
    batches = Batches(samples, 6, 0, 0.5, accelerator.process_index, accelerator.num_processes)
    values, _ = backward(accelerator, wrapped, batches[0], CONFIG.start)
    if accelerator.is_main_process:
        found = {n.removeprefix("module."): p.grad for n, p in wrapped.named_parameters() if p.grad is not None}
        save_file({**found, "loss": torch.tensor(values[0])}, str(file))
    accelerator.wait_for_everyone()


def in_two_processes(divided: bool, work: Callable[[], object]) -> list[int]:
    """What `accelerate launch --num_processes 2` does, from a process that has computed nothing yet; how they ended."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "GLOO_SOCKET_IFNAME": "lo"}
    os.environ |= {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"} if divided else {"ACCELERATE_USE_CPU": "true"}
    both = []
    for rank in ("0", "1"):
        process = os.fork()
        if not process:
            os.environ |= {"RANK": rank, "LOCAL_RANK": rank}
            status = 1
            try:
                work()
                status = 0
            except BaseException:
                traceback.print_exc()
            sys.stderr.flush()
            os._exit(status)
        both.append(process)
    return [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in both]


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """This file as a program, ended with all its processes."""
    command = [sys.executable, "-m", "test.training.small", *arguments]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2], start_new_session=True)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def train_divided(out: Path) -> None:
    """Two processes with divided weights: a run in one go, one that is killed and gone on with, one with LoRA."""
    for slow in ("accelerate", "matplotlib.pyplot", "peft", "torch.utils.tensorboard", "transformers.models.t5"):
        import_module(slow)  # once, not in each
    import_module("torch.distributed.checkpoint.state_dict")

    def killed() -> None:
        killed_at(3)
        train(uneven_job(), UNEVEN, out / "killed", show=False)

    ended = [
        in_two_processes(True, lambda: train(uneven_job(), UNEVEN, out / "whole", show=False)),
        in_two_processes(True, killed),
    ]
    shutil.copytree(out / "killed", out / "moved")
    ended += [
        in_two_processes(True, lambda: train(uneven_job(), UNEVEN, out / "killed", show=False)),
        in_two_processes(True, lambda: train(uneven_job(), UNEVEN_LORA, out / "lora", show=False)),
    ]
    (out / "ended.json").write_text(json.dumps(ended))


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "gradients":
        ended = in_two_processes(False, lambda: write_gradients(Path(sys.argv[2])))
        sys.exit(ended != [0, 0])
    if sys.argv[1] == "divided":
        train_divided(Path(sys.argv[2]))
    else:
        if sys.argv[1] == "killed":
            killed_at(int(sys.argv[3]))
        train(job(), OPTIONS, Path(sys.argv[2]), show=False)
