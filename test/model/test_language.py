"""Instructions: bytes without any download, T5 from a folder, and none at all."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mivla_ros.model.encoder_weights import EncoderMode, EncoderSource
from mivla_ros.model.errors import EncoderError, ModelError
from mivla_ros.model.language import END, FIRST_BYTE, PAD, LanguageEncoder, byte_tokens
from mivla_ros.model.network import without_encoders
from mivla_ros.model.presets import BASE, TINY

T5 = replace(BASE.language, source="a/t5", width=32, depth=2, heads=2, head_width=16, hidden=64, max_tokens=50)


def test_bytes_are_tokens_and_no_words_are_none() -> None:
    assert byte_tokens("ab ") == [FIRST_BYTE + 97, FIRST_BYTE + 98, END]
    assert byte_tokens("ü") == [FIRST_BYTE + 0xC3, FIRST_BYTE + 0xBC, END]
    assert byte_tokens("  ") == []


def test_texts_of_different_length_are_padded_and_masked() -> None:
    encoder = LanguageEncoder(TINY.language, without_encoders()).eval()
    ids, mask = encoder.tokenise(["go", "", "stop it"])
    assert ids.shape == mask.shape == (3, 8)
    assert mask.sum(dim=1).tolist() == [3, 0, 8]
    assert (ids[~mask] == PAD).all()
    with torch.no_grad():
        features = encoder(ids, mask)
        alone = encoder(*encoder.tokenise(["go"]))
    assert torch.isfinite(features).all()
    assert not features[~mask].any()
    assert torch.allclose(features[0, :3], alone[0], atol=1e-5), "padding changes what a text means"


def test_other_words_give_other_features() -> None:
    encoder = LanguageEncoder(TINY.language, without_encoders()).eval()
    with torch.no_grad():
        one, two = encoder(*encoder.tokenise(["left cup", "cup left"]))
    assert not torch.allclose(one, two)


def test_words_too_long_are_refused_not_cut() -> None:
    encoder = LanguageEncoder(TINY.language, without_encoders())
    with pytest.raises(ModelError, match=r"has 201 tokens, the network reads 160"):
        encoder.tokenise(["x" * 200])


def test_t5_comes_with_weights_and_tokeniser_from_a_folder(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

    place = tmp_path / "a--t5"
    torch.manual_seed(0)
    T5EncoderModel(
        T5Config(vocab_size=20, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, feed_forward_proj="gated-gelu")
    ).save_pretrained(place)
    words = Tokenizer(models.WordLevel({"<pad>": 0, "</s>": 1, "<unk>": 2, "lift": 3, "it": 4}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="</s>").save_pretrained(place)

    encoder = LanguageEncoder(T5, EncoderSource(folder=str(tmp_path), online=False)).eval()
    ids, mask = encoder.tokenise(["lift it", ""])
    assert ids[0].tolist() == [3, 4, 1]
    assert mask.tolist() == [[True] * 3, [False] * 3]
    with torch.no_grad():
        assert encoder(ids, mask).shape == (2, 3, 32)
    with pytest.raises(EncoderError, match="d_model is 32, the network expects 512"):
        LanguageEncoder(replace(T5, width=512), EncoderSource(folder=str(tmp_path), online=False))


def test_without_its_encoder_it_asks_for_features() -> None:
    encoder = LanguageEncoder(T5, without_encoders())
    assert encoder.encoder is None
    with pytest.raises(EncoderError, match="give it language features"):
        encoder(torch.zeros(1, 1, dtype=torch.long), torch.ones(1, 1, dtype=torch.bool))
    random = LanguageEncoder(replace(T5, depth=1), EncoderSource(EncoderMode.RANDOM)).eval()
    with torch.no_grad():
        assert random(*random.tokenise(["lift it"])).shape[-1] == 32
