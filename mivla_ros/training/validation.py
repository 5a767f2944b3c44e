"""How good a network is on episodes it was not trained on: the loss, and its chunks against what was done."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from mivla_ros.action_space import VALUES, Kind
from mivla_ros.model.objective import valid_counts
from mivla_ros.training.batches import Samples, share
from mivla_ros.training.imitator import loss_of
from mivla_ros.training.processes import summed, unwrapped

MOST = 64  # samples looked at
SEED = 20_251
FIGURES = (
    (Kind.JOINT, "joint_error_deg", 180 / np.pi),
    (Kind.POSITION, "position_error_mm", 1e3),
    (Kind.GRIPPER, "gripper_error", 1.0),
)


@torch.no_grad()
def validate(wrapped: nn.Module, samples: Samples, batch: int, accelerator: Any = None) -> Mapping[str, float]:  # noqa: ANN401
    """loss: Eq. 7 with fixed noise. joint_error_deg, position_error_mm, gripper_error: mean absolute differences of
    sampled chunks from the demonstrations, own body only.

    accelerator: of the processes, all of which call it, take a share of each batch and get the same figures.
    """
    imitator = unwrapped(wrapped)
    network, device = imitator.network, imitator.network.device
    process, processes = (accelerator.process_index, accelerator.num_processes) if accelerator else (0, 1)
    was = network.training
    network.eval()
    chosen = np.unique(np.linspace(0, len(samples) - 1, MOST).round().astype(np.int64))
    config = network.config
    kinds = np.array([value.kind for value in VALUES])[config.columns]
    begins = range(0, len(chosen), batch)
    losses = torch.zeros(len(begins), dtype=torch.float64)
    sums = torch.zeros(len(FIGURES), 2, dtype=torch.float64)  # of differences, and how many
    for number, begin in enumerate(begins):
        all_of_it = samples.batch(chosen[begin : begin + batch], (SEED, begin), words=False)
        # every process computes as often as the others; what is not its own counts for nothing
        counted = process < len(all_of_it.numbers)
        part = share(all_of_it, process if counted else 0, processes).to(device)
        counts = {n: v.to(device) for n, v in valid_counts(all_of_it.mask, all_of_it.from_human, config.start).items()}
        predicted, found = imitator(part), imitator.sample(part).float().cpu().numpy()
        if not counted:
            continue
        losses[number] = loss_of(predicted, part, config.start, counts).total
        rows = np.zeros((*found.shape[:2], len(VALUES)))
        rows[..., config.columns] = found
        restored = samples.normalisation.restore_actions(rows)[..., config.columns]
        rows[..., config.columns] = part.actions.cpu().numpy()
        true = samples.normalisation.restore_actions(rows)[..., config.columns]
        places = [samples._place(int(sample)) for sample in part.numbers]
        own = np.stack([episode.own[row] for episode, row in places])[..., config.columns] & part.mask.cpu().numpy()
        for figure, (kind, _, scale) in enumerate(FIGURES):
            there = own & (kinds == kind)
            sums[figure] += torch.tensor([scale * np.abs(restored - true)[there].sum(), there.sum()])
    network.train(was)
    if processes > 1:
        together = summed(accelerator, torch.cat([losses, sums.flatten()]).to(device)).cpu()
        losses, sums = together[: len(losses)], together[len(losses) :].reshape(sums.shape)
    result = {"loss": float(losses.mean())}
    for (_, name, _), (total, count) in zip(FIGURES, sums.tolist(), strict=True):
        if count:
            result[name] = total / count
    return result
