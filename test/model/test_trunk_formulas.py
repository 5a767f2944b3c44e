"""The network against the formulas of H-RDT, written again here from its description and on its own weight names."""

import math

import pytest
import torch

from mivla_ros.model.h_rdt import expected_shapes, interleaved, key_table, separated, translated
from mivla_ros.model.layers import time_features
from mivla_ros.model.network import build_network, without_encoders
from mivla_ros.model.presets import BASE, H_RDT_HUMAN, H_RDT_ROBOT

from .conftest import H_RDT, some_conditions, with_random_weights


def h_rdt_weights(network, config):
    """A network's weights under H-RDT's names and in its layout."""
    own = network.state_dict()
    return {
        theirs: interleaved(own[ours], config.trunk.head_width) if theirs.endswith("wkv.weight") else own[ours]
        for theirs, ours in key_table(config).items()
    }


class Formulas:
    """H-RDT by hand: slow, plain, in double precision."""

    def __init__(self, weights, config):
        self.w = {key: value.double() for key, value in weights.items()}
        self.heads, self.groups, self.head = config.trunk.heads, config.trunk.kv_heads, config.trunk.head_width
        self.depth, self.features = config.trunk.depth, config.trunk.time_features

    def linear(self, key, x):
        bias = self.w.get(f"{key}.bias")
        y = torch.einsum("...i,oi->...o", x, self.w[f"{key}.weight"])
        return y if bias is None else y + bias

    def layer_norm(self, key, x):
        centred = x - x.mean(-1, keepdim=True)
        variance = (centred**2).mean(-1, keepdim=True)
        return centred / torch.sqrt(variance + 1e-5) * self.w[f"{key}.weight"] + self.w[f"{key}.bias"]

    def rms_norm(self, key, x):
        return x / torch.sqrt((x**2).mean(-1, keepdim=True) + 1e-5) * self.w[f"{key}.weight"]

    @staticmethod
    def silu(x):
        return x / (1 + torch.exp(-x))

    def mlp(self, key, x, layers):
        for layer in range(layers):
            x = self.linear(f"{key}.{2 * layer}", x if layer == 0 else self.silu(x))
        return x

    def time(self, t):
        half = self.features // 2
        angles = torch.stack([t * math.exp(-math.log(1e4) * i / half) for i in range(half)], -1)
        embedded = torch.cat([torch.cos(angles), torch.sin(angles)], -1)
        return self.linear("model.t_embedder.mlp.2", self.silu(self.linear("model.t_embedder.mlp.0", embedded)))

    def attention(self, key, x, y, allowed=None):
        out = torch.zeros(*x.shape[:2], self.heads * self.head, dtype=torch.double)
        # wkv's output is (groups, head, 2): key and value of one channel side by side
        both = self.linear(f"{key}.wkv", y).reshape(*y.shape[:2], self.groups, self.head, 2)
        queries = self.linear(f"{key}.wq", x).reshape(*x.shape[:2], self.heads, self.head)
        for h in range(self.heads):
            group = h // (self.heads // self.groups)
            q = self.rms_norm(f"{key}.norm_q", queries[:, :, h])
            k = self.rms_norm(f"{key}.norm_k", both[:, :, group, :, 0])
            scores = torch.einsum("btd,bld->btl", q, k) / math.sqrt(self.head)
            if allowed is not None:
                scores = scores.masked_fill(~allowed[:, None], -math.inf)
            shares = torch.exp(scores - scores.max(-1, keepdim=True).values)
            shares = shares / shares.sum(-1, keepdim=True)
            values = both[:, :, group, :, 1]
            out[..., h * self.head : (h + 1) * self.head] = torch.einsum("btl,bld->btd", shares, values)
        return self.linear(f"{key}.wo", out)

    def block(self, index, x, images, words, embedding, allowed):
        key = f"model.blocks.{index}"
        change = self.linear(f"{key}.adaLN_modulation.1", self.silu(embedding))[:, None]
        sh_a, sc_a, g_a, sh_c, sc_c, g_c, sh_m, sc_m, g_m = change.split(change.shape[-1] // 9, dim=-1)
        z = self.layer_norm(f"{key}.attn_norm", x) * (1 + sc_a) + sh_a
        x = x + g_a * self.attention(f"{key}.attn", z, z)
        z = self.layer_norm(f"{key}.img_cross_norm", x) * (1 + sc_c) + sh_c
        x = x + g_c * self.attention(f"{key}.img_cross_attn", z, self.layer_norm(f"{key}.img_cond_norm", images))
        z = self.layer_norm(f"{key}.lang_cross_norm", x)
        memory = self.layer_norm(f"{key}.lang_cond_norm", words)
        x = x + self.attention(f"{key}.lang_cross_attn", z, memory, allowed)
        z = self.layer_norm(f"{key}.ffn_norm", x) * (1 + sc_m) + sh_m
        hidden = self.silu(self.linear(f"{key}.ffn.w1", z)) * self.linear(f"{key}.ffn.w3", z)
        return x + g_m * self.linear(f"{key}.ffn.w2", hidden)

    def velocity(self, noisy, t, state, images, words, allowed):
        embedding = self.time(t)
        images = self.mlp("img_adapter", images.flatten(1, 2), 2)
        images = images + self.w["model.img_pos_emb"][:, : images.shape[1]]
        words = self.mlp("lang_adapter", words, 2) + self.w["model.lang_pos_emb"][:, : words.shape[1]]
        first = self.mlp("action_encoder.state_adaptor", state[:, None], 3)
        x = torch.cat([first, self.mlp("action_encoder.action_adaptor", noisy, 3)], 1) + self.w["model.x_pos_emb"]
        for index in range(self.depth):
            x = self.block(index, x, images, words, embedding, allowed)
        key = "model.action_decoder"
        change = self.linear(f"{key}.adaLN_modulation.1", self.silu(embedding))[:, None]
        shift, scale = change.split(change.shape[-1] // 2, dim=-1)
        x = self.layer_norm(f"{key}.ffn_norm", x) * (1 + scale) + shift
        return self.linear(f"{key}.ffn.fc2", self.silu(self.linear(f"{key}.ffn.fc1", x)))[:, -noisy.shape[1] :]


def test_the_network_computes_h_rdts_formulas():
    network = with_random_weights(H_RDT)
    conditions = some_conditions(H_RDT)
    words = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    conditions = conditions._replace(language_mask=words)
    noisy, t = torch.randn(2, 16, 14), torch.tensor([0.0, 0.7])
    found = network(noisy, torch.ones(2, 16, 14, dtype=torch.bool), t, conditions)
    expected = Formulas(h_rdt_weights(network, H_RDT), H_RDT).velocity(
        noisy.double(),
        t.double(),
        conditions.state[:, 48:62].double(),
        conditions.images.double(),
        conditions.language.double(),
        words,
    )
    assert expected.abs().mean() > 0.1
    assert torch.allclose(found.double(), expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_keys_and_values_lie_interleaved_in_h_rdts_files():
    """A reader that takes the first half for keys computes something else."""
    network = with_random_weights(H_RDT)
    theirs = h_rdt_weights(network, H_RDT)
    back = translated(theirs, H_RDT, "test")
    own = network.state_dict()
    assert all(torch.equal(back[key], own[key]) for key in own)
    key = "model.blocks.0.attn.wkv.weight"
    assert not torch.equal(theirs[key], own["trunk.blocks.0.self_attention.key_value.weight"])
    # row 2 d + 0 of a group is channel d of its key, row 2 d + 1 of its value
    head, weight = 12, torch.arange(2 * 2 * 12.0)[:, None]
    apart = separated(weight, head)[:, 0]
    assert apart[:3].tolist() == [0, 2, 4]
    assert apart[head : head + 2].tolist() == [24, 26]
    assert apart[2 * head : 2 * head + 2].tolist() == [1, 3]
    assert torch.equal(interleaved(separated(weight, head), head), weight)


def test_flow_times_enter_as_they_are():
    """Not times 1000: between 0 and 1 the slowest cosines hardly move."""
    features = time_features(torch.tensor([0.0, 1.0]), 256)
    assert features[0].tolist() == [1.0] * 128 + [0.0] * 128
    assert features[1, 0] == pytest.approx(math.cos(1.0))
    assert features[1, 128] == pytest.approx(math.sin(1.0))
    assert features[1, 127] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("config", "count"), [(H_RDT_HUMAN, 2_059_688_496), (H_RDT_ROBOT, 2_062_417_166)], ids=lambda c: str(c)[:12]
)
def test_the_full_size_has_h_rdts_keys_shapes_and_parameter_count(config, count):
    network = build_network(config, without_encoders(), device="meta")
    assert sum(parameter.numel() for parameter in network.parameters()) == count
    assert sum(parameter.numel() for parameter in network.trunk.blocks[0].parameters()) == 123_712_944
    assert config.trunk.ffn_width == 5888
    shapes, size, cameras = expected_shapes(config), config.size, config.cameras
    expected = {
        "model.t_embedder.mlp.0.weight": (2176, 256),
        "model.t_embedder.mlp.0.bias": (2176,),
        "model.t_embedder.mlp.2.weight": (2176, 2176),
        "model.t_embedder.mlp.2.bias": (2176,),
        "model.action_decoder.ffn_norm.weight": (2176,),
        "model.action_decoder.ffn_norm.bias": (2176,),
        "model.action_decoder.ffn.fc1.weight": (8704, 2176),
        "model.action_decoder.ffn.fc1.bias": (8704,),
        "model.action_decoder.ffn.fc2.weight": (size, 8704),
        "model.action_decoder.ffn.fc2.bias": (size,),
        "model.action_decoder.adaLN_modulation.1.weight": (4352, 2176),
        "model.action_decoder.adaLN_modulation.1.bias": (4352,),
        "model.x_pos_emb": (1, 17, 2176),
        "model.lang_pos_emb": (1, 1024, 2176),
        "model.img_pos_emb": (1, cameras * 729, 2176),
    }
    for adapter, inputs in (("img_adapter", 2176), ("lang_adapter", 4096)):
        for layer, width in ((0, inputs), (2, 2176)):
            expected[f"{adapter}.{layer}.weight"], expected[f"{adapter}.{layer}.bias"] = (2176, width), (2176,)
    for adaptor in ("state_adaptor", "action_adaptor"):
        for layer, width in ((0, size), (2, 2176), (4, 2176)):
            key = f"action_encoder.{adaptor}.{layer}"
            expected[f"{key}.weight"], expected[f"{key}.bias"] = (2176, width), (2176,)
    for n in range(16):
        block = f"model.blocks.{n}"
        for norm in ("attn", "img_cross", "img_cond", "lang_cross", "lang_cond", "ffn"):
            expected[f"{block}.{norm}_norm.weight"] = expected[f"{block}.{norm}_norm.bias"] = (2176,)
        for attention in ("attn", "img_cross_attn", "lang_cross_attn"):
            for part in ("wq", "wkv", "wo"):
                expected[f"{block}.{attention}.{part}.weight"] = (2176, 2176)
            for part in ("norm_q", "norm_k"):
                expected[f"{block}.{attention}.{part}.weight"] = (136,)
        expected[f"{block}.ffn.w1.weight"] = expected[f"{block}.ffn.w3.weight"] = (5888, 2176)
        expected[f"{block}.ffn.w2.weight"] = (2176, 5888)
        expected[f"{block}.adaLN_modulation.1.weight"] = (19584, 2176)
        expected[f"{block}.adaLN_modulation.1.bias"] = (19584,)
    assert shapes == expected


def test_base_has_the_same_trunk_and_the_papers_tokens():
    assert BASE.trunk == H_RDT_HUMAN.trunk
    assert BASE.vision.tokens == 392
    assert BASE.vision.image_size == 224
    assert (BASE.size, BASE.tokens) == (76, 3 + 16)
    network = build_network(BASE, without_encoders(), device="meta")
    assert sum(parameter.numel() for parameter in network.trunk.blocks[0].parameters()) == 123_712_944


def test_a_fresh_network_starts_from_velocity_zero():
    network = build_network(H_RDT, without_encoders())
    mask = torch.ones(2, 16, 14, dtype=torch.bool)
    found = network(torch.randn(2, 16, 14), mask, torch.tensor([0.1, 0.9]), some_conditions(H_RDT))
    assert torch.equal(found, torch.zeros(2, 16, 14))
