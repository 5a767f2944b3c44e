import json

import numpy as np
import pytest

from mivla_ros.demonstrations.disturbance import Disturbance
from mivla_ros.demonstrations.errors import DemonstrationError
from mivla_ros.demonstrations.listing import LIST
from mivla_ros.demonstrations.making import UNFINISHED, DemonstrationPlan, make_demonstrations
from mivla_ros.episodes.formats import open_episodes
from mivla_ros.simulation.tasks import make_task


def test_a_demonstration_is_a_bag_of_a_success_and_a_killed_run_goes_on(tmp_path):
    plan = DemonstrationPlan(seeds=(0,), disturbance=0.01)
    (made,) = make_demonstrations(plan, tmp_path, workers=1)
    assert made.success
    (episode,) = open_episodes(tmp_path / made.bag)
    assert (episode.info.robot, episode.info.label, episode.info.instruction) == ("piper", "success", made.instruction)
    assert made.instruction in make_task("bottle_on_pad").instructions[:-1]
    assert set(episode.cameras) == {"head_camera", "wrist_camera"}
    assert episode.cameras["head_camera"].rgb(0).std() > 5
    assert episode.info.seconds == pytest.approx(made.seconds, abs=3.0)
    commanded, measured = episode.streams["commands"], episode.streams["joints"]
    assert commanded.columns == measured.columns
    middle = int(np.median(commanded.stamps_ns))
    gap = commanded.values[commanded.before(middle)] - measured.values[measured.before(middle)]
    assert 1e-3 < np.abs(gap[:6]).max() < 0.2
    before = (tmp_path / made.bag / "metadata.yaml").stat().st_mtime_ns

    (tmp_path / UNFINISHED / "piper_easy_000001").mkdir(parents=True)
    with (tmp_path / LIST).open("a") as file:
        file.write('{"condition": "easy", "se')
    assert list(make_demonstrations(plan, tmp_path, workers=1)) == []
    assert (tmp_path / made.bag / "metadata.yaml").stat().st_mtime_ns == before
    assert len((tmp_path / LIST).read_text().splitlines()) == 1
    assert not (tmp_path / UNFINISHED).exists()


def test_demonstrations_of_another_plan_are_not_mixed_in(tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps(DemonstrationPlan().same_data()))
    with pytest.raises(DemonstrationError, match=r"disturbance 0\.0, not 0\.05"):
        next(make_demonstrations(DemonstrationPlan(disturbance=0.05), tmp_path))


def test_an_absurd_disturbance_is_refused(tmp_path):
    with pytest.raises(DemonstrationError, match=r"must be 0 to 0\.1"):
        next(make_demonstrations(DemonstrationPlan(disturbance=1.0), tmp_path))


def test_a_disturbance_begins_at_nothing_and_has_the_size_and_speed_it_says():
    times = np.arange(0, 200_000_000_000, 10_000_000)
    offset, speed = Disturbance(3, 0.02, 0).at(times, 6)
    assert not offset[0].any()
    np.testing.assert_allclose(offset[500:].std(axis=0), 0.02, rtol=0.15)
    np.testing.assert_allclose(np.gradient(offset, 0.01, axis=0)[300:-1], speed[300:-1], atol=2e-3)
    assert not Disturbance(3, 0.0, 0).at(times, 6)[0].any()
