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
    names = list(inspect.signature(reader.forward).parameters)

    def replace(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
        prompt = state.injection.inputs
        ids_BT = args[0] if args else kwargs.get("input_ids")
        # A cache holds the prompt already when the next token comes alone.
        if prompt is None or prompt.at_BT is None or ids_BT is None or ids_BT.shape[1] < prompt.at_BT.shape[1]:
            return None
        embedded = embedded_with(model.get_input_embeddings()(ids_BT), prompt.vectors_BPW, prompt.at_BT)
        given = dict(zip(names, args, strict=False)) | kwargs
        return (), given | {"input_ids": None, "inputs_embeds": embedded}

    reader.register_forward_pre_hook(replace, with_kwargs=True)


def embedded_with(embeddings_BTW: Tensor, vectors_BPW: Tensor, at_BT: Tensor) -> Tensor:
    """Put each row's vectors in the place of its embeddings at P tokens; `at_BT` may be narrower than the text."""
    batch, width = len(embeddings_BTW), embeddings_BTW.shape[1]
    at_BT = nn.functional.pad(repeated(at_BT, batch), (0, width - at_BT.shape[1]))
    vectors_BPW = repeated(vectors_BPW, batch).expand(batch, -1, -1)
    return embeddings_BTW.masked_scatter(at_BT[..., None], vectors_BPW.to(embeddings_BTW.dtype))


def in_front(prompt: InputPrompt, inputs: dict[str, Tensor]) -> tuple[dict[str, Tensor], InputPrompt]:
    """Lengthen a batch by P tokens in front of every row for a prompt that has no tokens in the text.

    Their ids are never embedded. They repeat the row's last token, so that `generate`, whose penalties look at the ids
    before the next token, finds none that the row does not hold.

    Args:
        prompt: with `at_BT` None.
        inputs: ids, mask and token types [B, T].
    """
    P = prompt.vectors_BPW.shape[1]
    fills = {"attention_mask": 1, "token_type_ids": 0}
    longer = {name: nn.functional.pad(held, (P, 0), value=fills.get(name, 0)) for name, held in inputs.items()}
    longer["input_ids"][:, :P] = inputs["input_ids"][:, -1:]
    at_1T = torch.arange(longer["input_ids"].shape[1], device=inputs["input_ids"].device)[None] < P
    return longer, InputPrompt(prompt.vectors_BPW, at_1T)


def decoder_inputs(model: PreTrainedModel, labels_BT: Tensor) -> dict[str, Tensor]:
    """Make what the decoder reads to predict the labels: the labels, shifted by one as the family does it."""
    shifted = getattr(model, "prepare_decoder_input_ids_from_labels", None)
    # A few families shift only on the way to a loss of their own, which costs as much as the head's.
    return {"decoder_input_ids": shifted(labels=labels_BT)} if shifted else {"labels": labels_BT}
