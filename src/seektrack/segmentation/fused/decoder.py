"""The mask decoder while following: no prompt, one mask an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from seektrack.segmentation.fused.weights import Dense, Norm, plain, tokens_of, unfold
from seektrack.segmentation.network import Chosen, ImageFeatures, stability

if TYPE_CHECKING:
    from transformers import Sam2VideoModel


class _TokensToImage:
    """Tokens look at the image, without projecting the image.

    There are far fewer tokens times heads than image channels, so queries are carried back through the key
    projection, and what was seen forward through the value projection. A key's bias changes no weight.
    """

    def __init__(self, attention: Any, dtype: torch.dtype, precise: torch.dtype) -> None:
        heads = int(attention.num_attention_heads)
        self.heads, self.scaling = heads, float(attention.scaling)
        self.query = Dense.of(attention.q_proj.weight, attention.q_proj.bias, precise)
        self.key = plain(unfold(attention.k_proj.weight, 0, (heads, -1)), precise)
        self.value = plain(unfold(attention.v_proj.weight, 0, (heads, -1)), precise)
        self.value_bias = plain(attention.v_proj.bias, precise)
        self.out = Dense.of(attention.o_proj.weight, attention.o_proj.bias, precise)
        self.dtype, self.precise = dtype, precise

    def looks(self, tokens: Tensor) -> Tensor:
        """Tokens (B, n, C) as what to hold against the image: (B, heads * n, C)."""
        query = unfold(self.query(tokens), -1, (self.heads, -1)).transpose(1, 2) * self.scaling
        return (query @ self.key).flatten(1, 2).to(self.dtype)

    def __call__(self, looks: Tensor, image: Tensor, placed: Tensor) -> Tensor:
        """What tokens see, (B, n, C), in image tokens (B, T, C); ``placed`` has positions added."""
        looks = looks.expand(len(image), -1, -1)
        weights = torch.bmm(looks, placed.transpose(1, 2)).softmax(dim=-1)
        seen = unfold(torch.bmm(weights, image).to(self.precise), 1, (self.heads, -1))
        mixed = (seen @ self.value.transpose(1, 2)).transpose(1, 2).flatten(2)
        seen = self.out(mixed + self.value_bias)
        return seen


class _ImageToTokens:
    """The image looks at the tokens, likewise without projecting the image."""

    def __init__(self, attention: Any, dtype: torch.dtype, precise: torch.dtype) -> None:
        heads = int(attention.num_attention_heads)
        self.heads = heads
        self.key = Dense.of(attention.k_proj.weight, attention.k_proj.bias, precise)
        self.value = Dense.of(attention.v_proj.weight, attention.v_proj.bias, precise)
        query = attention.q_proj.weight * attention.scaling
        self.query = plain(unfold(query, 0, (heads, -1)), precise)
        bias = attention.q_proj.bias * attention.scaling
        self.query_bias = plain(unfold(bias, 0, (heads, -1)), precise)
        self.out = plain(unfold(attention.o_proj.weight.t(), 0, (heads, -1)), precise)
        self.out_bias = plain(attention.o_proj.bias, dtype)
        self.dtype = dtype

    def __call__(self, placed: Tensor, tokens: Tensor, token_codes: Tensor) -> Tensor:
        """What the image (B, T, C) sees of tokens (B, n, C)."""
        key = unfold(self.key(tokens + token_codes), -1, (self.heads, -1)).transpose(1, 2)
        value = unfold(self.value(tokens), -1, (self.heads, -1)).transpose(1, 2)
        looks = (key @ self.query).flatten(1, 2).to(self.dtype)
        bias = (key @ self.query_bias[..., None]).flatten(1).to(self.dtype)
        answers = (value @ self.out).flatten(1, 2).to(self.dtype)
        weights = torch.baddbmm(bias[:, None], placed, looks.transpose(1, 2))
        weights = unfold(weights, -1, (self.heads, -1)).softmax(dim=-1).flatten(2)
        return torch.baddbmm(self.out_bias, weights, answers)


class MaskDecoder:
    """``network.decode`` and ``network.choose`` for objects without a prompt on the frame.

    Without a prompt the tokens are the same for all, up to the first look at the image; only the mask to be
    chosen is drawn; upscaling keeps each token's pixels together until the end.

    Args:
        model: The network.
        dtype: What to compute on image tokens in; the few mask tokens stay in the model's type.
    """

    def __init__(self, model: Sam2VideoModel, dtype: torch.dtype) -> None:
        decoder = model.mask_decoder
        self.dtype, self.decoder = dtype, decoder
        self.config = model.config
        embeddings = (decoder.obj_score_token, decoder.iou_token, decoder.mask_tokens)
        own = torch.cat([e.weight for e in embeddings])
        points = own.new_zeros(1, 1, 1, 2)
        none = torch.full((1, 1, 1), -1, dtype=torch.int32, device=own.device)
        sparse, dense = model.prompt_encoder(
            input_points=points, input_labels=none, input_boxes=None, input_masks=None
        )
        self.tokens = torch.cat([own.expand(1, 1, -1, -1), sparse.to(own.dtype)], dim=2)[0]
        self.nothing = plain(dense[0, :, 0, 0], dtype)
        place = tokens_of(model.get_image_wide_positional_embeddings())
        self.place = plain(place, dtype)
        transformer, types = decoder.transformer, (dtype, model.dtype)
        self.layers = list(transformer.layers)
        self.to_image = [_TokensToImage(layer.cross_attn_token_to_image, *types) for layer in self.layers]
        self.to_tokens = [_ImageToTokens(layer.cross_attn_image_to_token, *types) for layer in self.layers]
        self.image_norms = [Norm.of(layer.layer_norm4, dtype) for layer in self.layers]
        self.last = _TokensToImage(transformer.final_attn_token_to_image, *types)
        self.last_norm = transformer.layer_norm_final_attn
        first, asked = self.layers[0], self.tokens[None]
        self.start = first.layer_norm1(first.self_attn(asked, asked, asked)[0])[0]
        self.first_looks = self.to_image[0].looks(self.start + self.tokens)
        self.up1 = _upscaling(decoder.upscale_conv1, dtype)
        self.up2 = _upscaling(decoder.upscale_conv2, dtype)
        self.up_norm = Norm.of(decoder.upscale_layer_norm, dtype)

    def __call__(
        self, features: ImageFeatures, embedding: Tensor, *, multimask: bool
    ) -> tuple[Chosen, Tensor]:
        """Draw one mask an object.

        Args:
            features: Of the frame, one row.
            embedding: (B, T, C), from ``MemoryAttention``.
            multimask: Whether to choose among the alternatives for ambiguous prompts.

        Returns:
            What ``network.choose`` returns, and the object scores (B, 1).
        """
        hidden, image = self._exchange(embedding + self.nothing)
        decoder = self.decoder
        mask_tokens = hidden[:, 2 : 2 + decoder.num_mask_tokens]
        iou = decoder.iou_prediction_head(hidden[:, 1])
        score = decoder.pred_obj_score_head(hidden[:, 0])
        rows = torch.arange(len(hidden), device=hidden.device)
        best = iou[:, 1:].argmax(dim=1) + 1
        by_stability = bool(decoder.dynamic_multimask_via_stability) and not multimask
        wanted = [best] if multimask else [torch.zeros_like(best)] + [best] * by_stability
        mlps = decoder.output_hypernetworks_mlps
        weights = torch.stack([mlp(mask_tokens[:, i]) for i, mlp in enumerate(mlps)], dim=1)
        drawn = self._draw(features, image, torch.stack([weights[rows, index] for index in wanted], dim=1))
        if multimask:
            return Chosen(drawn[:, 0], iou[rows, best], mask_tokens[rows, best]), score
        logits, index = drawn[:, 0], wanted[0]
        if by_stability:
            delta = decoder.dynamic_multimask_stability_delta
            stable = stability(logits, delta=delta) >= decoder.dynamic_multimask_stability_thresh
            logits = torch.where(stable[:, None, None], logits, drawn[:, 1])
            index = torch.where(stable, index, best)
        return Chosen(logits, iou[rows, index], mask_tokens[:, 0]), score

    def _exchange(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, n, C) and image tokens (B, T, C) after they have looked at each other."""
        codes = self.tokens
        hidden = self.start.expand(len(image), -1, -1)
        placed = image + self.place
        for i, layer in enumerate(self.layers):
            if i == 0:
                looks = self.first_looks
            else:
                asked = (hidden + codes)[:, None]
                own = layer.self_attn(asked, asked, hidden[:, None])[0][:, 0]
                hidden = layer.layer_norm1(hidden + own)
                looks = self.to_image[i].looks(hidden + codes)
            hidden = layer.layer_norm2(hidden + self.to_image[i](looks, image, placed))
            hidden = layer.layer_norm3(hidden + layer.mlp(hidden))
            image = self.image_norms[i](image + self.to_tokens[i](placed, hidden, codes))
            placed = image + self.place
        seen = self.last(self.last.looks(hidden + codes), image, placed)
        return self.last_norm(hidden + seen), image

    def _draw(self, features: ImageFeatures, image: Tensor, weights: Tensor) -> Tensor:
        """Logits (B, m, 4f, 4f) of masks with weights (B, m, C / 8)."""
        activation = self.decoder.activation
        side = features.top.shape[-1]
        middle = _by_token(features.s1, side, 1).to(self.dtype)
        fine = _by_token(features.s0, side, 2).to(self.dtype)
        up = unfold(self.up1(image), -1, (4, -1)) + middle
        up = activation(self.up_norm(up))
        up = activation(unfold(self.up2(up), -1, (4, -1)) + fine)
        drawn = torch.bmm(up.flatten(1, 3), weights.to(self.dtype).transpose(1, 2)).to(weights.dtype)
        drawn = drawn.view(len(image), side, side, 2, 2, 2, 2, -1)
        return drawn.permute(0, 7, 1, 3, 5, 2, 4, 6).reshape(len(image), -1, 4 * side, 4 * side)


def _upscaling(conv: Any, dtype: torch.dtype) -> Dense:
    """A transposed convolution of stride 2 as a linear layer to each of four pixels."""
    weight = conv.weight.permute(2, 3, 1, 0).flatten(0, 2)
    return Dense.of(weight, conv.bias.repeat(4), dtype)


def _by_token(features: Tensor, side: int, times: int) -> Tensor:
    """Finer features (1, C, side * 2^times, …) by coarse token: (1, T, 4, C), or (1, T, 4, 4, C)."""
    halves = (side, *(2,) * times)
    split = unfold(unfold(features, 3, halves), 2, halves)
    order = [0]
    for level in range(times + 1):
        order += [2 + level, 2 + len(halves) + level]
    split = split.permute(*order, 1)
    return split.reshape(1, side * side, *(4,) * times, features.shape[1])
