"""One picture of a whole episode: camera strips over time, joints, grippers, chunk boundaries and events."""

from pathlib import Path

import numpy as np

from mivla_ros.episodes.episode import Episode

STRIP = 10  # pictures a camera


def draw_contact_sheet(episode: Episode, path: Path) -> None:
    """Write the sheet as PNG. Raises EpisodeError for what cannot be read."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    info, start = episode.info, episode.info.start_ns
    series = _series(episode)
    heights = [1.1] * len(episode.cameras) + [1.6] * len(series)
    figure, axes = plt.subplots(
        max(len(heights), 1),
        1,
        figsize=(14, 0.8 + 1.25 * sum(heights or [1])),
        height_ratios=heights or [1],
        squeeze=False,
    )
    rows = list(axes[:, 0])
    for axis, name in zip(rows, episode.cameras, strict=False):
        camera = episode.cameras[name]
        chosen = np.unique(np.linspace(0, len(camera.stamps_ns) - 1, STRIP).astype(int))
        pictures = [camera.rgb(int(i), at_least=(96, 128)) for i in chosen]
        height = min(p.shape[0] for p in pictures)
        axis.imshow(np.concatenate([p[:height] for p in pictures], axis=1), aspect="auto")
        width = pictures[0].shape[1]
        axis.set_xticks([(i + 0.5) * width for i in range(len(chosen))])
        axis.set_xticklabels([f"{(camera.stamps_ns[i] - start) / 1e9:.2f}" for i in chosen], fontsize=7)
        axis.set_yticks([])
        axis.set_ylabel(name, fontsize=8)
    chunks = [(e.stamp_ns - start) / 1e9 for e in episode.events if e.kind == "chunk"]
    others = [e for e in episode.events if e.kind != "chunk"]
    for axis, (title, curves) in zip(rows[len(episode.cameras) :], series, strict=True):
        for label, seconds, values, style in curves:
            axis.plot(seconds, values, style, label=label, linewidth=1)
        for at in chunks:
            axis.axvline(at, color="0.88", linewidth=0.7, zorder=0)
        for event in others:
            axis.axvline((event.stamp_ns - start) / 1e9, color="tab:red", linewidth=0.8, linestyle=":")
        axis.set_xlim(0, max(info.seconds, 1e-3))
        axis.set_ylabel(title, fontsize=8)
        axis.tick_params(labelsize=7)
        axis.legend(fontsize=6, ncols=8, loc="upper left", frameon=False)
    if series and others:
        top = rows[len(episode.cameras)]
        for i, event in enumerate(others[:40]):
            at = (event.stamp_ns - start) / 1e9
            top.text(at, 1.02 + 0.09 * (i % 3), event.text[:40], transform=top.get_xaxis_transform(), fontsize=6)
    words = f"{info.name}  ·  {info.robot}  ·  {info.instruction or 'no instruction'}  ·  {info.seconds:.2f} s"
    figure.suptitle(
        f"{words}  ·  {len(episode)} frames at {info.rate:.3g} Hz  ·  {info.label or 'no label'}", fontsize=9
    )
    figure.tight_layout()
    figure.savefig(path, dpi=90, format="png")
    plt.close(figure)


Curve = tuple[str, np.ndarray, np.ndarray, str]


def _series(episode: Episode) -> list[tuple[str, list[Curve]]]:
    """Titles with curves: joints (measured, commanded dashed), grippers, hands."""
    grippers = {arm.gripper.joint: arm.gripper for arm in episode.arms if arm.gripper}
    found: dict[str, list[Curve]] = {}
    start = episode.info.start_ns
    for name, style in (("joints", "-"), ("commands", "--")):
        if name not in episode.streams:
            continue
        stream = episode.streams[name]
        seconds = (stream.stamps_ns - start) / 1e9
        for i, column in enumerate(stream.columns):
            there = ~np.isnan(stream.values[:, i])
            values = stream.values[there, i]
            label = column if name == "joints" else ""
            colour = f"C{i % 10}"
            if column in grippers:
                curve = (label, seconds[there], grippers[column].opening(values), style + colour)
                found.setdefault("gripper (0 closed)", []).append(curve)
            else:
                found.setdefault(f"joints ({stream.units[i]})", []).append(
                    (label, seconds[there], values, style + colour)
                )
    for side in ("left", "right"):
        if f"hand.{side}" in episode.streams:
            stream = episode.streams[f"hand.{side}"]
            seconds = (stream.stamps_ns - start) / 1e9
            curves = [(axis, seconds, stream.values[:, i], f"-C{i}") for i, axis in enumerate("xyz")]
            found[f"{side} wrist (m)"] = curves
    return list(found.items())
