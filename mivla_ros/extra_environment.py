"""Environments of their own for packages whose pins clash with the suite's: made when needed, from a lock with hashes.

``environment/requirements/extra/NAME.lock`` becomes ``.environment/extra/NAME``. Only a checkout has the locks. On the
command line: ``environment/extra.bash NAME``.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = (3, 12)
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class ExtraEnvironmentError(RuntimeError):
    """An environment that cannot be made; names the file or the command at fault."""


@dataclass(frozen=True)
class ExtraEnvironment:
    """One of them, by the name of its lock, in the checkout at ``root``. size: in words, for who waits for it."""

    name: str
    size: str = ""
    root: Path = ROOT

    @property
    def lock(self) -> Path:
        """The requirements it is made from."""
        return self.root / "environment" / "requirements" / "extra" / f"{self.name}.lock"

    @property
    def folder(self) -> Path:
        """Where it is, or will be."""
        return self.root / ".environment" / "extra" / self.name

    def made(self) -> Path | None:
        """Its Python, where it is made and up to date."""
        python, stamp = self.folder / "bin" / "python", self.folder / "made_from"
        if not self.lock.is_file() or not python.exists() or not stamp.is_file():
            return None
        return python if stamp.read_text(encoding="utf-8").split()[:1] == [self._key()] else None

    def make(self) -> Path:
        """Its Python, made first where it is missing or old; one process at a time. Raises ExtraEnvironmentError."""
        if not self.lock.is_file():
            raise ExtraEnvironmentError(f"{self.lock} does not exist: only a checkout makes this environment")
        if sys.version_info[:2] != PYTHON:
            version, wanted = (".".join(map(str, v)) for v in (sys.version_info[:2], PYTHON))
            raise ExtraEnvironmentError(f"{self.lock.name} is locked for Python {wanted}, this is {version}")
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with open(self.folder.with_name(f"{self.name}.being_made"), "w", encoding="utf-8") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            if self.made() is None:
                size = f" ({self.size})" if self.size else ""
                print(f"making the environment {self.folder.relative_to(self.root)}{size}", file=sys.stderr)
                self._make()
        python = self.made()
        assert python is not None
        return python

    def _key(self) -> str:
        return hashlib.sha256(self.lock.read_bytes()).hexdigest()

    def _make(self) -> None:
        bootstrap, new = self.root / ".environment" / "bootstrap" / "bin", self.folder.with_name(f"{self.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        python, uv = str(new / "bin" / "python"), bootstrap / "uv"
        if uv.exists():
            make = [str(uv), "--no-config", "--quiet", "venv", "--relocatable", "--python", sys.executable, str(new)]
            install = [str(uv), "--no-config", "--quiet", "pip", "sync", "--require-hashes", "--python", python]
        else:
            make = [sys.executable, "-m", "venv", str(new)]
            install = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps"]
            install += ["--only-binary", ":all:", "--require-hashes", "-r"]
        environment = own_environment() | package_index(bootstrap / "python")
        for command in (make, [*install, str(self.lock)]):
            done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
            if done.returncode:
                last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
                shutil.rmtree(new, ignore_errors=True)
                raise ExtraEnvironmentError(f"{self.folder} cannot be made: {' '.join(command)}: {last}")
        (new / "made_from").write_text(self._key() + "\n", encoding="utf-8")
        shutil.rmtree(self.folder, ignore_errors=True)
        new.rename(self.folder)


def own_environment() -> dict[str, str]:
    """Variables of this process, without what points at its own Python."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    if CERTIFICATES.is_file():
        kept.setdefault("UV_SYSTEM_CERTS", "true")
    return kept


def package_index(python: Path) -> dict[str, str]:
    """For uv, which does not read pip's settings: the index that pip of ``python`` would use; empty where uv has one of
    its own.
    """
    if os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL"):
        return {}
    index = os.environ.get("PIP_INDEX_URL", "")
    if not index and python.exists():
        command = [str(python), "-m", "pip", "config", "get", "global.index-url"]
        index = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return {"UV_DEFAULT_INDEX": index} if index else {}


def main(arguments: Iterable[str] | None = None) -> int:
    """``python -m mivla_ros.extra_environment NAME``: prints its Python; 1 where it cannot be made."""
    names = list(sys.argv[1:] if arguments is None else arguments)
    if len(names) != 1 or Path(names[0]).name != names[0]:
        print("extra: the name of a file in environment/requirements/extra, without .lock", file=sys.stderr)
        return 2
    try:
        print(ExtraEnvironment(names[0]).make())
    except ExtraEnvironmentError as error:
        print(f"extra: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
