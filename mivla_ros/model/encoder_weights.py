"""Where the weights of public encoders come from: a folder on this machine, or the hub by name."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from mivla_ros.model.errors import EncoderError

FOLDER_VARIABLE = "MIVLA_ENCODERS"
UNUSED = ("head.", "pooler.", "post_layernorm.", "layernorm.")  # parts that no token comes from


class EncoderMode(StrEnum):
    """PRETRAINED: weights of the source. RANDOM: its architecture with random weights, for speed and tests. ABSENT:
    none; the features are given."""

    PRETRAINED = "pretrained"
    RANDOM = "random"
    ABSENT = "absent"


@dataclass(frozen=True)
class EncoderSource:
    """folder: where folders named ``facebook--dinov2-with-registers-large`` lie; empty: that of the variable
    MIVLA_ENCODERS. online: ask the hub (and its local cache) where the folder has none."""

    mode: EncoderMode = EncoderMode.PRETRAINED
    folder: str = ""
    online: bool = True

    def path(self, source: str) -> Path | None:
        """Folder in which the weights of ``source`` are expected; None where no folder is named."""
        folder = self.folder or os.environ.get(FOLDER_VARIABLE, "")
        return Path(folder) / source.replace("/", "--") if folder else None


def load_pretrained(
    source: str, where: EncoderSource, load: Callable[..., Any], expected: Mapping[str, int] | None = None
) -> Any:  # noqa: ANN401
    """What ``load`` (a ``from_pretrained`` of transformers) makes of a source.

    expected: keys of its configuration that must have these values. Raises EncoderError naming the source, the folder
    expected and what is wrong. Pickled files are read as plain tensors only, which is transformers' own rule.
    """
    folder = where.path(source)
    wanted = (
        f"expected in {folder}" if folder else f"set {FOLDER_VARIABLE} to a folder with {source.replace('/', '--')}"
    )
    if Path(source).is_dir():
        folder = Path(source)
    found = folder is not None and folder.is_dir()
    if not found and not where.online:
        raise EncoderError(f"encoder {source!r}: no weights here, {wanted}; the hub was not asked", source)
    from safetensors import SafetensorError

    missing: list[str] = []
    try:
        if expected is None:
            loaded = load(str(folder) if found else source, local_files_only=found)
        else:
            where_from = str(folder) if found else source
            loaded, report = load(where_from, local_files_only=found, output_loading_info=True)
            missing = sorted(key for key in report["missing_keys"] if not key.startswith(UNUSED))
    except (OSError, ValueError, RuntimeError, ImportError, KeyError, SafetensorError) as error:
        line = str(error).strip().partition("\n")[0]
        place = str(folder) if found else "the hub"
        rest = "" if found else f"; {wanted}"
        raise EncoderError(f"encoder {source!r}: cannot be read from {place}: {line}{rest}", source) from error
    if missing:  # transformers itself would only warn and go on with random ones
        rest = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise EncoderError(f"encoder {source!r}: its file lacks the weights {missing[0]}{rest}", missing[0])
    for key, value in (expected or {}).items():
        has = getattr(loaded.config, key, None)
        if has != value:
            raise EncoderError(f"encoder {source!r}: {key} is {has}, the network expects {value}", source)
    return loaded
