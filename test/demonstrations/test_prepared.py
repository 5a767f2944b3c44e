import numpy as np

from mivla_ros.action_space import ROBOT
from mivla_ros.demonstrations.making import DemonstrationPlan, make_demonstrations
from mivla_ros.training.preparing import PreparationOptions, find_prepared
from mivla_ros.training.setting_up import prepared_for


def test_a_prepared_demonstration_shows_what_is_done_next(tmp_path):
    plan = DemonstrationPlan(seeds=(0,), prepare_for="tiny", pictures=1.0)
    (made,) = make_demonstrations(plan, tmp_path, workers=1)
    options = prepared_for("tiny", "piper")
    (episode,) = find_prepared(tmp_path, options)
    assert (episode.label, episode.robot, episode.instructions) == ("success", "piper", (made.instruction,))
    assert abs(len(episode) - made.seconds) < 4
    assert episode.pixels.shape[1:] == (2, 3, options.vision.image_size, options.vision.image_size)
    assert episode.pixels[0].std() > 5 and episode.seen.all()
    arm = slice(ROBOT.start + 7, ROBOT.start + 13)
    in_a_second = round(1 / options.step_seconds) - 1
    assert np.abs(episode.actions[:-1, in_a_second, arm] - episode.state[1:, arm]).max() < 0.15
    assert np.abs(np.diff(episode.state[:, arm], axis=0)).max() > 0.3
    assert episode.own[..., arm].all() and episode.imitated.any()
    assert list(make_demonstrations(plan, tmp_path, workers=1)) == []


def test_what_was_prepared_for_another_network_is_refused(tmp_path):
    import pytest

    from mivla_ros.training.errors import TrainingError

    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "about.json").write_text('{"prepared_for": "another"}')
    options: PreparationOptions = prepared_for("tiny", "piper")
    with pytest.raises(TrainingError, match="was prepared for another"):
        find_prepared(tmp_path, options)
