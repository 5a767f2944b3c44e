"""Statistics and conversion on a local Ray cluster of two workers give what one process gives, to the last bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mivla_ros.commands.main import main
from test.episodes.recordings import write_piper_bag

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("MIVLA_RAY_PYTHON", ROOT / ".environment/extra/ray/bin/python"))

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="no environment with Ray (environment/requirements/extra/ray.in)"
)


def _on_ray(*command: str) -> None:
    paths = [str(ROOT), *(p for p in sys.path if p.endswith("site-packages"))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "RAY_USAGE_STATS_ENABLED": "0"}
    result = subprocess.run(
        [str(PYTHON), "-m", "mivla_ros.commands.main", *command, "--ray", "--workers", "2"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]


def test_two_workers_give_what_one_process_gives(tmp_path: Path) -> None:
    for i in range(3):
        write_piper_bag(tmp_path / f"bags/{i}", seconds=1.0 + 0.2 * i, instruction=f"task {i}")
    bags = str(tmp_path / "bags")
    assert main(["episodes", "stats", bags, "--out", str(tmp_path / "one.json"), "--workers", "1"]) == 0
    _on_ray("episodes", "stats", bags, "--out", str(tmp_path / "ray.json"))
    assert (tmp_path / "ray.json").read_bytes() == (tmp_path / "one.json").read_bytes()
    assert len(json.loads((tmp_path / "one.json").read_text())["episodes"]) == 3

    convert = ("episodes", "convert", bags, "--to", "lerobot", "--out")
    assert main([*convert, str(tmp_path / "one"), "--workers", "1"]) == 0
    _on_ray(*convert, str(tmp_path / "ray"))
    files = sorted(f.relative_to(tmp_path / "one") for f in (tmp_path / "one").rglob("*") if f.is_file())
    assert files == sorted(f.relative_to(tmp_path / "ray") for f in (tmp_path / "ray").rglob("*") if f.is_file())
    for file in files:
        if file.suffix == ".npz":  # a zip carries the time it was made
            continue
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "ray" / file).read_bytes(), file
