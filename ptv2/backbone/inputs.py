"""Prompts at the input layer: vectors in the place of token embeddings.

Shapes: B batch, P prompt positions, T tokens, W width of an embedding.
"""

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from ptv2.backbone.injection import InputPrompt, PromptState, repeated


def take_embeddings(model: PreTrainedModel, reader: nn.Module, state: PromptState) -> None:
    """Let the reader's embeddings be replaced where an `InputPrompt` in force says so."""

    def replace(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
        prompt = state.injection.inputs
        ids_BT = args[0] if args else kwargs.get("input_ids")
        # A cache holds the prompt already when the next token comes alone.
        if prompt is None or prompt.at_BT is None or ids_BT is None or ids_BT.shape[1] < prompt.at_BT.shape[1]:
            return None
        embedded = embedded_with(model.get_input_embeddings()(ids_BT), prompt.vectors_BPW, prompt.at_BT)
        given = dict(zip(inspect.signature(module.forward).parameters, args, strict=False)) | kwargs
        return (), given | {"input_ids": None, "inputs_embeds": embedded}

    reader.register_forward_pre_hook(replace, with_kwargs=True)


def embedded_with(embeddings_BTW: Tensor, vectors_BPW: Tensor, at_BT: Tensor) -> Tensor:
    """Put each row's vectors in the place of its embeddings at P tokens; `at_BT` may be narrower than the text."""
    batch, width = len(embeddings_BTW), embeddings_BTW.shape[1]
    at_BT = nn.functional.pad(repeated(at_BT, batch), (0, width - at_BT.shape[1]))
    vectors_BPW = repeated(vectors_BPW, batch).expand(batch, -1, -1)
    return embeddings_BTW.masked_scatter(at_BT[..., None], vectors_BPW.to(embeddings_BTW.dtype))


def in_front(prompt: InputPrompt, inputs: dict[str, Tensor], token: int) -> tuple[dict[str, Tensor], InputPrompt]:
    """Lengthen a batch by P tokens in front of every row for a prompt that has no tokens in the text.

    Args:
        prompt: with `at_BT` None.
        inputs: ids, mask and token types [B, T].
        token: the id that stands at its positions; its embedding is not read.
    """
    ids_BT, P = inputs["input_ids"], prompt.vectors_BPW.shape[1]
    fills = {"input_ids": token, "attention_mask": 1, "token_type_ids": 0}
    longer = {name: nn.functional.pad(held, (P, 0), value=fills[name]) for name, held in inputs.items()}
    at_BT = torch.zeros_like(longer["input_ids"], dtype=torch.bool)
    at_BT[:, :P] = True
    return longer, InputPrompt(prompt.vectors_BPW, at_BT[: len(ids_BT)])
