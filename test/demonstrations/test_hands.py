"""A person's demonstrations: motion, performance, files."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mivla_ros import action_space
from mivla_ros.action_space import SIDES
from mivla_ros.demonstrations.errors import DemonstrationError
from mivla_ros.demonstrations.hands.episode import perform
from mivla_ros.demonstrations.hands.making import HandPlan, make_hands
from mivla_ros.demonstrations.hands.recorded import recorded_episode
from mivla_ros.demonstrations.hands.track import HandTrack
from mivla_ros.demonstrations.listing import LIST
from mivla_ros.episodes.egodex import HAND_COLUMNS
from mivla_ros.episodes.formats import open_episodes
from mivla_ros.episodes.inspection import inspect_episode
from mivla_ros.episodes.unified import UnifiedEpisode
from mivla_ros.simulation.hands.anatomy import POSTURE_SIZE, joint_names
from mivla_ros.simulation.tasks import TASKS, make_task

SHARED = Path(__file__).parents[3] / "shared/data"


def track(tremor: float = 0.0) -> HandTrack:
    return HandTrack(np.zeros(3), Rotation.identity(), np.zeros(POSTURE_SIZE), np.random.default_rng(0), tremor)


def test_parts_of_a_reach_add_up_smoothly_and_begin_and_end_at_rest() -> None:
    hand = track()
    hand.move(0.5, 1.0, np.array([0.2, 0.0, 0.1]), np.array([0.0, 0.02, 0.0]))
    hand.move(1.2, 0.6, np.array([0.05, 0.01, -0.1]))
    hand.turn(0.5, 1.0, Rotation.from_euler("z", 0.8))
    hand.shape(0.6, 0.5, np.full(POSTURE_SIZE, 0.4))
    times = np.arange(0.0, 2.5, 0.01)
    positions, rotations, postures = hand.at(times)
    np.testing.assert_allclose(positions[-1], [0.25, 0.01, 0.0], atol=1e-12)
    np.testing.assert_allclose(hand.goal, positions[-1], atol=1e-12)
    np.testing.assert_allclose(rotations[-1], Rotation.from_euler("z", 0.8).as_matrix(), atol=1e-9)
    np.testing.assert_allclose(postures[-1], 0.4)
    speed = np.gradient(positions, 0.01, axis=0)
    assert np.abs(speed[[0, 40, -1]]).max() < 1e-3
    assert np.abs(np.diff(speed, axis=0)).max() < 0.03
    assert 0.005 < positions[:, 1].max() < 0.03


def test_unsteadiness_has_the_size_it_says() -> None:
    positions, _, _ = track(0.002).at(np.arange(0.0, 120.0, 0.02))
    np.testing.assert_allclose(positions.std(axis=0), 0.002, rtol=0.2)


@pytest.mark.parametrize("name", ["umbrella_rack", "push_to_mark", "open_drawer", "hand_over", "carry_tray"])
def test_a_person_does_it(name: str) -> None:
    performance = perform(name, "easy", 1)
    performance.episode.close()
    progress = performance.progress
    assert progress.success, progress
    assert performance.instruction in [*make_task(name).instructions[:-1], performance.instruction]


def test_a_seed_gives_the_same_demonstration_again_and_another_another() -> None:
    rows = []
    for seed in (5, 5, 6):
        with perform("cup_on_saucer", "hard", seed).episode as episode:
            rows.append(
                (episode.info.instruction, episode.streams["hand.right"].values, episode.streams["head"].values)
            )
    assert rows[0][0] == rows[1][0]
    assert all(np.array_equal(a, b) for a, b in zip(rows[0][1:], rows[1][1:], strict=True))
    assert not np.array_equal(rows[0][2][:20], rows[2][2][:20])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("hands")
    plan = HandPlan(("block_in_box",), ("hard",), (2,), 90)
    (one,) = make_hands(plan, out, workers=1)
    assert one.success, one.failure
    return out, plan, one


def test_a_demonstration_is_an_egodex_episode_with_every_joint(made) -> None:
    out, _, one = made
    assert one.file == "hard/block_in_box/2.hdf5"
    with h5py.File(out / one.file) as file:
        assert {name for side in SIDES for name in joint_names(side)} | {"camera"} == set(file["transforms"])
        assert set(file["confidences"]) == set(file["transforms"]) - {"camera"}
        wrist, thumb = file["transforms/rightHand"][:], file["transforms/rightThumbKnuckle"][:]
        away = np.linalg.norm(wrist[:, :3, 3] - thumb[:, :3, 3], axis=1)
        assert np.ptp(away) < 1e-4
        assert file.attrs["llm_description"] == one.instruction
        assert 0 <= file["confidences/leftHand"][:].min() <= file["confidences/leftHand"][:].max() <= 1
        head = file["transforms/camera"][0]
        assert 0.9 < head[1, 3] < 1.4  # y is up, from the floor
        assert head[1, 2] < -0.3  # it looks down


def test_it_reads_back_as_it_was_made(made) -> None:
    out, _, one = made
    with perform("block_in_box", "hard", 2).episode as before:
        (episode,) = open_episodes(out / one.file)
        assert (episode.info.embodiment, episode.info.instruction) == ("human", before.info.instruction)
        assert len(episode) == len(before)
        for name in ("hand.left", "hand.right"):
            assert episode.streams[name].columns == HAND_COLUMNS[name.removeprefix("hand.")]
            np.testing.assert_allclose(episode.streams[name].values, before.streams[name].values, atol=1e-5)
        np.testing.assert_allclose(
            episode.streams["thumb_knuckle.right"].values[:, :3], before.streams["thumb_knuckle.right"].values[:, :3],
            atol=1e-5,
        )  # fmt: skip
        camera = episode.cameras["head_camera"]
        assert camera.size == (90, 160)
        middle = len(camera.stamps_ns) // 2
        assert camera.rgb(middle).std() > 8
        assert np.abs(camera.rgb(0).astype(int) - camera.rgb(middle)).mean() > 1
        assert inspect_episode(episode).good
        rows = UnifiedEpisode(episode).states(episode.frame_stamps_ns)
        assert rows.mask[:, :48].all()


def test_the_hands_are_where_the_picture_shows_skin(made) -> None:
    out, _, one = made
    (episode,) = open_episodes(out / one.file)
    camera, head = episode.cameras["head_camera"], episode.streams["head"].values
    pictures = [camera.rgb(i).astype(int) for i in range(0, len(episode), 10)]
    inside = 0
    for picture, i in zip(pictures, range(0, len(episode), 10), strict=True):
        knuckle = episode.streams["thumb_knuckle.right"].values[i, :3]
        seen = Rotation.from_quat(head[i, 3:], scalar_first=True).inv().apply(knuckle - head[i, :3])
        u, v, _ = camera.intrinsics @ (seen / seen[2])
        if 3 <= u < 157 and 3 <= v < 87:
            red, green, blue = picture[round(v) - 1 : round(v) + 2, round(u) - 1 : round(u) + 2].reshape(-1, 3).mean(0)
            inside += 1
            assert red > green > blue, (i, red, green, blue)
    assert inside > 5


def test_a_killed_run_goes_on_where_it_was(made) -> None:
    out, plan, one = made
    before = (out / one.file).stat().st_mtime_ns
    with (out / LIST).open("a") as file:
        file.write('{"condition": "hard", "ta')
    assert list(make_hands(plan, out, workers=1)) == []
    assert (out / one.file).stat().st_mtime_ns == before
    assert len((out / LIST).read_text().splitlines()) == 1
    with pytest.raises(DemonstrationError, match="height 90, not 270"):
        next(make_hands(HandPlan(("block_in_box",), ("hard",), (2,)), out, workers=1))


def test_an_unknown_task_is_refused_with_those_there_are(tmp_path) -> None:
    with pytest.raises(DemonstrationError, match=r"juggle.*block_in_box"):
        next(make_hands(HandPlan(("juggle",)), tmp_path))
    assert len(TASKS) >= 12


def test_an_end_effectors_motion_is_given_to_a_hand_that_is_as_far_open_as_the_gripper_was(tmp_path) -> None:
    time = np.linspace(0.0, 2.0, 41)
    position = np.stack([0.4 + 0.1 * time, 0.0 * time, 0.2 + 0.05 * np.sin(time)], axis=1)
    width = np.linspace(0.08, 0.01, 41)
    down = np.tile([1.0, 0.0, 0.0, 0.0], (41, 1))
    np.savez(tmp_path / "eef.npz", time=time, position=position, quaternion_xyzw=down, gripper_width=width)
    with recorded_episode(tmp_path / "eef.npz", "reach") as episode:
        rows = episode.streams["hand.right"].values
        tips = rows[:, action_space.FINGER_TIPS].reshape(-1, 5, 3)
        apart = np.linalg.norm(tips[:, 1] - tips[:, 0], axis=1)
        np.testing.assert_allclose(apart, np.interp(np.arange(len(rows)) / 30, time, width), atol=1e-3)
        middle = (tips[:, 0] + tips[:, 1]) / 2
        travelled = np.linalg.norm(middle[-1] - middle[0])
        assert travelled == pytest.approx(np.linalg.norm(position[-1] - position[0]), abs=1e-3)
        assert episode.cameras["head_camera"].rgb(30).std() > 8


def test_a_motion_needs_words_for_what_is_done(tmp_path) -> None:
    with pytest.raises(DemonstrationError, match="needs words"):
        recorded_episode(tmp_path / "eef.npz", " ")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real inputs are not there")
def test_a_hand_in_a_video_becomes_an_episode_with_its_pictures() -> None:
    landmarks, video = (SHARED / f"human_hand_video{end}" for end in ("_landmarks.npz", ".mp4"))
    with recorded_episode(landmarks, "open and close the hand", video=video) as episode:
        assert set(episode.streams) == {"head", "hand.right", "thumb_knuckle.right"}
        camera = episode.cameras["head_camera"]
        assert len(camera.stamps_ns) > 600
        assert camera.stamps_ns[-1] == pytest.approx(episode.info.end_ns, abs=1e8)
        assert camera.rgb(3).shape == (720, 1280, 3)


def test_prepared_hands_are_what_their_files_would_be(tmp_path: Path) -> None:
    from mivla_ros.training.preparing import find_prepared, prepare_episode
    from mivla_ros.training.setting_up import prepared_for

    plan = HandPlan(("push_to_mark",), seeds=(2,), height=96, prepare_for="tiny", pictures=1.0)
    (made,) = make_hands(plan, tmp_path, workers=1)
    options = prepared_for("tiny", "piper")
    (episode,) = find_prepared(tmp_path, options)
    assert (episode.embodiment, episode.label, episode.instructions) == ("human", "success", (made.instruction,))
    assert abs(len(episode) - made.seconds) < 2, "one picture a second"
    assert episode.seen.tolist() == [[True, False]] * len(episode)
    assert list(make_hands(plan, tmp_path, workers=1)) == []
    files = HandPlan(("push_to_mark",), seeds=(2,), height=96)
    with pytest.raises(DemonstrationError, match="prepare_for"):
        list(make_hands(replace(plan, prepare_for="small"), tmp_path, workers=1))
    with pytest.raises(DemonstrationError, match="prepare_for 'tiny'"):
        list(make_hands(files, tmp_path, workers=1))
    (written,) = make_hands(files, tmp_path / "files", workers=1)
    (read,) = open_episodes(tmp_path / "files" / written.file)
    with read:
        prepare_episode(read, options, tmp_path / "again")
    (whole,) = find_prepared(tmp_path / "again", options)
    every = slice(None, None, 30)
    np.testing.assert_allclose(episode.state, whole.state[every], atol=1e-4)
    np.testing.assert_array_equal(episode.own, whole.own[every])
    here = episode.own | episode.imitated
    assert (episode.imitated == whole.imitated[every]).mean() > 0.99
    np.testing.assert_allclose(episode.actions[episode.own], whole.actions[every][episode.own], atol=1e-3)
    assert np.abs(episode.pixels[:, 0].astype(int) - whole.pixels[every, 0]).mean() < 6, "but for the video's loss"
    assert here.any()
