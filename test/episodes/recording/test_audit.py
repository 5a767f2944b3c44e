"""The verdict on whole episodes: a good one is kept, and for each way to spoil one the words say what to redo."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mivla_ros.episodes.bag_writer import BagWriter
from mivla_ros.episodes.formats import EpisodeRef
from mivla_ros.episodes.inspection import inspect_ref
from mivla_ros.episodes.recording.audit import EpisodeAudit
from mivla_ros.episodes.recording.verdict import Finding, Verdict, overall
from mivla_ros.episodes.topics import recorded_topics
from test.episodes.recording.messages import (
    HEAD,
    JOINTS,
    PROFILE,
    SECOND,
    STORE,
    WRIST,
    blurred,
    encoded,
    image,
    joint_state,
    ready,
    texture,
)

TOPICS = {f"/{topic.name.lstrip('/')}": topic for topic in recorded_topics(PROFILE)}
LENGTH = 4  # s
Event = tuple[int, str, bytes]
PICTURES = [encoded(texture(seed)) for seed in range(4)]


def _good() -> Iterator[Event]:
    """An arm that moves slowly, seen by two cameras; arrival times (ns), topics, messages."""
    for i in range(LENGTH * 100):
        stamp = i * SECOND // 100
        yield stamp + 1_000_000, JOINTS, joint_state(stamp, ready(0.1 * stamp / SECOND))
    for topic in (HEAD, WRIST):
        for i in range(LENGTH * 15):
            stamp = i * SECOND // 15
            yield stamp + 30_000_000, topic, image(stamp, PICTURES[i % 4])


def _audit(events: list[Event], lost: int = 0) -> list[Finding]:
    audit = EpisodeAudit(PROFILE, TOPICS, STORE, 0, live=False)
    for arrival, topic, data in sorted(events, key=lambda event: event[0]):
        audit.see(topic, arrival, data)
    if lost:
        audit.lose(HEAD, lost)
    return audit.findings(LENGTH * SECOND)


def test_a_good_episode_is_good() -> None:
    findings = _audit(list(_good()))
    assert findings == []
    assert overall(findings) is Verdict.GOOD


def _recorded(folder: Path, events: list[Event]) -> Path:
    """The same events as the recorder would have left them."""
    writer = BagWriter(folder, TOPICS, {"robot": PROFILE.name, "instruction": "x", "start_reason": "service"})
    for arrival, topic, data in sorted(events, key=lambda event: event[0]):
        writer.write(topic, arrival, data)
    writer.close()
    return folder


def test_a_recording_on_the_disk_is_judged_as_it_was_live(tmp_path: Path) -> None:
    for name, events in (("good", list(_good())), ("frozen", _pictures(lambda _: PICTURES[0])), ("jump", _jump())):
        found = inspect_ref(EpisodeRef(_recorded(tmp_path / name, events), "bag"))
        bad = [(finding.subject, finding.text) for finding in found.findings if finding.level == "bad"]
        assert bad == [(f.stream, f.text) for f in _audit(events) if f.verdict is Verdict.REDO]


def _without(stream: str) -> list[Event]:
    return [event for event in _good() if event[1] != stream]


def _every_second_image() -> list[Event]:
    return [e for i, e in enumerate(sorted(_good())) if e[1] != HEAD or i % 2 == 0]


def _hole() -> list[Event]:
    return [e for e in _good() if e[1] != WRIST or not SECOND < e[0] < 2.5 * SECOND]


def _pictures(make: Callable[[int], bytes]) -> list[Event]:
    events = [e for e in _good() if e[1] != HEAD]
    stamps = [i * SECOND // 15 for i in range(LENGTH * 15)]
    return events + [(stamp + 30_000_000, HEAD, image(stamp, make(i))) for i, stamp in enumerate(stamps)]


def _jump() -> list[Event]:
    stamp = 2 * SECOND + 3_000_000
    return [*_good(), (stamp, JOINTS, joint_state(stamp, ready(1.5)))]


@pytest.mark.parametrize(
    ("events", "stream", "text"),
    [
        (_without(WRIST), WRIST, "nothing came"),
        (_every_second_image(), HEAD, "Hz of 15 Hz"),
        (_hole(), WRIST, "longest 1"),
        (_pictures(lambda _: PICTURES[0]), HEAD, "same picture"),
        (_pictures(lambda i: encoded(blurred(texture(i % 4), 9))), HEAD, "are blurred"),
        (_pictures(lambda i: encoded(texture(i % 4) // 40)), HEAD, "too dark"),
        (_pictures(lambda i: encoded(255 - texture(i % 4) // 60)), HEAD, "too bright"),
        (_pictures(lambda i: PICTURES[i % 4][:500]), HEAD, "cannot be decoded"),
        (_jump(), JOINTS, "jumps, largest"),
    ],
    ids=["missing", "slow", "hole", "frozen", "blurred", "dark", "bright", "broken", "jump"],
)
def test_a_spoilt_episode_is_to_be_done_again_and_the_words_say_why(
    events: list[Event], stream: str, text: str
) -> None:
    findings = _audit(events)
    assert overall(findings) is Verdict.REDO, findings
    assert any(f.stream == stream and text in f.text and f.verdict is Verdict.REDO for f in findings), findings


def test_loss_in_the_middleware_is_not_hidden_by_an_even_rate() -> None:
    findings = _audit(list(_good()), lost=2)
    assert overall(findings) is Verdict.DOUBTFUL
    assert "2 lost by the middleware" in str(findings[0])


def test_the_live_audit_looks_at_pictures_in_its_own_thread() -> None:
    audit = EpisodeAudit(PROFILE, TOPICS, STORE, 0, image_interval=0.0)
    for arrival, topic, data in sorted(_pictures(lambda i: encoded(texture(i % 4) // 40)))[:200]:
        audit.see(topic, arrival, data)
    audit.close()
    camera = audit.measured(SECOND).cameras[HEAD]
    assert camera.looked_at == camera.dark > 0


def test_a_broken_message_costs_a_finding_and_not_the_recording() -> None:
    audit = EpisodeAudit(PROFILE, TOPICS, STORE, 0, live=False)
    for topic in (HEAD, JOINTS, "/mivla/actions", "/tf"):
        for data in (b"", b"\0\1\0\0", b"\0\1\0\0" + b"\xff" * 40):
            audit.see(topic, SECOND, data)
    assert overall(audit.findings(2 * SECOND)) is Verdict.REDO
