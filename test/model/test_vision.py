"""Encoders through transformers, small and with random weights: which tokens come out, in which order and place."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mivla_ros.model.config import Concatenation, VisionConfig, VisionFamily
from mivla_ros.model.encoder_weights import EncoderMode, EncoderSource
from mivla_ros.model.errors import EncoderError, ModelError
from mivla_ros.model.network import build_network, without_encoders
from mivla_ros.model.presets import BASE, TINY
from mivla_ros.model.vision import PatchEncoder, VisionEncoders

RANDOM = EncoderSource(EncoderMode.RANDOM)
DINO = replace(BASE.vision.encoders[0], width=32, depth=3, heads=2, hidden=64, native_size=56, grid=4, source="a/dino")
SIGLIP = replace(
    BASE.vision.encoders[1], width=48, depth=3, heads=2, hidden=64, native_size=56, grid=4, source="a/siglip"
)


def vision(*encoders, concatenation=Concatenation.TOKEN, size=56) -> VisionConfig:
    return replace(BASE.vision, encoders=encoders, concatenation=concatenation, image_size=size)


def some_images(count: int = 2, size: int = 56) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def normalised(images: torch.Tensor, encoder) -> torch.Tensor:
    mean, std = (torch.tensor(part)[:, None, None] for part in (encoder.mean, encoder.std))
    return (images.float() / 255 - mean) / std


@pytest.mark.parametrize("encoder", [DINO, SIGLIP], ids=["dinov2", "siglip"])
def test_patches_of_the_second_to_last_block_without_class_and_register_tokens(encoder) -> None:
    torch.manual_seed(0)
    from mivla_ros.model.vision import _transformer

    whole = _transformer(encoder, RANDOM).eval()
    parts = PatchEncoder(encoder, RANDOM).eval()
    parts.embeddings, parts.blocks = (
        whole.embeddings,
        torch.nn.ModuleList(list(whole.encoder.layers if encoder is SIGLIP else whole.encoder.layer)[:2]),
    )
    assert len(PatchEncoder(encoder, RANDOM).blocks) == 2
    pixels = normalised(some_images(), encoder)
    with torch.no_grad():
        hidden = whole(pixels, output_hidden_states=True).hidden_states
        found = parts(pixels)
    assert len(hidden) == 4
    skipped = 0 if encoder is SIGLIP else 1 + 4
    assert torch.allclose(found, hidden[-2][:, skipped:], atol=1e-5)


def test_token_concatenation_gives_each_encoder_channels_of_its_own() -> None:
    config = vision(DINO, SIGLIP)
    encoders = VisionEncoders(config, RANDOM).eval()
    with torch.no_grad():
        found = encoders(some_images())
        first = encoders.encoders[0](normalised(some_images(), DINO))
        second = encoders.encoders[1](normalised(some_images(), SIGLIP))
    assert found.shape == (2, config.tokens, config.width) == (2, 32, 80)
    assert torch.allclose(found[:, :16, :32], first, atol=1e-4)
    assert torch.allclose(found[:, 16:, 32:], second, atol=1e-4)
    assert not found[:, :16, 32:].any() and not found[:, 16:, :32].any()


def test_channel_concatenation_puts_them_side_by_side() -> None:
    config = vision(DINO, SIGLIP, concatenation=Concatenation.CHANNEL)
    encoders = VisionEncoders(config, RANDOM).eval()
    with torch.no_grad():
        found = encoders(some_images())
        second = encoders.encoders[1](normalised(some_images(), SIGLIP))
    assert found.shape == (2, 16, 80)
    assert torch.allclose(found[:, :, 32:], second, atol=1e-4)


def test_the_papers_392_tokens_come_from_two_grids_of_14() -> None:
    """Patches of 14 pixels give 16 x 16 at 224; they are resampled to the grid that is asked for."""
    config = vision(replace(DINO, grid=14), replace(SIGLIP, grid=14, native_size=224), size=224)
    with torch.no_grad():
        assert VisionEncoders(config, RANDOM).eval()(some_images(1, 224)).shape == (1, 392, 80)
    assert BASE.vision.tokens == 392


def test_the_resampled_grid_keeps_places() -> None:
    from mivla_ros.model.vision import _on_grid

    row = torch.arange(16.0).repeat_interleave(16)[None, :, None]
    found = _on_grid(row, 14)[0, :, 0].view(14, 14)
    assert (found.diff(dim=0) > 0.5).all()
    assert found.diff(dim=1).abs().max() < 1e-4
    assert torch.equal(_on_grid(row, 16), row)


def test_the_convolutional_encoder_sees_where_things_are() -> None:
    torch.manual_seed(0)
    encoders = VisionEncoders(TINY.vision, without_encoders()).eval()
    size, grid = TINY.vision.image_size, TINY.vision.encoders[0].grid
    images = some_images(1, size).repeat(2, 1, 1, 1)
    images[1, :, : size // grid, -size // grid :] = 255  # the last patch of the first row
    with torch.no_grad():
        change = (encoders(images)[1] - encoders(images)[0]).norm(dim=-1).view(grid, grid)
    row, column = divmod(int(change.argmax()), grid)
    assert row <= 1 and column >= grid - 2
    assert change.max() > 3 * change.median()


def test_images_of_another_size_or_type_are_refused() -> None:
    encoders = VisionEncoders(TINY.vision, without_encoders())
    with pytest.raises(ModelError, match=r"must be torch.uint8 \(N, 3, 96, 96\)"):
        encoders(some_images())
    with pytest.raises(ModelError, match=r"torch\.float32"):
        encoders(torch.zeros(1, 3, 96, 96))


def test_frozen_encoders_are_neither_trained_nor_stored() -> None:
    config = replace(TINY, vision=replace(vision(DINO, SIGLIP), frozen=True))
    network = build_network(config, RANDOM).train()
    assert not any(p.requires_grad for p in network.vision.parameters())
    assert not network.vision.training
    assert network.language.training and all(p.requires_grad for p in network.language.parameters())
    stored = [key for key in network.state_dict() if network.is_stored(key)]
    assert not any(key.startswith("vision.") for key in stored)
    assert any(key.startswith("language.") for key in stored)
    images = some_images().unflatten(0, (1, 2))
    assert not network.image_features(images).requires_grad
    thawed = build_network(replace(config, vision=replace(config.vision, frozen=False)), RANDOM)
    assert all(p.requires_grad for p in thawed.vision.parameters())
    assert any(key.startswith("vision.") and thawed.is_stored(key) for key in thawed.state_dict())


# ---- weights from a folder ----


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Small DINOv2 and SigLIP encoders as transformers writes them."""
    from mivla_ros.model.vision import _transformer

    for encoder in (DINO, SIGLIP):
        torch.manual_seed(3)
        _transformer(encoder, RANDOM).save_pretrained(tmp_path / encoder.source.replace("/", "--"))
    return tmp_path


def test_weights_come_from_a_local_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = vision(DINO, SIGLIP)
    with torch.no_grad():
        one = VisionEncoders(config, EncoderSource(folder=str(folder), online=False)).eval()(some_images())
        monkeypatch.setenv("MIVLA_ENCODERS", str(folder))
        two = VisionEncoders(config, EncoderSource(online=False)).eval()(some_images())
        other = VisionEncoders(config, RANDOM).eval()(some_images())
    assert torch.equal(one, two)
    assert not torch.allclose(one, other)


def test_weights_that_are_not_there_are_said_to_be_expected_where(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"encoder 'a/dino': no weights here, expected in .*a--dino") as error:
        VisionEncoders(vision(DINO), EncoderSource(folder=str(tmp_path), online=False))
    assert "\n" not in str(error.value)
    with pytest.raises(EncoderError, match="set MIVLA_ENCODERS to a folder with a--dino"):
        VisionEncoders(vision(DINO), EncoderSource(online=False))


def test_weights_of_another_size_or_kind_are_named(folder: Path) -> None:
    where = EncoderSource(folder=str(folder), online=False)
    with pytest.raises(EncoderError, match="hidden_size is 32, the network expects 64"):
        VisionEncoders(vision(replace(DINO, width=64)), where)
    with pytest.raises(EncoderError, match="num_hidden_layers is 3, the network expects 12"):
        VisionEncoders(vision(replace(SIGLIP, depth=12)), where)
    lacking = load_file(folder / "a--siglip" / "model.safetensors")
    key = next(key for key in lacking if "layers.1.mlp.fc1.weight" in key)
    del lacking[key]
    save_file(lacking, folder / "a--siglip" / "model.safetensors", {"format": "pt"})
    with pytest.raises(EncoderError, match=r"lacks the weights .*layers\.1\.mlp\.fc1\.weight"):
        VisionEncoders(vision(SIGLIP), where)
    broken = folder / "a--dino" / "model.safetensors"
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(EncoderError, match="'a/dino': cannot be read from") as error:
        VisionEncoders(vision(DINO), where)
    assert "\n" not in str(error.value)
    (folder / "a--siglip" / "config.json").write_text(json.dumps({"model_type": "siglip_vision_model"}))
    with pytest.raises(EncoderError, match="a/siglip"):
        VisionEncoders(vision(SIGLIP), where)


def test_plain_dinov2_without_registers_works_too() -> None:
    plain = replace(DINO, family=VisionFamily.DINOV2)
    with torch.no_grad():
        assert VisionEncoders(vision(plain), RANDOM).eval()(some_images()).shape == (2, 16, 32)
