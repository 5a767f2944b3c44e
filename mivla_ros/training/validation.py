"""How good a network is on episodes it was not trained on: the loss, and its chunks against what was done."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from mivla_ros.action_space import VALUES, Kind
from mivla_ros.model.flow import sample_actions
from mivla_ros.model.network import Conditions
from mivla_ros.training.batches import Samples
from mivla_ros.training.imitator import Imitator, loss_of

MOST = 64  # samples looked at
SEED = 20_251


@torch.no_grad()
def validate(imitator: Imitator, samples: Samples, batch: int) -> Mapping[str, float]:
    """loss: Eq. 7 with fixed noise. joint_error_deg, position_error_mm, gripper_error: mean absolute differences of
    sampled chunks from the demonstrations, own body only."""
    network, device = imitator.network, imitator.network.device
    was = network.training
    network.eval()
    chosen = np.unique(np.linspace(0, len(samples) - 1, MOST).round().astype(np.int64))
    losses: list[float] = []
    errors: dict[Kind, list[float]] = {Kind.JOINT: [], Kind.POSITION: [], Kind.GRIPPER: []}
    config = network.config
    kinds = np.array([value.kind for value in VALUES])[config.columns]
    for begin in range(0, len(chosen), batch):
        part = samples.batch(chosen[begin : begin + batch], (SEED, begin), words=False).to(device)
        losses.append(float(loss_of(imitator(part), part, config.start).total))
        language, language_mask = imitator._language(part.texts)
        conditions = Conditions(
            part.state, part.state_mask, network.image_features(part.pixels, part.seen), part.seen, language,
            language_mask,
        )  # fmt: skip
        found = sample_actions(network, network.memory(conditions), part.mask, part.noise).cpu().numpy()
        rows = np.zeros((*found.shape[:2], len(VALUES)))
        rows[..., config.columns] = found
        restored = samples.normalisation.restore_actions(rows)[..., config.columns]
        rows[..., config.columns] = part.actions.cpu().numpy()
        true = samples.normalisation.restore_actions(rows)[..., config.columns]
        places = [samples._place(int(number)) for number in part.numbers]
        own = np.stack([episode.own[row] for episode, row in places])[..., config.columns] & part.mask.cpu().numpy()
        for kind, values in errors.items():
            there = own & (kinds == kind)
            if there.any():
                values.append(float(np.abs(restored - true)[there].mean()))
    network.train(was)
    result = {"loss": float(np.mean(losses))}
    for kind, name, scale in (
        (Kind.JOINT, "joint_error_deg", 180 / np.pi),
        (Kind.POSITION, "position_error_mm", 1e3),
        (Kind.GRIPPER, "gripper_error", 1.0),
    ):
        if errors[kind]:
            result[name] = scale * float(np.mean(errors[kind]))
    return result


def unwrapped(module: nn.Module) -> Imitator:
    """The imitator inside a data-parallel wrapper."""
    inner = getattr(module, "module", module)
    assert isinstance(inner, Imitator)
    return inner
