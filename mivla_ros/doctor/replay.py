"""A recorded episode through the whole policy path: policy, time contract, retargeting, trajectories, physics.

It is played on the simulated robot of the same profile, so that a recording from another robot, in other units or
beyond the limits shows before the real one moves.
"""

from pathlib import Path

from mivla_ros.doctor.finding import Finding, failure, ok, skipped, warning
from mivla_ros.robots.profile import RobotProfile
from mivla_ros.stop_reasons import Reason

FINE = (Reason.NONE, Reason.POLICY_FINISHED, Reason.SHUTDOWN)


def check_replay(profile: RobotProfile, robot: str, episode: Path | None, limit: float = 120.0) -> list[Finding]:
    """robot: the profile's name or file; limit: simulated seconds at most."""
    if episode is None:
        return [skipped("replay", profile.name, "no episode was given: --episode FOLDER")]
    from mivla_ros.episodes.errors import EpisodeError
    from mivla_ros.policies.headless import HeadlessRun
    from mivla_ros.policies.policy import PolicyError
    from mivla_ros.simulation.errors import SimulationError

    subject = episode.name
    try:
        played = HeadlessRun("replay", {"path": str(episode)}, robot).episode(0, limit)
    except (EpisodeError, PolicyError, SimulationError) as error:
        advice = "give an episode of this robot, whole (`mivla episodes audit`)"
        return [failure("replay", subject, str(error), advice)]
    if played.reason.reason not in FINE:
        return [failure("replay", subject, str(played.reason), "see docs/when_things_break.md for that reason")]
    if played.refused_chunks:
        words = f"{played.refused_chunks} chunks were refused"
        advice = "the recording leaves what the profile allows: compare profile and recording"
        return [failure("replay_refused", subject, words, advice, played.refused_chunks, 0)]
    if played.clipped_steps:
        words = f"{played.clipped_steps} steps were clipped to the limits"
        advice = "normal for a fast person; if many, the profile's limits are below the recording's"
        return [warning("replay_clipped", subject, words, advice, played.clipped_steps, 0)]
    return [ok("replay", subject, "went through policy, retargeting and limits")]
