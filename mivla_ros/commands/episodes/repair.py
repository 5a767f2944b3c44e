"""Make recordings whole whose recorder was killed, or whose file was damaged: all that is proven whole is kept.

Each DIR is one recording, or a folder of them. What is whole is left as it is, so the command may be run again. The
original stays in its place until the repaired copy is on disk.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mivla_ros.episodes.recording.mcap_contents import Loss


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla episodes repair`."""
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="recordings, or folders of recordings")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, change nothing")
    parser.add_argument("--json", action="store_true", help="one JSON object a recording on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Repair all of them; 1 where one cannot be repaired."""
    from tqdm import tqdm

    from mivla_ros.commands.errors import CommandError
    from mivla_ros.episodes.recording.repair import RepairError, is_recording, repair_recording

    recordings: list[Path] = []
    for folder in arguments.folders:
        inside = [folder] if is_recording(folder) else sorted(f for f in folder.glob("*") if is_recording(f))
        if not inside:
            raise CommandError(f"{folder}: neither a recording (a folder with one MCAP file) nor a folder of them")
        recordings += inside
    failed = 0
    for folder in recordings:
        size = sum(f.stat().st_size for f in folder.glob("*.mcap"))
        with tqdm(total=size, unit="B", unit_scale=True, desc=folder.name, disable=None, leave=False) as bar:
            try:
                done = repair_recording(
                    folder, dry_run=arguments.dry_run, progress=lambda position, bar=bar: bar.update(position - bar.n)
                )
            except (RepairError, OSError) as error:
                failed += 1
                print(f"mivla: {error}", file=sys.stderr)
                continue
        if arguments.json:
            print(json.dumps(asdict(done) | {"folder": str(done.folder)}))
        elif not done.changed:
            print(f"{folder}: whole, {done.kept} messages, {done.seconds:.1f} s")
        else:
            verb = "would be repaired" if arguments.dry_run else "repaired"
            print(f"{folder}: {verb} ({done.fault}): {done.kept} messages, {done.seconds:.1f} s, {done.cut} bytes cut")
            for line in (*(_words(loss, done.start_ns) for loss in done.losses), *done.notes):
                print(f"  {line}")
    return 1 if failed else 0


def _words(loss: "Loss", start_ns: int) -> str:
    """One damaged stretch, times from the recording's start."""
    where = f"bytes {loss.begin} to {loss.end}"
    if loss.messages == {}:
        return f"{where}: nothing of the recording lost ({loss.fault})"
    span = f"{(loss.start_ns - start_ns) / 1e9:.2f} s to {(loss.end_ns - start_ns) / 1e9:.2f} s"
    if loss.messages is None:
        return f"{where}: lost, with an unknown number of messages, if any, between {span} ({loss.fault})"
    topics = ", ".join(f"{topic} {count}" for topic, count in sorted(loss.messages.items()))
    return f"{where}: {sum(loss.messages.values())} messages lost: {topics}; {span} ({loss.fault})"
