"""Instructions to tokens: a T5 encoder with its own tokeniser, or a small one over bytes that needs no download."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mivla_ros.model.config import LanguageConfig, LanguageFamily
from mivla_ros.model.encoder_weights import EncoderMode, EncoderSource, load_pretrained
from mivla_ros.model.errors import EncoderError, ModelError

PAD, END, FIRST_BYTE = 0, 1, 3
BYTE_TOKENS = FIRST_BYTE + 256
T5_TOKENS = 32128


def byte_tokens(text: str) -> list[int]:
    """UTF-8 bytes plus 3, then the end token 1; nothing for a text without words."""
    words = text.strip()
    return [*(FIRST_BYTE + byte for byte in words.encode()), END] if words else []


class LanguageEncoder(nn.Module):
    """Texts to features. A missing instruction (an empty text) has no valid token at all."""

    def __init__(self, config: LanguageConfig, where: EncoderSource) -> None:
        super().__init__()
        self.config = config
        self._where = where
        self._tokeniser: Any = None
        absent = config.family is LanguageFamily.T5 and where.mode is EncoderMode.ABSENT
        self.encoder = None if absent else _transformer(config, where)

    def tokenise(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Texts to ids (B, L) int64 and mask (B, L) bool, L the longest's length and at least 1.

        Raises ModelError for a text of more tokens than the network reads, EncoderError without a tokeniser.
        """
        rows = [self._tokens(text) for text in texts]
        for text, row in zip(texts, rows, strict=True):
            if len(row) > self.config.max_tokens:
                raise ModelError(
                    f"instruction {text[:40]!r}... has {len(row)} tokens, the network reads {self.config.max_tokens}",
                    "instruction",
                )
        length = max(1, *(len(row) for row in rows))
        ids = torch.tensor([row + [PAD] * (length - len(row)) for row in rows])
        mask = torch.tensor([[True] * len(row) + [False] * (length - len(row)) for row in rows])
        return ids, mask

    def _tokens(self, text: str) -> list[int]:
        if self.config.family is LanguageFamily.BYTES:
            return byte_tokens(text)
        if not text.strip():
            return []
        if self._where.mode is EncoderMode.RANDOM:
            return [token % T5_TOKENS for token in byte_tokens(text)]
        if self._tokeniser is None:
            from transformers import AutoTokenizer

            self._tokeniser = load_pretrained(self.config.source, self._where, AutoTokenizer.from_pretrained)
        return list(self._tokeniser(text.strip()).input_ids)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids, mask (B, L) to features (B, L, width), zero where the mask is False."""
        if self.encoder is None:
            raise EncoderError("this network was made without its language encoder; give it language features", "t5")
        # a row without any token would attend to nothing; what it then gives is left out below
        seen = mask | ~mask.any(dim=1, keepdim=True)
        features = self.encoder(input_ids=ids, attention_mask=seen.long()).last_hidden_state
        return torch.where(mask[..., None], features, torch.zeros((), dtype=features.dtype, device=features.device))


def _transformer(config: LanguageConfig, where: EncoderSource) -> Any:  # noqa: ANN401
    from transformers import T5Config, T5EncoderModel

    if config.family is LanguageFamily.T5 and where.mode is EncoderMode.PRETRAINED:
        expected = {"d_model": config.width, "num_layers": config.depth, "num_heads": config.heads}
        return load_pretrained(config.source, where, T5EncoderModel.from_pretrained, expected)
    return T5EncoderModel(
        T5Config(
            vocab_size=BYTE_TOKENS if config.family is LanguageFamily.BYTES else T5_TOKENS,
            d_model=config.width,
            d_kv=config.head_width,
            d_ff=config.hidden,
            num_layers=config.depth,
            num_heads=config.heads,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
        )
    )
