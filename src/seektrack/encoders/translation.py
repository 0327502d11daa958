"""Translate, then encode: queries in a language the encoder was not taught, through any translation model.

Any function from texts to texts is a `Translator`. `load_translator` makes one of a sequence-to-sequence
checkpoint of transformers (Marian's ``Helsinki-NLP/opus-mt-de-en``, M2M100, NLLB, T5) by folder or hub id, or
takes one registered by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from seektrack import checkpoints

MAX_WORD_PIECES = 64


class Translator(Protocol):
    """Texts in, as many texts out, in the encoder's language."""

    def __call__(self, texts: Sequence[str]) -> list[str]: ...  # noqa: D102


_TRANSLATORS: dict[str, Translator] = {}


def register_translator(name: str) -> Callable[[Translator], Translator]:
    """Make a translator available by name to `load_translator` and to ``--translate``."""

    def add(translator: Translator) -> Translator:
        _TRANSLATORS[name] = translator
        return translator

    return add


def as_translator(translate: str | Translator | None) -> Translator | None:
    """A translator, or the one of a name, folder or hub id; None for None.

    Raises:
        ModelError: As `load_translator`.
    """
    return load_translator(translate) if isinstance(translate, str) else translate


def load_translator(
    model: str | Path,
    *,
    device: str = "cpu",
    source_language: str | None = None,
    target_language: str | None = None,
) -> Translator:
    """A translator by registered name, checkpoint folder or hub id.

    Args:
        model: Which.
        device: Where it runs.
        source_language, target_language: Codes of a model that knows many, such as ``"deu_Latn"`` and
            ``"eng_Latn"`` of NLLB; Marian's models know one pair.

    Raises:
        ModelError: It is not there, not a sequence-to-sequence model, or its tokenizer needs a package.
    """
    name = str(model)
    if name in _TRANSLATORS:
        return _TRANSLATORS[name]
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    options = {} if source_language is None else {"src_lang": source_language}
    where = checkpoints.pick_device(device)
    folder = checkpoints.obtain(checkpoints.find(name, "translation", more=tuple(_TRANSLATORS)))
    tokenizer = checkpoints.load_tokenizer(AutoTokenizer, folder, name, **options)
    network = checkpoints.load_network(AutoModelForSeq2SeqLM, folder, name)
    forced = {}
    if target_language is not None:
        forced["forced_bos_token_id"] = int(tokenizer.convert_tokens_to_ids(target_language))
    return _Seq2Seq(tokenizer, network.to(where), forced)


class _Seq2Seq:
    def __init__(self, tokenizer: Any, network: Any, options: dict[str, int]) -> None:
        self._tokenizer, self._network, self._options = tokenizer, network, options

    def __call__(self, texts: Sequence[str]) -> list[str]:
        import torch

        if not texts:
            return []
        inputs = self._tokenizer(
            list(texts), return_tensors="pt", padding=True, truncation=True, max_length=MAX_WORD_PIECES
        )
        given = {k: inputs[k].to(self._network.device) for k in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            out = self._network.generate(
                **given, max_new_tokens=MAX_WORD_PIECES, num_beams=4, do_sample=False, **self._options
            )
        return [text.strip() for text in self._tokenizer.batch_decode(out, skip_special_tokens=True)]
