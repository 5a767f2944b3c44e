"""`mivla serve`: what is wrong with its arguments is one line and a status."""

import numpy as np
import pytest

from mivla_ros.commands.main import main


@pytest.fixture(scope="module")
def motion(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("motion") / "motion.npz"
    time = np.linspace(0, 1, 10)
    np.savez(file, time=time, position=np.zeros((10, 3)), quaternion_xyzw=np.tile([0.0, 0, 0, 1], (10, 1)))
    return str(file)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--port", "70000"), "--port is 70000, must be from 0 to 65535"),
        (("--max-frame-mb", "0"), "--max-frame-mb is 0.0, must be from"),
        (("--max-connections", "0"), "--max-connections is 0"),
        (("--robot", "r2d2"), "unknown robot 'r2d2'"),
        (("--adapter", "alhoa"), "alhoa: is not known"),
        (("--adapter", "aloha"), "need one left arm"),
        (("--api-key-file", "/no/key"), "/no/key: API key: No such file"),
        (("--tls-cert", "/no/cert"), "TLS"),
        (("--host", "192.0.2.1", "--port", "0"), "192.0.2.1:0: "),
        (("--option", "sped=1"), "no option 'sped'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    motion: str, arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["serve", "--policy", "demonstration", "--option", f"path={motion}", *arguments])
    assert status in (1, 2)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("mivla: ")]
    assert len(lines) == 1 and words in lines[0]


def test_a_policy_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--policy", "telepathy"]) == 1
    assert "'telepathy': is not known, there are" in capsys.readouterr().err
