"""Training and validation by whole episodes, the same in every run and when episodes are added."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Split:
    """Numbers of episodes on either side, ascending."""

    training: tuple[int, ...]
    validation: tuple[int, ...]


def split_episodes(names: Sequence[str], validation: float = 0.1, seed: int = 0) -> Split:
    """Split episodes by a hash of seed and name (unique): an episode stays on its side whatever comes or goes.

    The share holds on average; with two or more episodes and a share above 0 either side has one at least. Raises
    ValueError for a share outside 0 to 1 or a name that appears twice.
    """
    if not 0 <= validation < 1:
        raise ValueError(f"validation share is {validation}, must be at least 0 and below 1")
    if len(set(names)) != len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise ValueError(f"episode {twice!r} appears more than once")
    places = [_place(name, seed) for name in names]
    chosen = {i for i, place in enumerate(places) if place < validation}
    if validation > 0 and len(names) > 1:
        order = sorted(range(len(names)), key=places.__getitem__)
        chosen = chosen or {order[0]}
        if len(chosen) == len(names):
            chosen.discard(order[-1])
    everything = range(len(names))
    return Split(tuple(i for i in everything if i not in chosen), tuple(sorted(chosen)))


def _place(name: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}\n{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
