"""Checkpoints that come with the suite, a folder each, named after the robot that they drive in the simulator."""

from pathlib import Path


def shipped_checkpoint(robot: str) -> Path | None:
    """The folder of the checkpoint for a robot profile of that name; None where the suite brings none."""
    folder = Path(__file__).parent / robot
    return folder if robot.isidentifier() and (folder / "checkpoint.json").is_file() else None
