"""Small networks with weights that matter: as built, gates and the last layer are zero and would hide every fault."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from mivla_ros.model.config import NetworkConfig
from mivla_ros.model.network import Conditions, MivlaNetwork, build_network, without_encoders
from mivla_ros.model.presets import H_RDT_ROBOT, TINY

SMALL_TRUNK = {"width": 48, "depth": 2, "heads": 4, "kv_heads": 2, "ffn_multiple": 32, "time_features": 32}

MIVLA = replace(
    TINY,
    name="test",
    horizon=5,
    cameras=3,
    trunk=replace(TINY.trunk, **SMALL_TRUNK),
    language=replace(TINY.language, max_tokens=40),
)
H_RDT = replace(
    H_RDT_ROBOT,
    name="test_h_rdt",
    trunk=replace(H_RDT_ROBOT.trunk, **SMALL_TRUNK),
    language=replace(H_RDT_ROBOT.language, width=20, max_tokens=7),
    vision=replace(
        H_RDT_ROBOT.vision,
        encoders=tuple(
            replace(encoder, width=width, grid=2)
            for encoder, width in zip(H_RDT_ROBOT.vision.encoders, (10, 14), strict=True)
        ),
    ),
)


def with_random_weights(config: NetworkConfig, seed: int = 0, encoders=None) -> MivlaNetwork:
    network = build_network(config, encoders or without_encoders(), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return network


def some_conditions(config: NetworkConfig, batch: int = 2, seed: int = 1, cameras: int | None = None) -> Conditions:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    count = config.cameras if cameras is None else cameras
    return Conditions(
        state=normal(batch, 76),
        state_mask=torch.ones(batch, 76, dtype=torch.bool),
        images=normal(batch, count, config.vision.tokens, config.vision.width),
        image_mask=None,
        language=normal(batch, 6, config.language.width),
        language_mask=None,
    )


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
