"""Which plan the robot is following, and how many steps of the next one will be past when it takes over: by count."""

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_chunk import ActionChunk
from mivla_ros.policies.chunking.resampling import Places, places
from mivla_ros.policies.chunking.soft_mask import agreement
from mivla_ros.policies.policy import Progress


def frozen_steps(progress: Progress) -> int:
    """Steps of the next chunk that will have been executed before it takes over, and the one that will be under way:
    the most that were of the newest chunks taken up (mivla/executed counts them), and 1; 0 before any was."""
    return max(progress.late_steps) + 1 if progress.late_steps else 0


def plan_under_way(progress: Progress) -> ActionChunk | None:
    """The chunk that the next one has to agree with: the newest one given out, unless the count of executed steps
    shows that it has not been taken up when it should have been; None where there is none.
    """
    chunks = progress.chunks
    executing = next((chunk for chunk in chunks if chunk.sequence == progress.sequence), None)
    if executing is None:
        return chunks[-1] if chunks else None
    reached_ns = executing.due_ns(progress.first_step + progress.executed_steps - 1)
    late = frozen_steps(progress)
    for chunk in reversed(chunks):
        if chunk.sequence == executing.sequence or chunk.due_ns(late) >= reached_ns:
            return chunk
    return executing


def agreement_with(
    plan: ActionChunk, progress: Progress, due_ns: NDArray[np.int64]
) -> tuple[Places, NDArray[np.float64]]:
    """Where due times (H,) lie in the plan under way, and how much (H,) the next chunk's steps agree with it, see
    ``soft_mask``."""
    where = places(plan.first_step_ns, plan.step_ns, plan.horizon, due_ns)
    overlap = len(due_ns) if where.inside.all() else int(np.argmin(where.inside))
    return where, agreement(len(due_ns), frozen_steps(progress), overlap)
