"""`mivla serve --checkpoint` in a process of its own: a model's answers to our client, and to openpi's where it is."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from mivla_ros.commands.main import main
from mivla_ros.model.checkpoint_files import read_description
from mivla_ros.policies.openpi import OpenpiOptions, OpenpiPolicy
from mivla_ros.policies.policy import Progress
from test.serving.running import CAMERAS, PROFILE, observation

ROOT = Path(__file__).parents[2]
OPENPI_PYTHON = ROOT / ".environment" / "extra" / "openpi_client" / "bin" / "python"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    assert main(["checkpoint", "new", "--config", "tiny", "--robot", "piper", str(folder)]) == 0
    return folder


@contextmanager
def serving(checkpoint: Path, *options: str) -> Iterator[str]:
    """The address of `mivla serve`; it ends with status 0 when it is interrupted."""
    command = [sys.executable, "-m", "mivla_ros.commands.main", "serve", "--checkpoint", str(checkpoint)]
    command += ["--port", "0", "--option", "device=cpu", "--option", "threads=1", *options]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().split()[-1]
        server.send_signal(signal.SIGINT)
        assert server.wait(120) == 0
    finally:
        server.kill()
        server.wait(10)
        server.stdout.close()


def test_a_checkpoint_answers_our_client_as_the_policy_it_is(checkpoint: Path) -> None:
    with serving(checkpoint) as address:
        policy = OpenpiPolicy(PROFILE, OpenpiOptions(address, timeout=60.0, connect_timeout=60.0))
        try:
            assert policy.spec.cameras == CAMERAS
            assert policy.spec.revision == f"mivla {read_description(checkpoint).manifest.hash[:12]}"
            policy.reset("pick up the bottle", 3)
            first = policy.infer(observation(), Progress())
            policy.reset("pick up the bottle", 3)
            again = policy.infer(observation(), Progress())
        finally:
            policy.close()
    (arm,) = first.arms
    assert arm.joint_names == PROFILE.arms[0].joints
    assert arm.joints is not None and arm.joints.shape == (policy.spec.horizon, 6)
    assert np.isfinite(arm.joints).all()
    np.testing.assert_array_equal(arm.joints, again.arms[0].joints)


@pytest.mark.skipif(not OPENPI_PYTHON.is_file(), reason="environment/extra.bash openpi_client was not called")
def test_a_checkpoint_answers_openpis_client(checkpoint: Path) -> None:
    side = Path(__file__).parent / "openpi_side" / "client.py"
    with serving(checkpoint, "--adapter", "piper") as address:
        done = subprocess.run(
            [OPENPI_PYTHON, side, "infer", address], capture_output=True, text=True, timeout=120, check=False
        )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert (seen["metadata"]["policy"], seen["metadata"]["adapter"]) == ("mivla", "piper")
    assert seen["shape"] == [16, 7]
    assert np.isfinite(seen["row"]).all()
