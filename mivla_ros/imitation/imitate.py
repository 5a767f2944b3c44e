"""One file to one imitation: read, carried out, reported, drawn."""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.imitation.beginning import best_beginning
from mivla_ros.imitation.human_view import human_view
from mivla_ros.imitation.leaders import LeaderOptions, leaders
from mivla_ros.imitation.playback import Playback, PlaybackOptions, Watch, play
from mivla_ros.imitation.reading import ReadingOptions, read
from mivla_ros.imitation.recording import Kind, Recording
from mivla_ros.imitation.report import make_report
from mivla_ros.imitation.robot import Robot
from mivla_ros.imitation.robot_view import RobotView
from mivla_ros.imitation.side_by_side import FPS, HEIGHT, WIDTH, SideBySide
from mivla_ros.imitation.video_file import VideoWriter
from mivla_ros.retargeting.hands import HandOptions
from mivla_ros.simulation.simulation import Simulation

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Outputs:
    """Files to write; None: not. moments: pictures of the strip. view: ``front`` or ``behind`` the robot, or ``auto``:
    as the camera saw the person.
    """

    report: Path | None = None
    video: Path | None = None
    strip: Path | None = None
    moments: int = 6
    view: str = "auto"


@dataclass(frozen=True)
class ImitationOptions:
    """What to do with what was read. initial_pose: by arm name, see ``Robot``. search: look for the best one instead.
    shown: repeated in the report as it is.
    """

    leader: LeaderOptions = field(default_factory=LeaderOptions)
    horizon: int = 16
    step_seconds: float = 0.05
    period_seconds: float = 0.2
    initial_pose: Mapping[str, Array] = field(default_factory=dict)
    search: bool = False
    shown: dict[str, Any] = field(default_factory=dict)


def imitate(
    path: Path,
    robot_name: str,
    reading: ReadingOptions,
    options: ImitationOptions,
    outputs: Outputs,
    progress: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """Let a robot imitate the motion in a file; the report. ``progress`` hears the motion's time, s.

    Files are written whole or not at all. Raises ImitationError, and RenderingError where pictures cannot be drawn.
    """
    recording = read(path, reading)
    seconds = recording.seconds / options.leader.speed
    robot = Robot(robot_name, options.initial_pose)
    followed = leaders(recording, robot.profile, robot.base_from_world_rotation, options.leader)
    if options.search:
        robot.simulation.close()
        robot = Robot(robot_name, {arm: best_beginning(robot, arm, one, seconds)[0] for arm, one in followed.items()})
    turn = Rotation.from_euler("z", options.leader.turn).as_matrix()
    base_from_human = {
        name: robot.base_from_world_rotation[name] @ turn @ recording.robot_from_human for name in followed
    }
    hands = HandOptions(reference=options.leader.reference, scale=options.leader.scale)
    playing = PlaybackOptions(options.horizon, options.step_seconds, options.period_seconds, hands)
    with ExitStack() as stack:
        stack.callback(robot.simulation.close)
        watchers: list[Watch] = []
        pictures = None
        if outputs.video is not None or outputs.strip is not None:
            writer = None
            if outputs.video is not None:
                writer = stack.enter_context(VideoWriter(outputs.video, 2 * WIDTH, HEIGHT, FPS))
            human = human_view(recording, WIDTH, HEIGHT)
            stack.callback(human.close)
            view = RobotView(robot, followed, WIDTH, HEIGHT, _view(outputs, recording, reading))
            stack.callback(view.close)
            moments = outputs.moments if outputs.strip is not None else 0
            pictures = SideBySide(human, view, seconds, options.leader.speed, writer, moments)
            watchers.append(pictures.watch)
        if progress is not None:
            watchers.append(lambda now, *_: progress(now))

        def everyone(now: float, simulation: Simulation, so_far: Playback) -> None:
            for one in watchers:
                one(now, simulation, so_far)

        playback = play(robot, followed, base_from_human, seconds, playing, everyone)
        if pictures is not None and outputs.strip is not None:
            pictures.write_strip(outputs.strip)
    report = make_report(recording, robot, followed, playback, options.shown)
    if outputs.report is not None:
        part = outputs.report.with_name(f".{outputs.report.name}.part")
        part.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        part.replace(outputs.report)
    return report


def _view(outputs: Outputs, recording: Recording, reading: ReadingOptions) -> str:
    if outputs.view != "auto":
        return outputs.view
    return "front" if recording.kind in (Kind.VIDEO, Kind.LANDMARKS) and reading.facing else "behind"
