"""What the doctor found, and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isnan, nan
from typing import Any


class Level(StrEnum):
    """OK and SKIPPED need nothing; a WARNING may be left; a FAILURE must be mended before the robot moves."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """One result. check: its fixed name, for scripts; subject: topic, joint, camera or frame; advice: what to do, for
    whatever is not ok; value and limit: NaN where there is no number."""

    check: str
    level: Level
    subject: str
    text: str
    advice: str = ""
    value: float = nan
    limit: float = nan

    def __post_init__(self) -> None:
        if self.level in (Level.FAILURE, Level.WARNING) and not self.advice:
            raise ValueError(f"finding {self.check} of {self.subject} says nothing to do")


def ok(check: str, subject: str, text: str) -> Finding:
    """Nothing is wrong."""
    return Finding(check, Level.OK, subject, text)


def skipped(check: str, subject: str, text: str) -> Finding:
    """Could not or should not be looked at."""
    return Finding(check, Level.SKIPPED, subject, text)


def failure(check: str, subject: str, text: str, advice: str, value: float = nan, limit: float = nan) -> Finding:
    """Must be mended first."""
    return Finding(check, Level.FAILURE, subject, text, advice, value, limit)


def warning(check: str, subject: str, text: str, advice: str, value: float = nan, limit: float = nan) -> Finding:
    """Worth knowing."""
    return Finding(check, Level.WARNING, subject, text, advice, value, limit)


EXIT_OK, EXIT_FAILURE, EXIT_WARNING, EXIT_UNUSABLE = 0, 1, 3, 2


def exit_status(findings: Sequence[Finding]) -> int:
    """0: all well; 1: failures; 3: warnings only. (2 is kept for a doctor that could not look at all.)"""
    levels = {finding.level for finding in findings}
    if Level.FAILURE in levels:
        return EXIT_FAILURE
    return EXIT_WARNING if Level.WARNING in levels else EXIT_OK


def as_json(robot: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """For scripts: numbers that are not there are null."""
    rows = [
        {
            "check": f.check, "level": str(f.level), "subject": f.subject, "text": f.text, "advice": f.advice,
            "value": None if isnan(f.value) else f.value, "limit": None if isnan(f.limit) else f.limit,
        }
        for f in findings
    ]  # fmt: skip
    counts = {str(level): sum(f.level is level for f in findings) for level in Level}
    return {"robot": robot, "status": exit_status(findings), "counts": counts, "findings": rows}


def as_lines(findings: Sequence[Finding]) -> list[str]:
    """For people."""
    marks = {Level.OK: "ok  ", Level.SKIPPED: "--  ", Level.WARNING: "warn", Level.FAILURE: "FAIL"}
    lines = []
    for f in findings:
        lines.append(f"{marks[f.level]} {f.check}: {f.subject}: {f.text}")
        if f.advice:
            lines.append(f"       do: {f.advice}")
    return lines
