"""Rows without their padding: between attention and attention, the real tokens of a batch stand in one sequence.

Linear layers, norms and activations act on each token alone, so padding only costs them time. Attention still sees
rows: its queries, keys and values are put back, and what it returns is taken out again. So masks, prompts, gates and
maps are those of padded rows. Which families can be run so is found by trying.

Shapes: B rows, T tokens of the longest.
"""

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from ptv2.backbone.families import pooled, shifted_positions
from ptv2.backbone.injection import Injection, PromptState
from ptv2.backbone.packing import Packing
from ptv2.backbone.sites import takes_positions, without_cache
from ptv2.errors import UserError

LENGTHS = (5, 3, 4)  # of the texts that are tried
CLOSE = 1e-4  # of their states, relative to the largest


def take_unpadded(model: PreTrainedModel, reader: nn.Module, state: PromptState) -> None:
    """Let the reader run on the real tokens alone where a `Packing` is in force; once for a backbone.

    Raises:
        UserError: a family whose layers need rows.
    """
    names = list(inspect.signature(reader.forward).parameters)
    numbered = takes_positions(reader)
    typed = any(name.endswith("token_type_embeddings") for name, _ in reader.named_modules())

    def pack(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
        if (packing := state.injection.packing) is None:
            return None
        given = dict(zip(names, args, strict=False)) | kwargs
        mask_BT = given["attention_mask"]
        if numbered and given.get("position_ids") is None:
            given["position_ids"] = shifted_positions(model, mask_BT, 0)
        if typed and given.get("token_type_ids") is None:  # a family's own zeros may be fewer than the tokens
            given["token_type_ids"] = torch.zeros_like(mask_BT)
        for name in ("input_ids", "inputs_embeds", "position_ids", "token_type_ids"):
            if given.get(name) is not None:
                given[name] = packing.tokens(given[name])
        return (), given

    def unpack(module: nn.Module, args: Any, out: Any) -> None:
        if (packing := state.injection.packing) is None:
            return
        out.last_hidden_state = packing.rows(out.last_hidden_state)
        if getattr(out, "pooler_output", None) is not None:
            out.pooler_output = pooled(model, out.last_hidden_state)
        state.injection = state.injection.padded()  # what reads these states reads rows

    reader.register_forward_pre_hook(pack, with_kwargs=True)
    reader.register_forward_hook(unpack, prepend=True)
    _check(model, reader, state)


@torch.no_grad()
def _check(model: PreTrainedModel, reader: nn.Module, state: PromptState) -> None:
    """Try it: the same states with padding as without."""
    mask_BT = torch.arange(max(LENGTHS))[None] < torch.tensor(LENGTHS)[:, None]
    pad = getattr(model.config, "pad_token_id", None) or 0  # by which some families find the real tokens
    ids_BT = torch.arange(pad + 1, pad + 1 + mask_BT.numel()).view_as(mask_BT) % model.config.vocab_size
    ids_BT = ids_BT.masked_fill(~mask_BT, pad)
    inputs = {"input_ids": ids_BT, "attention_mask": mask_BT.long()}
    inputs = {name: held.to(next(model.parameters()).device) for name, held in inputs.items()}
    training = model.training
    model.eval()

    def states(packing: Packing | None) -> Tensor:
        with state.use(Injection(packing=packing)):
            return reader(**inputs, **without_cache(reader)).last_hidden_state[mask_BT].float()

    try:
        padded, packed = states(None), states(Packing.of(inputs["attention_mask"]))
        same = bool((padded - packed).abs().max() <= CLOSE * padded.abs().max())
    except (RuntimeError, TypeError, ValueError, AttributeError, IndexError):  # the family's own code
        same = False
    model.train(training)
    if not same:
        what = f"the layers of family '{model.config.model_type}' need rows with their padding"
        raise UserError(what, where="backbone.unpad", do="set it to false")
