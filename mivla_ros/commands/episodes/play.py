"""Play one episode as an MP4: all cameras side by side at their own pace, with time, joints and events as words.

For a look without ROS; to move a robot as recorded, use the replay policy.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mivla_ros.commands.episodes.arguments import add_paths, one_episode, print_json
from mivla_ros.commands.errors import CommandError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mivla_ros.episodes.episode import Episode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla episodes play`."""
    add_paths(parser)
    parser.add_argument("--out", type=Path, help="the video (default: EPISODE.mp4 here)")
    parser.add_argument("--rate", type=float, default=0.0, help="pictures a second; 0: the episode's")
    parser.add_argument("--height", type=int, default=240, help="of each camera's picture, in pixels")


def run(arguments: argparse.Namespace) -> int:
    """Write the video."""
    from mivla_ros.episodes.video_file import write_video

    with one_episode(arguments) as episode:
        if not episode.cameras:
            raise CommandError(f"{episode.info.path}: has no camera to show")
        out = arguments.out or Path(f"{episode.info.name.replace('/', '_')}.mp4")
        rate = arguments.rate or max(episode.info.rate, 1.0)
        unfinished = out.with_suffix(".part")
        count = write_video(unfinished, _pictures(episode, rate, arguments.height), rate, group=30)
        unfinished.replace(out)
    if arguments.json:
        print_json({"video": str(out), "pictures": count, "seconds": count / rate})
    else:
        print(f"{out}: {count} pictures, {count / rate:.2f} s")
    return 0


def _pictures(episode: "Episode", rate: float, height: int) -> "Iterator[NDArray[np.uint8]]":
    import cv2
    import numpy as np
    from tqdm import tqdm

    start, end = episode.info.start_ns, episode.info.end_ns
    ticks = start + np.arange(0, end - start + 1, 1e9 / rate).astype(np.int64)
    widths = [round(height * c.size[1] / c.size[0]) for c in episode.cameras.values()]
    for tick in tqdm(ticks, desc="play", unit="picture"):
        shown = []
        for camera, width in zip(episode.cameras.values(), widths, strict=True):
            index = max(int(np.searchsorted(camera.stamps_ns, tick, side="right")) - 1, 0)
            shown.append(cv2.resize(camera.rgb(index), (width, height), interpolation=cv2.INTER_AREA))
        picture = np.concatenate([np.concatenate(shown, axis=1), np.zeros((24, sum(widths), 3), np.uint8)])
        said = [e.text for e in episode.events if e.stamp_ns <= tick and e.kind != "chunk"]
        words = f"{(tick - start) / 1e9:6.2f} s  {said[-1] if said else episode.info.instruction}"
        cv2.putText(picture, words, (4, height + 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
        yield picture
