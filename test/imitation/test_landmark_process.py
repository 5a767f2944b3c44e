"""Videos go to another process frame by frame; where it fails, its last words are passed on."""

import sys
from pathlib import Path

import numpy as np
import pytest

from mivla_ros.imitation.errors import ImitationError
from mivla_ros.imitation.landmark_process import find_landmarks, landmark_command
from mivla_ros.imitation.landmarks import load_landmarks
from mivla_ros.imitation.mediapipe_environment import made_python, make_python
from mivla_ros.imitation.video_file import VideoAt, video_facts, video_frames
from test.imitation.files import RECORDINGS, landmarks_of, write_video


def stub(tmp_path: Path, program: str) -> tuple[str, ...]:
    """A process in the place of MediaPipe's."""
    script = tmp_path / "stub.py"
    script.write_text("import sys, argparse\nimport numpy as np\n" + program)
    return (sys.executable, str(script))


READS = """
p = argparse.ArgumentParser()
for name in ("width", "height", "fps", "out"):
    p.add_argument("--" + name)
a = p.parse_args()
size = int(a.width) * int(a.height) * 3
frames = []
while len(raw := sys.stdin.buffer.read(size)) == size:
    image = np.frombuffer(raw, np.uint8).reshape(int(a.height), int(a.width), 3)
    frames.append(np.flatnonzero(image[60, :, 0] > 128)[0])
kept = dict(np.load(sys.argv[0] + ".npz"))
kept["image_landmarks"][:, 0, 0] = frames  # what was really seen
np.savez(a.out, **kept)
"""


def test_every_frame_arrives_in_order_with_its_time(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", 40)
    command = stub(tmp_path, READS)
    np.savez(f"{command[1]}.npz", **landmarks_of(40))
    find_landmarks(video, video_facts(video), command, tmp_path / "out.npz")
    found = load_landmarks(tmp_path / "out.npz")
    assert np.abs(found.image[:, 0, 0] - np.arange(40)).max() <= 2  # the square's left edge, as it was compressed
    assert np.allclose(found.time, np.arange(40) / 30, atol=1e-3)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("print('no model here', file=sys.stderr); sys.exit(3)", "ended with status 3: no model here"),
        ("import os; os.kill(os.getpid(), 9)", "ended with status -9"),
        (
            "while sys.stdin.buffer.read(57600): pass\n"
            "np.savez(sys.argv[-1], frame=np.zeros(0), world_landmarks=np.zeros((0, 21, 3)))",
            "no hand in any of its 40 frames",
        ),
    ],
)
def test_its_failure_is_one_line_with_its_last_words(tmp_path: Path, program: str, words: str) -> None:
    video = write_video(tmp_path / "v.mp4", 40)
    with pytest.raises(ImitationError, match=words) as raised:
        find_landmarks(video, video_facts(video), stub(tmp_path, program), tmp_path / "out.npz")
    assert str(video) in str(raised.value)
    assert not (tmp_path / "out.npz").exists()


def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", 3)
    with pytest.raises(ImitationError, match="nowhere/python cannot be started"):
        find_landmarks(video, video_facts(video), landmark_command(Path("nowhere/python")), tmp_path / "out.npz")


def test_a_python_without_mediapipe_says_so(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", 3)
    with pytest.raises(ImitationError, match="ended with status 3: ModuleNotFoundError: No module named 'mediapipe'"):
        find_landmarks(video, video_facts(video), landmark_command(Path(sys.executable)), tmp_path / "out.npz")


def test_outside_a_checkout_the_way_by_hand_is_told(tmp_path: Path) -> None:
    with pytest.raises(ImitationError, match=r"v.mp4: .*pip install mediapipe==0.10.21, then --landmarks-python"):
        make_python(tmp_path / "v.mp4", tmp_path)


def test_a_video_is_shown_at_its_own_times(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", 40)
    shown = VideoAt(video)
    for seconds, frame in ((0.0, 0), (0.49, 14), (1.0, 30), (9.0, 39)):
        row = shown.at(seconds)[60, :, 0]
        assert abs(int(np.flatnonzero(row > 128)[0]) - frame) <= 2
    shown.close()


def test_a_video_that_breaks_off_is_refused(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.webm", 40, "libvpx-vp9")
    video.write_bytes(video.read_bytes()[:-200] + bytes(200))
    with pytest.raises(ImitationError, match=r"v\.webm: video stream: cannot be read after frame 3"):
        list(video_frames(video))


@pytest.mark.skipif(made_python() is None, reason="MediaPipe's environment is not made")
@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings in ../shared/data are not here")
def test_mediapipe_finds_the_hand_where_an_earlier_run_did(tmp_path: Path) -> None:
    import av

    short = tmp_path / "short.mp4"  # the first second, as it is
    with av.open(str(RECORDINGS / "human_hand_video.mp4")) as source, av.open(str(short), "w") as target:
        stream = source.streams.video[0]
        out = target.add_stream_from_template(stream)
        for k, packet in enumerate(source.demux(stream)):
            if k < 30 and packet.dts is not None:
                packet.stream = out
                target.mux(packet)
    facts = video_facts(short)
    find_landmarks(short, facts, landmark_command(made_python()), tmp_path / "out.npz")
    found = load_landmarks(tmp_path / "out.npz")
    with np.load(RECORDINGS / "human_hand_video_landmarks.npz") as file:
        earlier = file["image_landmarks"][found.frame, :, :2]
    assert len(found.frame) >= 25
    assert set(found.label) == {"Left"}
    assert np.median(np.abs(found.image - earlier)) < 5  # px
