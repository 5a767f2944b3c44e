"""Looks at the data before anything is trained: what is left out and why, and what would make the numbers wrong."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mivla_ros import action_space
from mivla_ros.kinematics import chain_from_urdf
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import RobotProfile
from mivla_ros.training.errors import TrainingError
from mivla_ros.training.preparing import PreparedEpisode

SLACK = 0.05  # rad beyond a joint's limit that measurement and calibration may make
SAME_SENSE = -0.2  # correlation of commanded and measured openings below which one of them is upside down
CLOSES, OPENS = 0.75, 0.5  # openings that demonstrations with a gripper reach, below and above
FEW = 30  # demonstrations the paper fine-tunes with


@dataclass(frozen=True)
class Report:
    """episodes: what is trained on. left_out: (episode, why). notes: worth knowing."""

    episodes: tuple[PreparedEpisode, ...]
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        """What it will train on, in a few lines."""
        seconds = sum(_figure(e, "seconds") for e in self.episodes)
        words = Counter(word for e in self.episodes for word in e.instructions[:1])
        lines = [
            f"{len(self.episodes)} episodes, {sum(len(e) for e in self.episodes)} samples, {seconds / 60:.1f} minutes, "
            f"{sum(1 for e in self.episodes if e.embodiment == 'human')} of them a person's"
        ]
        lines += [f"  {count:4d} x {text!r}" for text, count in words.most_common(8)]
        if len(words) > 8:
            lines.append(f"  and {len(words) - 8} other instructions")
        lines += [f"left out: {name}: {why}" for name, why in self.left_out]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def check(
    episodes: Sequence[PreparedEpisode],
    unreadable: Sequence[tuple[str, str]],
    profile: RobotProfile,
    keep_bad: bool = False,
    keep_failures: bool = False,
    any_robot: bool = False,
) -> Report:
    """What is left to train on. keep_bad: also episodes with bad findings; keep_failures: also those labelled so;
    any_robot: other robots' too, whose joint ranges are not known here.

    Raises TrainingError where nothing is left, or where robot, joint ranges or gripper sense do not fit the profile.
    """
    left_out = list(unreadable)
    good = []
    for episode in episodes:
        bad = [f"{subject}: {text}" for level, subject, text in episode.findings if level == "bad"]
        other = episode.embodiment == "robot" and episode.robot != profile.name
        if other and episode.robot and not any_robot:
            raise TrainingError(episode.path, f"is of robot {episode.robot!r}, not of {profile.name!r}")
        if episode.label and episode.label != "success" and not keep_failures:
            left_out.append((episode.name, f"labelled {episode.label}"))
        elif bad and not keep_bad:
            left_out.append((episode.name, "; ".join(bad)))
        elif not len(episode) or not episode.own.any():
            left_out.append((episode.name, "has no sample with an action"))
        else:
            good.append(episode)
    if not good:
        words = "; ".join(f"{name}: {why}" for name, why in left_out[:3]) or "no episode was given"
        raise TrainingError("data", f"nothing is left to train on: {words}")
    robots = [
        episode
        for episode in good
        if episode.embodiment == "robot" and (not any_robot or episode.robot == profile.name)
    ]
    notes = [*_ranges(robots, profile), *_grippers(robots, profile), *_rates(good)]
    if len(good) < FEW and not any_robot:
        notes.append(f"{len(good)} episodes; the paper fine-tunes with {FEW} of a task")
    if unlabelled := sum(not episode.label for episode in good):
        notes.append(f"{unlabelled} episodes have no label; they are taken as successes")
    return Report(tuple(good), tuple(left_out), tuple(notes))


def _ranges(episodes: Sequence[PreparedEpisode], profile: RobotProfile) -> list[str]:
    """Raises TrainingError for joints beyond the limits of the robot's description; notes joints that never move."""
    if not episodes:
        return []
    urdf, notes = robot_description(profile), []
    for arm in profile.arms:
        chain = chain_from_urdf(urdf, arm.base_frame, arm.eef_frame)
        start = action_space.arm_slice(arm.side).start
        still = []
        for index, name in enumerate(arm.joints):
            low, high = np.inf, -np.inf
            for episode in episodes:
                values = episode.actions[..., start + index][episode.own[..., start + index]]
                if not len(values):
                    raise TrainingError(episode.path, f"has no values of joint {name!r} of arm {arm.name!r}")
                if values.min() < chain.lower[index] - SLACK or values.max() > chain.upper[index] + SLACK:
                    raise TrainingError(
                        episode.path,
                        f"joint {name!r} goes from {values.min():.3f} to {values.max():.3f}, its limits are "
                        f"{chain.lower[index]:.3f} to {chain.upper[index]:.3f} rad: degrees, or another zero?",
                    )
                low, high = min(low, float(values.min())), max(high, float(values.max()))
            if high - low < 1e-3:
                still.append(name)
        if still:
            notes.append(f"arm {arm.name}: {', '.join(still)} never moves")
    return notes


def _grippers(episodes: Sequence[PreparedEpisode], profile: RobotProfile) -> list[str]:
    """Raises TrainingError where commanded and measured openings go opposite ways."""
    notes: list[str] = []
    for arm in profile.arms:
        if arm.gripper is None or not episodes:
            continue
        column = action_space.arm_slice(arm.side).stop - 1
        commanded = np.concatenate([e.actions[:, 0, column] for e in episodes])
        measured = np.concatenate([e.state[:, column] for e in episodes])
        if commanded.min() > CLOSES or commanded.max() < OPENS:
            notes.append(
                f"the gripper of arm {arm.name} goes from {commanded.min():.2f} to {commanded.max():.2f} only "
                "(0 closed, 1 open): does the profile have the right values for closed and open?"
            )
        if commanded.std() > 0.05 and measured.std() > 0.05:
            sense = float(np.corrcoef(commanded, measured)[0, 1])
            if sense < SAME_SENSE:
                raise TrainingError(
                    f"gripper of arm {arm.name}",
                    f"commands and measurements go opposite ways (correlation {sense:.2f}); 0 must be closed in both",
                )
    return notes


def _rates(episodes: Sequence[PreparedEpisode]) -> list[str]:
    notes = []
    rates = sorted({round(_figure(e, "rate"), 1) for e in episodes})
    if len(rates) > 1:
        notes.append(f"frames a second differ between episodes: {', '.join(map(str, rates))}")
    for episode in episodes:
        step, rate = _figure(episode, "step_seconds"), _rate_of_actions(episode)
        if rate and rate * step < 0.5:
            raise TrainingError(
                episode.path, f"has {rate:.1f} frames a second, a step of {step} s needs {0.5 / step:.1f} at least"
            )
    return notes


def _rate_of_actions(episode: PreparedEpisode) -> float:
    """Of commands or joints where they have stamps of their own, else of the frames, Hz."""
    rates = episode.figures.get("rates")
    known = rates if isinstance(rates, dict) else {}
    return max((float(known.get(name, 0.0)) for name in ("commands", "joints")), default=0.0) or _figure(
        episode, "rate"
    )


def _figure(episode: PreparedEpisode, name: str) -> float:
    value = episode.figures.get(name, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0
