"""Environments from locks: one is current only while its lock is as it was, and what cannot be made says why."""

import hashlib
from pathlib import Path

import pytest

from mivla_ros.extra_environment import ROOT, ExtraEnvironment, ExtraEnvironmentError, main


def checkout(root: Path, lock: str) -> ExtraEnvironment:
    """A checkout with one lock."""
    extra = ExtraEnvironment("one", root=root)
    extra.lock.parent.mkdir(parents=True)
    extra.lock.write_text(lock)
    if (bootstrap := ROOT / ".environment" / "bootstrap").is_dir():  # uv is much faster than pip
        (root / ".environment").mkdir()
        (root / ".environment" / "bootstrap").symlink_to(bootstrap)
    return extra


def test_an_empty_lock_is_made_once_and_again_when_it_changes(tmp_path: Path) -> None:
    extra = checkout(tmp_path, "# nothing\n")
    assert extra.made() is None
    python = extra.make()
    assert python == extra.made()
    stamp = extra.folder / "made_from"
    assert stamp.read_text().strip() == hashlib.sha256(extra.lock.read_bytes()).hexdigest()
    (extra.folder / "mark").touch()
    assert extra.make() == python
    assert (extra.folder / "mark").exists(), "it was made again though nothing had changed"
    extra.lock.write_text("# nothing more\n")
    assert extra.made() is None


def test_a_lock_that_cannot_be_installed_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    extra = checkout(tmp_path, "-r nowhere.txt\n")
    with pytest.raises(ExtraEnvironmentError, match=r"one cannot be made: .*nowhere\.txt"):
        extra.make()
    assert extra.made() is None
    assert not list(extra.folder.parent.glob("*.new"))


def test_outside_a_checkout_the_missing_lock_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExtraEnvironmentError, match=r"one\.lock does not exist"):
        ExtraEnvironment("one", root=tmp_path).make()


def test_a_name_that_is_a_path_is_no_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["../peers"]) == 2
    assert main([]) == 2
    assert "without .lock" in capsys.readouterr().err
