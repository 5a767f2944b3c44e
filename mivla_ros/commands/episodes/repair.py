"""Make recordings whole whose recorder was killed.

Each DIR is one recording, or a folder of them. What is whole is left as it is, so the command may be run again. The
original stays in its place until the repaired copy is on disk.
"""

import argparse
import json
import sys
from pathlib import Path


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
            print(json.dumps({**vars(done), "folder": str(done.folder)}))
        elif not done.changed:
            print(f"{folder}: whole, {done.kept} messages, {done.seconds:.1f} s")
        else:
            verb = "would be repaired" if arguments.dry_run else "repaired"
            print(f"{folder}: {verb} ({done.fault}): {done.kept} messages, {done.seconds:.1f} s, {done.cut} bytes cut")
    return 1 if failed else 0
