"""The words of a vocabulary that prompt vectors are nearest to.

A vector at the input is compared with token embeddings. Keys and values of a layer are compared with those that the
bare backbone has there for a word alone: the mean of both cosines. What is near need not mean the same to the layer:
these are hints, as in section 7 of Lester et al. 2021.

Shapes: N words, P prompt positions, G key/value heads, F vector width.
"""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptv2.backbone import Backbone, Call, space_before
from ptv2.methods.deep.prompt import DeepPrompt
from ptv2.methods.vectors import VectorMethod

WORDS = 1024  # that are compared, the first whole words of the vocabulary
AT_ONCE = 128  # words in a batch
NEAREST = 3


@torch.no_grad()
def nearest_words(method: VectorMethod, backbone: Backbone, vectors_PF: Sequence[Tensor]) -> list[list[str]]:
    """Return for each matrix the nearest words of each of its positions, `cat, dog, cow`.

    None are given where there is nothing to compare with: forms beside the softmax, and the sites of a decoder that
    reads an encoder.
    """
    words, ids = vocabulary(backbone)
    unknown = [[""] * len(one) for one in vectors_PF]
    if not words:
        return unknown
    if not isinstance(method, DeepPrompt):
        embeddings = cast(nn.Embedding, backbone.model.get_input_embeddings())
        table_NW = embeddings(torch.tensor(ids, device=backbone.device)).float()
        return [_named(one, table_NW, words, [table_NW.shape[1]]) for one in vectors_PF]
    if "kv" not in method.config.forms:
        return unknown
    states = word_states(backbone, words, ids)
    found = []
    for part, one, none in zip(method.parts, vectors_PF, unknown, strict=True):
        if part.name != "kv" or part.slot.index not in states:
            found.append(none)
            continue
        found.append(_named(one[:, : sum(part.split)], states[part.slot.index], words, part.split))
    return found


def vocabulary(backbone: Backbone) -> tuple[list[str], list[int]]:
    """List whole words of the vocabulary that are one token each, the first ones, and their ids."""
    tokenizer, special = backbone.tokenizer, set(backbone.tokenizer.all_special_ids)
    space, found = space_before(tokenizer), dict[str, int]()
    for token, i in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1]):
        word = token.lstrip("Ġ▁")
        # Of scripts without upper case a single character may be a word.
        likely = i not in special and word.isalpha() and word == word.lower() and (len(word) > 2 or not word.isascii())
        if likely and tokenizer(space + word, add_special_tokens=False)["input_ids"] == [i]:
            found.setdefault(word, i)
            if len(found) == WORDS:
                break
    return list(found), list(found.values())


def word_states(backbone: Backbone, words: Sequence[str], ids: Sequence[int]) -> dict[int, Tensor]:
    """Return keys beside values [N, F] of words alone at each site of the bare backbone, by its index."""
    index = {id(site.module): i for i, site in enumerate(backbone.sites)}
    found: dict[int, list[Tensor]] = {}
    space = space_before(backbone.tokenizer)
    for begin in range(0, len(words), AT_ONCE):
        texts = [space + word for word in words[begin : begin + AT_ONCE]]
        batch = dict(backbone.tokenizer(texts, padding=True, return_tensors="pt").to(backbone.device))
        rows_N = torch.arange(len(texts), device=backbone.device)
        wanted_N1 = torch.tensor(ids[begin : begin + AT_ONCE], device=backbone.device)[:, None]
        at_N = (batch["input_ids"] == wanted_N1).float().argmax(1)

        def note(call: Call, rows_N: Tensor = rows_N, at_N: Tensor = at_N) -> None:
            both = (call.key_BGSD[rows_N, :, at_N], call.value_BGSE[rows_N, :, at_N])
            found.setdefault(index[id(call.module)], []).append(torch.cat([own.float().flatten(1) for own in both], 1))

        with backbone.state.recording(note), torch.compiler.set_stance("force_eager"):
            backbone(batch)
    return {i: torch.cat(own) for i, own in found.items()}


def _named(own_PF: Tensor, theirs_NF: Tensor, words: Sequence[str], split: Sequence[int]) -> list[str]:
    """Write the nearest words of each vector: by the mean of the cosines of its parts."""
    pairs = zip(own_PF.float().split(split, dim=1), theirs_NF.split(split, dim=1), strict=True)
    cosines = [F.normalize(own, dim=1) @ F.normalize(theirs, dim=1).T for own, theirs in pairs]
    best_PK: list[list[int]] = torch.stack(cosines).sum(0).topk(min(NEAREST, len(words)), dim=1).indices.tolist()
    return [", ".join(words[i] for i in row) for row in best_PK]
