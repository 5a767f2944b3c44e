"""metadata.yaml of a rosbag2 folder, version 9: made from what the MCAP file holds, so that both always agree."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from mcap.records import Channel

from mivla_ros.episodes.recording.mcap_contents import McapContents

VERSION = 9
FILE = "metadata.yaml"
KEY = "rosbag2_bagfile_information"
_FOREVER = {"sec": 2147483647, "nsec": 4294967295}


def offered_qos(*, latched: bool) -> list[dict[str, Any]]:
    """Quality of service with which `ros2 bag play` offers a topic: reliable, ``latched`` for late joiners."""
    return [
        {
            "history": "keep_last",
            "depth": 1 if latched else 10,
            "reliability": "reliable",
            "durability": "transient_local" if latched else "volatile",
            "deadline": _FOREVER,
            "lifespan": _FOREVER,
            "liveliness": "automatic",
            "liveliness_lease_duration": _FOREVER,
            "avoid_ros_namespace_conventions": False,
        }
    ]


def bag_information(file: str, contents: McapContents, custom_data: Mapping[str, str]) -> dict[str, Any]:
    """What metadata.yaml says about one MCAP file named ``file`` in the folder. Times in ns."""
    start = {"nanoseconds_since_epoch": contents.start_ns}
    duration = {"nanoseconds": contents.end_ns - contents.start_ns}
    return {
        "version": VERSION,
        "storage_identifier": "mcap",
        "relative_file_paths": [file],
        "duration": duration,
        "starting_time": start,
        "message_count": contents.message_count,
        "topics_with_message_count": [
            {"topic_metadata": _topic(contents, channel), "message_count": contents.counts.get(channel.id, 0)}
            for channel in contents.channels.values()
        ],
        "compression_format": "",
        "compression_mode": "",
        "files": [
            {"path": file, "starting_time": start, "duration": duration, "message_count": contents.message_count}
        ],
        "custom_data": dict(custom_data) or None,
        "ros_distro": os.environ.get("ROS_DISTRO", "jazzy"),
    }


def _topic(contents: McapContents, channel: Channel) -> dict[str, Any]:
    schema = contents.schemas.get(channel.schema_id)
    try:
        qos = yaml.safe_load(channel.metadata.get("offered_qos_profiles", "")) or []
    except yaml.YAMLError:
        qos = []
    return {
        "name": channel.topic,
        "type": "" if schema is None else schema.name,
        "serialization_format": channel.message_encoding,
        "offered_qos_profiles": qos if isinstance(qos, list) else [],
        "type_description_hash": channel.metadata.get("topic_type_hash", ""),
    }


class _PlainDumper(yaml.SafeDumper):
    """Writes repeated parts out instead of naming them, which rosbag2's reader does not expect."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def as_yaml(data: object) -> str:
    """YAML without aliases."""
    return yaml.dump(data, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=10_000)


def write_metadata(folder: Path, information: Mapping[str, Any]) -> None:
    """Write metadata.yaml whole or not at all. Raises OSError."""
    write_whole(folder / FILE, as_yaml({KEY: dict(information)}).encode())


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file by new content, which is on disk before the old one goes. Raises OSError."""
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def read_custom_data(folder: Path) -> dict[str, str]:
    """custom_data of a folder's metadata.yaml; empty where there is none or it cannot be read."""
    try:
        data = yaml.safe_load((folder / FILE).read_text("utf-8"))
        custom = data[KEY]["custom_data"] or {}
        return {str(key): str(value) for key, value in custom.items()}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return {}
