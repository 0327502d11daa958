"""M-CLIP's readers (Carlsson et al., LREC 2022): a multilingual BERT, the mean of its words, a linear layer.

Their folders hold ``transformer.*`` and ``LinearTransformation.*``; their configuration names the BERT but
does not describe it: the sizes are told from the weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from seektrack import checkpoints
from seektrack.encoders.pooling import MEAN
from seektrack.errors import ModelError

KIND = "M-CLIP"
_HEAD = "LinearTransformation."
_WORDS = "transformer."
_HEAD_WIDTH = 64
"""Of an attention head in every BERT and XLM-R that was published."""


def read_mclip(folder: Path) -> tuple[Any, torch.nn.Linear]:
    """The reader of an M-CLIP folder, and its projection, float32.

    The reader's pooler holds the linear layer, its last rows empty where the shared space is narrower than
    the words, and the projection takes its first rows.

    Args:
        folder: With config.json and safetensors.

    Raises:
        ModelError: A file is missing, or they are not of one model.
    """
    from safetensors.torch import load_file
    from transformers import AutoModel

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ModelError(
            f"{folder} has no safetensors",
            hint="a .bin is not read; convert it first",
        )
    state: dict[str, Any] = {}
    try:
        for file in files:
            state |= load_file(file)
        head, bias = (state[_HEAD + name].float() for name in ("weight", "bias"))
        words = {name.removeprefix(_WORDS): v.float() for name, v in state.items() if name.startswith(_WORDS)}
        reader = AutoModel.from_config(_config(folder, words))
    except KeyError as error:
        raise ModelError(f"{folder} lacks {error}", hint="is it an M-CLIP text encoder?") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} cannot be read: {error}") from error
    dim, width = head.shape
    if dim > width:
        raise ModelError(f"{folder} widens {width} numbers a word to {dim}, which is not known of any M-CLIP")
    square, shift = torch.zeros(width, width), torch.zeros(width)
    square[:dim], shift[:dim] = head, bias
    words |= {"pooler.dense.weight": square, "pooler.dense.bias": shift}
    missing, more = reader.load_state_dict(words, strict=False)
    lacking = [n for n in [*missing, *more] if not n.endswith(("position_ids", "token_type_ids"))]
    if lacking:
        raise ModelError(f"{folder} does not fit its configuration: {', '.join(lacking[:3])}")
    reader.config.pooling = MEAN
    projection = torch.nn.Linear(width, dim, bias=False)
    projection.weight.data = torch.eye(dim, width)
    return reader, projection


def _config(folder: Path, words: dict[str, Any]) -> Any:
    """Of the reader: of ``modelBase`` where that is a folder here, else told from the weights."""
    from transformers import AutoConfig

    told = checkpoints.read_config(folder)
    base = str(told.get("modelBase", ""))
    for near in (folder / base, Path(base)):
        if base and (near / "config.json").is_file():
            return AutoConfig.from_pretrained(near, local_files_only=True)
    vocabulary, width = words["embeddings.word_embeddings.weight"].shape
    layers = 1 + max(int(name.split(".")[2]) for name in words if name.startswith("encoder.layer."))
    like_bert = "roberta" not in base.lower()
    return AutoConfig.for_model(
        "bert" if like_bert else "xlm-roberta",
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=max(1, width // _HEAD_WIDTH),
        intermediate_size=words["encoder.layer.0.intermediate.dense.weight"].shape[0],
        max_position_embeddings=words["embeddings.position_embeddings.weight"].shape[0],
        type_vocab_size=words["embeddings.token_type_embeddings.weight"].shape[0],
        layer_norm_eps=1e-12 if like_bert else 1e-5,
        pad_token_id=0 if like_bert else 1,
    )
