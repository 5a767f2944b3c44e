"""Damaged files: a reader gives an episode or one EpisodeError; never a crash, a hang or a flood of memory.

The readers work in a process of their own with a limit on memory, for a crash of a C library would end the tests.
"""

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from test.episodes.recordings import write_egodex, write_human2locoman, write_piper_bag, write_robotwin

ROUNDS = 16
MEMORY = 6 * 2**30
SECONDS = 900


def _sources(folder: Path) -> dict[str, Path]:
    """A small real file of each format: what is damaged, by format."""
    from mivla_ros.episodes.bag_reader import read
    from mivla_ros.episodes.lerobot_writer import LeRobotWriter

    bag = write_piper_bag(folder / "bag", seconds=0.6)
    with read(bag) as episode:
        writer = LeRobotWriter(folder / "lerobot", 15.0, "piper")
        writer.write(0, episode, "x")
        writer.finish()
    write_egodex(folder / "egodex/0.hdf5", frames=10)
    write_robotwin(folder / "twin/clean/data/episode0.hdf5", "legacy", frames=6)
    write_robotwin(folder / "twin_2026/x5/data/episode_0000000.hdf5", "new", frames=6)
    write_human2locoman(folder / "h2l/0.hdf5", "locoman", frames=6)
    return {name: folder / name for name in ("bag", "lerobot", "egodex", "twin", "twin_2026", "h2l")}


def _damage(path: Path, random: np.random.Generator) -> str:
    """Flip, cut or overwrite bytes of one file under a path; what was done."""
    files = sorted(f for f in path.rglob("*") if f.is_file() and f.suffix != ".npz" and "parts" not in f.parts)
    file = files[random.integers(len(files))]
    data = bytearray(file.read_bytes())
    kind = random.integers(4)
    # headers are where sizes stand: half of the damage goes to the first and last bytes
    near = min(len(data), 2048)
    place = int(random.integers(len(data)))
    if random.random() < 0.5:
        place = int(random.integers(near)) if random.random() < 0.5 else len(data) - 1 - int(random.integers(near))
    if kind == 0:
        data[place] ^= 1 << int(random.integers(8))
    elif kind == 1:
        data = data[:place]
    elif kind == 2:
        data[place : place + 8] = b"\xff" * len(data[place : place + 8])
    else:
        data[place : place + 16] = random.bytes(len(data[place : place + 16]))
    file.write_bytes(bytes(data))
    return f"{file.relative_to(path)}: kind {kind} at {place}"


PROGRAM = """
import json, sys
from pathlib import Path
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.formats import EpisodeRef, find_episodes, read_episode
from mivla_ros.episodes.training_samples import SampleOptions, TrainingSamples
bad, errors, good = [], [], 0
for line in sys.stdin:
    path = Path(line.strip())
    print("now", path, file=sys.stderr, flush=True)
    try:
        for found in find_episodes(path):
            if not isinstance(found, EpisodeRef):
                errors.append(str(path))
                continue
            try:
                with read_episode(found) as episode:
                    for name in episode.streams:
                        len(episode.streams[name])
                    for name in episode.cameras:
                        camera = episode.cameras[name]
                        for i in range(len(camera.stamps_ns)):
                            camera.rgb(i)
                    episode.events
                    TrainingSamples([episode], SampleOptions(chunk=2, step_seconds=0.05))[0]
                    good += 1
            except EpisodeError:
                errors.append(str(path))
    except EpisodeError:
        errors.append(str(path))
    except Exception as error:
        bad.append([str(path), repr(error)])
print(json.dumps({"bad": bad, "errors": errors, "good": good}))
"""


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def test_no_damage_to_a_file_does_more_than_one_clear_error(tmp_path: Path) -> None:
    done: dict[str, str] = {}
    for name, source in _sources(tmp_path / "sound").items():
        random = np.random.default_rng(sum(map(ord, name)))
        for i in range(ROUNDS):
            folder = tmp_path / name / str(i)
            shutil.copytree(source, folder / source.name)
            done[str(folder)] = _damage(folder / source.name, random)
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input="\n".join(done),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        preexec_fn=_limit_memory,
        check=False,
    )
    last = next((line for line in reversed(result.stderr.splitlines()) if line.startswith("now ")), "now nothing")
    words = f"{last[4:]}: {done.get(last[4:])}"
    assert result.returncode == 0, f"the reader crashed ({result.returncode}): {words}\n{result.stderr[-800:]}"
    found = json.loads(result.stdout.splitlines()[-1])
    assert not found["bad"], [(path, done[path], error) for path, error in found["bad"]][:5]
    refused = {Path(path).parent.name for path in found["errors"]}
    assert refused == {Path(path).parent.name for path in done}, "no damage was noticed in a whole format"
