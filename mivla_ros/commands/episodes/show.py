"""Show one episode: its streams with units and rates, and a contact sheet as PNG.

The sheet has camera strips over time, joints (commands dashed), grippers, chunk boundaries and events.
"""

import argparse
from pathlib import Path
from typing import Any

from mivla_ros.commands.episodes.arguments import add_paths, one_episode, print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla episodes show`."""
    add_paths(parser)
    parser.add_argument("--sheet", type=Path, help="where the contact sheet goes (default: EPISODE.png here)")
    parser.add_argument("--no-sheet", action="store_true", help="words only")


def run(arguments: argparse.Namespace) -> int:
    """Print what the episode holds; draw the sheet."""
    from mivla_ros.episodes.contact_sheet import draw_contact_sheet
    from mivla_ros.episodes.episode import nominal_rate

    with one_episode(arguments) as episode:
        info = episode.info
        streams: dict[str, dict[str, Any]] = {
            name: {
                "rows": len(stream),
                "rate": round(nominal_rate(stream.stamps_ns), 3),
                "columns": dict(zip(stream.columns, stream.units, strict=True)),
                "frame": stream.frame_id,
            }
            for name, stream in episode.streams.items()
        }
        cameras: dict[str, dict[str, Any]] = {
            name: {
                "pictures": len(camera.stamps_ns),
                "rate": round(nominal_rate(camera.stamps_ns), 3),
                "size": list(camera.size),
                "frame": camera.frame_id,
            }
            for name, camera in episode.cameras.items()
        }
        data: dict[str, Any] = {
            "name": info.name,
            "path": str(info.path),
            "format": info.format,
            "robot": info.robot,
            "embodiment": info.embodiment,
            "instructions": list(info.instructions),
            "label": info.label,
            "seconds": info.seconds,
            "frames": len(episode),
            "metadata": dict(info.metadata),
            "cameras": cameras,
            "streams": streams,
            "chunks": len(episode.chunks),
            "events": [[(e.stamp_ns - info.start_ns) / 1e9, e.kind, e.text] for e in episode.events],
        }
        if not arguments.no_sheet:
            sheet = arguments.sheet or Path(f"{info.name.replace('/', '_')}.png")
            draw_contact_sheet(episode, sheet)
            data["sheet"] = str(sheet)
    if arguments.json:
        print_json(data)
        return 0
    print(f"{info.name}: {info.format}, {info.robot}, {info.seconds:.2f} s, {data['frames']} frames")
    print(f"  instruction: {info.instruction or '-'} (of {len(info.instructions)}); label: {info.label or '-'}")
    for name, camera in cameras.items():
        height, width = camera["size"]
        print(f"  camera {name}: {camera['pictures']} pictures, {width}x{height}, {camera['rate']} Hz")
    for name, stream in streams.items():
        units = ", ".join(dict.fromkeys(stream["columns"].values()))
        columns = len(stream["columns"])
        print(f"  {name}: {stream['rows']} rows, {columns} columns ({units}), {stream['rate']} Hz")
    print(f"  {data['chunks']} chunks, {len(episode.events)} events")
    if "sheet" in data:
        print(f"  contact sheet: {data['sheet']}")
    return 0
