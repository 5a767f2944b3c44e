"""A checkpoint's folder: its files, their hashes, and the JSON in them. Imports no torch, so it can be shown anywhere.

``config.json`` the network, ``contract.json`` the robot, ``statistics.json`` the normalisation,
``weights.safetensors``, and ``checkpoint.json`` with the size and SHA-256 of each, a hash over them all, and notes.
"""

import hashlib
import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mivla_ros.model.config import NetworkConfig, check_config
from mivla_ros.model.contract import CONTRACT_FILE, Contract, check_contract
from mivla_ros.model.errors import CheckpointError, ModelError
from mivla_ros.model.json_fields import dump, from_json
from mivla_ros.model.statistics import Normalisation, check_normalisation

CONFIG_FILE, STATISTICS_FILE, WEIGHTS_FILE = "config.json", "statistics.json", "weights.safetensors"
MANIFEST_FILE = "checkpoint.json"
FILES = (CONFIG_FILE, CONTRACT_FILE, STATISTICS_FILE, WEIGHTS_FILE)
FORMAT = 1
LARGEST_JSON = 16 * 2**20
_HEX = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class FileEntry:
    """Size in bytes and SHA-256 of one file."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """hash: SHA-256 over the names and hashes of all files, the checkpoint's revision. notes: where it comes from."""

    format: int
    hash: str
    files: Mapping[str, FileEntry]
    notes: Mapping[str, str]


@dataclass(frozen=True)
class Description:
    """All of a checkpoint but the weights themselves."""

    folder: Path
    manifest: Manifest
    config: NetworkConfig
    contract: Contract
    normalisation: Normalisation


def file_hash(path: Path) -> FileEntry:
    """Size and hash of a file. Raises CheckpointError where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return FileEntry(path.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest())
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}", path.name) from error


def content_hash(files: Mapping[str, FileEntry]) -> str:
    """One hash of all files' names and hashes."""
    lines = "".join(f"{name} {files[name].sha256}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def write_manifest(folder: Path, notes: Mapping[str, str]) -> Manifest:
    """Hash the files of a folder and write its manifest."""
    files = {name: file_hash(folder / name) for name in FILES}
    manifest = Manifest(FORMAT, content_hash(files), files, dict(notes))
    (folder / MANIFEST_FILE).write_text(dump(manifest), "utf-8")
    return manifest


def read_description(folder: Path, verify: bool = True) -> Description:
    """Read everything but the weights.

    verify: compare every file, weights too, with its hash. Raises CheckpointError naming the file and what is wrong:
    not there, truncated, changed since it was written, a key of its JSON.
    """
    if not folder.is_dir():
        what = "is a file, must be a folder" if folder.exists() else "does not exist"
        raise CheckpointError(f"checkpoint {folder}: {what}", str(folder))
    for name in (MANIFEST_FILE, *FILES):
        if not (folder / name).is_file():
            raise CheckpointError(f"checkpoint {folder}: {name} is missing", name)
    manifest = _read_json(folder / MANIFEST_FILE, Manifest)
    if manifest.format != FORMAT:
        raise CheckpointError(
            f"{folder / MANIFEST_FILE}: format is {manifest.format}, this version reads {FORMAT}", "format"
        )
    _check_files(folder, manifest, verify)
    config = _read_json(folder / CONFIG_FILE, NetworkConfig)
    contract = _read_json(folder / CONTRACT_FILE, Contract)
    normalisation = _read_json(folder / STATISTICS_FILE, Normalisation)
    try:
        check_config(config)
    except ModelError as error:
        raise CheckpointError(f"{folder / CONFIG_FILE}: {error}", error.subject) from error
    check_contract(contract, config, str(folder / CONTRACT_FILE))
    check_normalisation(normalisation, str(folder / STATISTICS_FILE), CheckpointError)
    return Description(folder, manifest, config, contract, normalisation)


def weight_shapes(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name to type and shape, from a safetensors file's header alone. Raises CheckpointError."""
    try:
        with path.open("rb") as stream:
            (size,) = struct.unpack("<Q", stream.read(8))
            if size > path.stat().st_size:
                raise ValueError(f"its header says {size} bytes, the file has {path.stat().st_size}")
            header = json.loads(stream.read(size))
        return {
            name: (str(entry["dtype"]), tuple(int(n) for n in entry["shape"]))
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise CheckpointError(f"{path}: is not a whole safetensors file: {error}", path.name) from error


def _check_files(folder: Path, manifest: Manifest, verify: bool) -> None:
    if set(manifest.files) != set(FILES):
        raise CheckpointError(
            f"{folder / MANIFEST_FILE}: files names {sorted(manifest.files)}, must name {sorted(FILES)}", "files"
        )
    for name in FILES:
        entry, size = manifest.files[name], (folder / name).stat().st_size
        if not _HEX.fullmatch(entry.sha256):
            raise CheckpointError(f"{folder / MANIFEST_FILE}: files.{name}.sha256 is no SHA-256", name)
        if size != entry.bytes:
            what = "truncated" if size < entry.bytes else "changed"
            raise CheckpointError(f"{folder / name}: {what}: has {size} bytes, was written with {entry.bytes}", name)
        if verify and file_hash(folder / name).sha256 != entry.sha256:
            raise CheckpointError(f"{folder / name}: changed since it was written: its SHA-256 is another", name)
    if content_hash(manifest.files) != manifest.hash:
        raise CheckpointError(f"{folder / MANIFEST_FILE}: hash is not that of the files it lists", "hash")


def _read_json[T](path: Path, kind: type[T]) -> T:
    if path.stat().st_size > LARGEST_JSON:
        raise CheckpointError(f"{path}: has {path.stat().st_size} bytes, at most {LARGEST_JSON}", path.name)
    try:
        data: Any = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: is not JSON: {error}", path.name) from error
    return from_json(kind, data, str(path), CheckpointError)
