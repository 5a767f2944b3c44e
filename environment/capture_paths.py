"""Writes, as one small shell file, what a row of ROS setup files changes.

Usage: python capture_paths.py BEFORE AFTER > paths.bash
BEFORE and AFTER hold the output of `env -0` from before and after they were sourced. Sourcing the result
takes a few milliseconds where the setup files take most of a second.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

IGNORED = frozenset({"_", "PWD", "OLDPWD", "SHLVL", "HOME"})


def read_environment(text: str) -> dict[str, str]:
    """Variables from the output of `env -0`."""
    return dict(entry.split("=", 1) for entry in text.split("\0") if "=" in entry)


def added_entries(before: str, after: str) -> list[str]:
    """Entries of a colon-separated list that are new, in their order, each once."""
    old = set(before.split(":"))
    return list(dict.fromkeys(entry for entry in after.split(":") if entry and entry not in old))


def shell_lines(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """One export for each changed variable; lists of folders go in front of the value found when sourced."""
    lines = []
    for name in sorted(after):
        value = after[name]
        if name in IGNORED or before.get(name) == value:
            continue
        if name.endswith("PATH"):
            entries = ":".join(added_entries(before.get(name, ""), value))
            if entries:
                lines.append(f'export {name}={shlex.quote(entries)}"${{{name}:+:${name}}}"')
        else:
            lines.append(f"export {name}={shlex.quote(value)}")
    return lines


if __name__ == "__main__":
    before, after = (read_environment(Path(path).read_text(errors="surrogateescape")) for path in sys.argv[1:3])
    print("\n".join(shell_lines(before, after)))
