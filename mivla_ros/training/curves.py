"""Losses as they come: a JSON line each, TensorBoard, and a picture."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOG, PICTURE = "log.jsonl", "curves.png"


class Curves:
    """The log of one run, cut to where the saved state was when a run goes on."""

    def __init__(self, out: Path, log_bytes: int = 0) -> None:
        self._file = out / LOG
        self._out = out
        out.mkdir(parents=True, exist_ok=True)
        with self._file.open("ab") as stream:
            stream.truncate(min(log_bytes, stream.tell()))
        self._stream = self._file.open("a", encoding="utf-8")
        self._board: Any = None

    def add(self, step: int, kind: str, values: Mapping[str, float]) -> None:
        """kind: train, validation, rollouts, or best for a checkpoint that is kept as such."""
        self._stream.write(json.dumps({"step": step, "kind": kind, **values}) + "\n")
        self._stream.flush()
        if self._board is None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self._out / "tensorboard"), purge_step=step)
        for name, value in values.items():
            self._board.add_scalar(f"{kind}/{name}", value, step)

    @property
    def size(self) -> int:
        """Bytes written."""
        return self._stream.tell()

    def rows(self) -> list[dict[str, Any]]:
        """All lines."""
        return [json.loads(line) for line in self._file.read_text("utf-8").splitlines()]

    def draw(self) -> Path:
        """Write curves.png."""
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        rows = self.rows()
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4))
        for kind in ("train", "validation"):
            some = [row for row in rows if row["kind"] == kind and row.get("loss", 0) > 0]
            left.plot([r["step"] for r in some], [r["loss"] for r in some], label=kind, lw=0.8)
        left.set(xlabel="step", ylabel="loss (Eq. 7)", yscale="log")
        for kind, name, scale, words in (
            ("validation", "joint_error_deg", 1.0, "validation: joint error, degrees"),
            ("rollouts", "success", 100.0, "closed-loop success, %"),
        ):
            some = [row for row in rows if row["kind"] == kind and name in row]
            if some:
                right.plot([r["step"] for r in some], [scale * r[name] for r in some], "o-", label=words, ms=3)
        kept = [row["step"] for row in rows if row["kind"] == "best"]
        if kept:
            for axes in (left, right):
                axes.axvline(kept[-1], color="grey", ls=":", lw=1, label=f"best: step {kept[-1]}")
        left.legend()
        right.set(xlabel="step")
        if right.lines:
            right.legend()
        figure.tight_layout()
        figure.savefig(self._out / PICTURE, dpi=110)
        pyplot.close(figure)
        return self._out / PICTURE

    def close(self) -> None:
        """Close the files."""
        self._stream.close()
        if self._board is not None:
            self._board.close()
