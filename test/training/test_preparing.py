from dataclasses import replace

import numpy as np
import pytest

from mivla_ros.action_space import arm_slice, hand_slice, pose_slice
from mivla_ros.alignment import eef_from_rows
from mivla_ros.episodes.formats import EpisodeRef
from mivla_ros.episodes.training_samples import SampleOptions, TrainingSamples
from mivla_ros.robots.profile import load_profile
from mivla_ros.training.checking import check
from mivla_ros.training.errors import TrainingError
from mivla_ros.training.labels import human_labels
from mivla_ros.training.preparing import PreparationOptions, prepare
from mivla_ros.training.setting_up import find
from test.episodes.recordings import write_egodex, write_piper_bag
from test.training.small import VISION, episode

PIPER = load_profile("piper")
OPTIONS = PreparationOptions("piper", ("head_camera", "wrist_camera"), 4, 0.1, 0.1, 0.0, VISION)


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    return write_piper_bag(tmp_path_factory.mktemp("bags") / "one")


def test_a_bag_becomes_samples_with_hands_that_lead_back_to_the_arm(bag, tmp_path):
    (made,), errors = prepare(find([bag])[0], OPTIONS, tmp_path)
    assert not errors
    assert made.pixels.shape == (len(made), 2, 3, 32, 32)
    assert made.seen.all()
    hand, arm, pose = hand_slice("right"), arm_slice("right"), pose_slice("right")
    assert made.own[..., arm].all() and not made.own[..., hand].any()
    assert made.imitated[..., hand].all() and not made.imitated[..., arm].any()
    assert not (made.own | made.imitated)[..., hand_slice("left")].any()
    eef, opening = eef_from_rows(made.actions[0][:, hand].astype(float), "right", made.actions[0, 0, pose])
    np.testing.assert_allclose(eef[:, :3], made.actions[0][:, pose][:, :3], atol=1e-5)
    np.testing.assert_allclose(opening, made.actions[0][:, arm.stop - 1], atol=1e-5)


def test_the_end_is_held_and_states_are_those_of_the_samples(bag, tmp_path):
    (made,), _ = prepare(find([bag])[0], OPTIONS, tmp_path)
    from mivla_ros.episodes.formats import open_episodes

    samples = TrainingSamples(open_episodes(bag), SampleOptions(4, 0.1, 0.1, cameras=OPTIONS.cameras))
    assert len(samples) == len(made)
    np.testing.assert_array_equal(made.state[3], samples[3].state)
    last = len(made) - 1
    assert made.own[last, -1, arm_slice("right")].all()
    np.testing.assert_array_equal(
        made.actions[last, -1, arm_slice("right")], samples[last].actions[-1][arm_slice("right")]
    )


def test_what_is_prepared_is_not_prepared_again_and_other_options_are(bag, tmp_path):
    refs = find([bag])[0]
    prepare(refs, OPTIONS, tmp_path)
    (folder,) = tmp_path.iterdir()
    stamp = (folder / "rows.npz").stat().st_mtime_ns
    prepare(refs, OPTIONS, tmp_path)
    assert (folder / "rows.npz").stat().st_mtime_ns == stamp
    prepare(refs, replace(OPTIONS, horizon=3), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_person_is_followed_where_the_arm_can_and_masked_where_it_cannot(tmp_path):
    file = write_egodex(tmp_path / "0.hdf5")
    options = replace(OPTIONS, robot="piper_bimanual", cameras=("head_camera",))
    (made,), errors = prepare([EpisodeRef(file, "egodex")], options, tmp_path / "cache")
    assert not errors
    assert made.embodiment == "human"
    assert made.own[..., hand_slice("right")].all()
    for side in ("left", "right"):
        arm, there = arm_slice(side), made.imitated[..., arm_slice(side)]
        assert (there.all(axis=-1) == there.any(axis=-1)).all()
        assert not made.actions[..., arm][~there].any()
    first = made.imitated[0, 0, arm_slice("right")]
    assert first.all()
    ready = load_profile("piper_bimanual").arms[1].ready
    assert np.abs(made.actions[0, 0, arm_slice("right")][:6] - np.array(ready)).max() < 0.5


def test_an_arm_without_a_gripper_has_no_hand():
    mask = np.zeros((1, 2, 76), dtype=bool)
    mask[..., pose_slice("right")] = True
    _, there = human_labels(np.zeros((1, 2, 76), dtype=np.float32), mask)
    assert not there.any()


def real(number: int, **changes):
    """An episode whose joints are those of the PiPER."""
    made = episode(number)
    arm = arm_slice("right")
    made.actions[..., arm] = [0.0, 1.3, -1.05, 0.0, 0.85, 0.0, 1.0]
    made.actions[..., 0, arm.stop - 1] = made.state[:, arm.stop - 1] = np.linspace(0, 1, len(made))
    return replace(made, **changes)


def test_failures_and_bad_recordings_are_left_out_and_said():
    bad = real(2, findings=(("bad", "head_camera", "frozen for 3 s"),))
    report = check([real(0), real(1, label="failure"), bad], [("broken.mcap", "is cut short")], PIPER)
    assert [one.name for one in report.episodes] == ["episode 0"]
    for words in ("labelled failure", "frozen for 3 s", "is cut short", "1 episodes, 10 samples", "Move the bottle."):
        assert words in str(report)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e: e.actions.__setitem__((..., arm_slice("right").start), 57.0), "degrees, or another zero"),
        (lambda e: e.state.__setitem__((..., arm_slice("right").stop - 1), np.linspace(1, 0, 10)), "opposite ways"),
        (lambda e: e.figures.update(rate=2.0), "2.0 frames a second"),
    ],
)
def test_data_that_means_something_else_is_refused(change, words):
    made = real(0)
    change(made)
    with pytest.raises(TrainingError, match=words):
        check([made], [], PIPER)


def test_another_robots_and_no_data_are_refused():
    with pytest.raises(TrainingError, match="is of robot 'arx'"):
        check([real(0, robot="arx")], [], PIPER)
    with pytest.raises(TrainingError, match="nothing is left to train on: episode 0: labelled failure"):
        check([real(0, label="failure")], [], PIPER)
