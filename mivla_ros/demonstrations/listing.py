"""What was made already: a folder's plan and its list, a JSON line each, as far as a kill let it be written."""

import json
from collections.abc import Mapping
from pathlib import Path

from mivla_ros.demonstrations.errors import DemonstrationError

LIST, PLAN = "demonstrations.jsonl", "plan.json"


def read_listed[T](out: Path, plan: Mapping[str, object], kind: type[T]) -> list[T]:
    """Everything listed, in order; nothing where there is no plan yet.

    Raises DemonstrationError where the folder holds demonstrations of another plan, or a line cannot be read, the last
    one excepted: killed while it was written.
    """
    plan_file, listed = out / PLAN, out / LIST
    if not plan_file.exists():
        return []
    try:
        known = json.loads(plan_file.read_text("utf-8"))
    except ValueError as error:
        raise DemonstrationError(str(plan_file), f"cannot be read: {error}") from error
    if not isinstance(known, dict):
        raise DemonstrationError(str(plan_file), "cannot be read: is no object")
    for key in {**plan, **known}:
        found, value = known.get(key), plan.get(key)
        if found != value:
            raise DemonstrationError(str(out), f"holds demonstrations with {key} {found!r}, not {value!r}")
    made: list[T] = []
    lines = listed.read_text("utf-8").splitlines() if listed.exists() else []
    for number, line in enumerate(lines):
        try:
            made.append(kind(**json.loads(line)))
        except (ValueError, TypeError) as error:
            if number == len(lines) - 1:
                break
            raise DemonstrationError(f"{listed}:{number + 1}", f"cannot be read: {error}") from error
    return made
