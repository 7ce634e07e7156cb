"""The frozen backbone with its sites: one forward for every family, with or without prompts.

Shapes: B batch, T tokens, D width, P prompt positions.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ptv2.backbone.checkpointing import checkpoint_layers
from ptv2.backbone.entry import Entry
from ptv2.backbone.families import pooled, position_limit, position_table, shifted_positions, stack_of
from ptv2.backbone.feed_forward import FeedForward, take_slots
from ptv2.backbone.generation import in_force, keep_ids_alone
from ptv2.backbone.injection import Injection
from ptv2.backbone.inputs import decoder_inputs, in_front, take_embeddings
from ptv2.backbone.packing import Packing
from ptv2.backbone.projection import project
from ptv2.backbone.sites import Observation, Site, install, observe, takes_positions, without_cache
from ptv2.backbone.states import States
from ptv2.backbone.targets import Targets
from ptv2.backbone.token_gate import take_token_gates
from ptv2.backbone.unpadded import take_unpadded
from ptv2.errors import UserError

LEAST = 4  # tokens that a card's max_length has at least
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
PLACES = ("virtual_BT", "answer_at_B")
"""Of a batch with templates: the columns of virtual tokens, and the one whose logits are read."""
KNOWN = "states_BTD"
"""Of a batch whose states were computed earlier, at the backbone's entry; those of padding are zeros."""


class Backbone(nn.Module):
    """A Hugging Face model whose attention takes prompts.

    Args:
        model: the loaded model; its attention is rerouted in place.
        tokenizer: its tokenizer.
        name: what the user called it; it stands in the artifact.
        kernel: `sdpa` or `eager`.
        fresh: names of weights that the checkpoint did not hold, so they were drawn at random.
        fingerprint: sha256 of the weights, see `load.py`.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        name: str = "",
        kernel: str = "sdpa",
        fresh: Sequence[str] = (),
        fingerprint: str = "",
    ):
        super().__init__()
        self.sites, self.state = install(model, kernel)
        self.model = model.requires_grad_(False)
        keep_ids_alone(model)
        self.tokenizer = tokenizer
        self.name, self.fresh, self.fingerprint = name, tuple(fresh), fingerprint
        self.stored: dict[str, str] = {}  # about the weights as they were stored, see `load.py`
        self.packed = 0  # weights that are in no parameter, see `quantize.py`
        self.sharded = False  # over the ranks, see `train/sharded.py`
        self.entry: Entry | None = None  # where known states enter
        self.unpads, self._position_shift = False, 0  # whether layers run on the real tokens alone
        self._no_cache, self._reads_no_cache = without_cache(model), without_cache(self.reader)
        take_embeddings(model, self.reader, self.state)
        self._answer_at_B: Tensor | None = None  # the column of each row whose logits alone are computed; None: all
        self.reader.register_forward_hook(self._picked)

    @property
    def is_encoder_decoder(self) -> bool:
        return bool(self.model.config.is_encoder_decoder)

    @property
    def position_shift(self) -> int:
        """Position of the first real token where prompts are in force.

        Raises:
            UserError: set for a family that takes no positions from outside.
        """
        return self._position_shift

    @position_shift.setter
    def position_shift(self, shift: int) -> None:
        if shift and not takes_positions(self.reader):  # it would silently ignore them
            raise UserError(
                f"backbone family '{self.model.config.model_type}' numbers its positions itself",
                where="prompt.position_offset",
                do="set it to false",
            )
        self._position_shift = shift

    @property
    def is_causal(self) -> bool:
        """Tell whether the states that heads read come from causal attention: a decoder without an encoder."""
        return all(site.place == "decoder" for site in self.sites)

    @property
    def can_generate(self) -> bool:
        """Tell whether it is a language model with causal attention."""
        return self.model.can_generate() and any(site.place == "decoder" for site in self.sites)

    @property
    def reader(self) -> nn.Module:
        """The part whose last states the heads read: the encoder of an encoder-decoder, the model below an LM head."""
        return self.model.get_encoder() if self.is_encoder_decoder else stack_of(self.model.base_model)

    @property
    def width(self) -> int:
        return self.model.config.hidden_size

    @property
    def has_pooler(self) -> bool:
        return getattr(self.model, "pooler", None) is not None

    def forward(self, batch: dict[str, Any], prompts: Injection | None = None, reads: str = "states") -> States:
        """Compute what is read of token ids [B, T], padded on the right, with `prompts` in force.

        reads: states, the language model's logits, those at one place (answer), or the likelihood of targets.
        """
        inputs = {key: batch[key] for key in INPUTS if key in batch}
        mask_BT, prompts = inputs["attention_mask"], prompts or Injection()
        if self.entry is not None and KNOWN in batch:
            if self.entry.layer is None:  # these are the last ones
                last_BTD = batch[KNOWN].to(self.model.dtype)
                return States(last_BTD, mask_BT, pooled(self.model, last_BTD) if self.has_pooler else None)
            prompts = replace(prompts, states_BTD=batch[KNOWN])
        if prompts.inputs is not None and "virtual_BT" in batch:
            prompts = replace(prompts, inputs=replace(prompts.inputs, at_BT=batch["virtual_BT"]))
        inputs, prompts, P = self._lengthened(inputs, prompts)
        if (shift := self._shift(prompts)) is not None:
            inputs["position_ids"] = shifted_positions(self.model, inputs["attention_mask"], shift)
        if self.unpads:
            prompts = replace(prompts, packing=Packing.of(inputs["attention_mask"]))
        if reads == "answer":
            with self.state.use(prompts), self._at_alone(batch["answer_at_B"] + P):
                return States(None, mask_BT, logits_BTV=self.model(**inputs, **self._no_cache).logits)
        if "labels" not in batch and (reads == "targets" or (reads == "logits" and self.is_encoder_decoder)):
            return States(None, mask_BT)  # such rows can only be written for
        if reads in ("logits", "targets"):
            if self.is_encoder_decoder:
                inputs |= decoder_inputs(self.model, batch["labels"])
            if reads == "targets":
                return States(None, mask_BT, nll_BT=self.targets.nll(inputs, batch["labels"], prompts, P))
            with self.state.use(prompts):
                logits_BTV = self.model(**inputs, **self._no_cache).logits
            return States(None, mask_BT, logits_BTV=logits_BTV if self.is_encoder_decoder else logits_BTV[:, P:])
        with self.state.use(prompts):
            out = self.reader(**inputs, **self._reads_no_cache)
        last_BTD, pooled_BD = out.last_hidden_state[:, P:], getattr(out, "pooler_output", None)
        if P and pooled_BD is not None:  # the text's first token, not the prompt's
            pooled_BD = pooled(self.model, last_BTD)
        return States(last_BTD, mask_BT, pooled_BD)

    def _shift(self, prompts: Injection) -> int | Tensor | None:
        """Return the position of the first real token with these prompts in force; None where it is the usual one."""
        shift = self.position_shift if prompts.shift is None else prompts.shift
        return shift if prompts and (isinstance(shift, Tensor) or shift) else None

    def enter_at(self, lowest: int | None) -> Entry:
        """Let states that are known enter at a site's layer, or behind the last one; once for a backbone.

        Raises:
            UserError: the family cannot be entered there, see `Entry`.
        """
        self.entry = Entry(self.model, self.reader, self.state, self.sites, lowest)
        return self.entry

    def entering(self, batch: dict[str, Any], prompted: bool) -> Tensor:
        """Compute the states [B, T, D] of a batch that enter, with the positions that prompts in force give them."""
        assert self.entry is not None
        inputs = {key: batch[key] for key in INPUTS if key in batch}
        if self.position_shift and prompted:
            inputs["position_ids"] = shifted_positions(self.model, inputs["attention_mask"], self.position_shift)
        return self.entry.states(inputs)

    @contextmanager
    def _at_alone(self, columns_B: Tensor) -> Iterator[None]:
        """Hand on to the language model's head the state at one column of each row: logits of all would fill memory."""
        self._answer_at_B = columns_B
        try:
            yield
        finally:
            self._answer_at_B = None

    def _picked(self, reader: nn.Module, args: Any, out: Any) -> None:
        """Leave the states that are read, [B, 1, D], in the reader's output."""
        if (at_B := self._answer_at_B) is not None:
            out.last_hidden_state = out.last_hidden_state[torch.arange(len(at_B), device=at_B.device), at_B][:, None]

    def _lengthened(self, inputs: dict[str, Tensor], prompts: Injection) -> tuple[dict[str, Tensor], Injection, int]:
        """Make room in front of the text for a prompt at the input that has none; return how many tokens wide."""
        if prompts.inputs is None or prompts.inputs.at_BT is not None:
            return inputs, prompts, 0
        inputs, placed = in_front(prompts.inputs, inputs)
        return inputs, replace(prompts, inputs=placed), placed.vectors_BPW.shape[1]

    @torch.no_grad()
    def generate(self, inputs: dict[str, Tensor], prompts: Injection, settings: dict[str, Any]) -> Tensor:
        """Generate ids [B, T] for source ids [B, S], without the source; `settings` go to transformers' `generate`.

        A decoder-only model's sources are padded on the left.

        It runs without `backbone.compile`: a growing cache would be compiled again and again. Where the layers are
        sharded, all ranks continue until the longest text of any of them has ended: each gathers what the others need.
        """
        inputs, prompts, P = self._lengthened(inputs, prompts)
        if P and not self.is_encoder_decoder and settings.get("min_length"):  # it counts what stands before, too
            settings = settings | {"min_length": settings["min_length"] + P}
        table, shift = position_table(self.model), self._shift(prompts)
        if table is not None and table.padding_idx is not None and not self.is_encoder_decoder:
            # RoBERTa and its relatives begin behind `padding_idx`; transformers would let them begin at 0.
            inputs = inputs | {"position_ids": shifted_positions(self.model, inputs["attention_mask"], shift or 0)}
        elif shift is not None:  # the cache does not know the prompt, and sources are padded on the left
            inputs = inputs | {"position_ids": (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0) + shift}
        compiled = self.model._compiled_call_impl is not None
        with self.state.use(prompts), torch.compiler.set_stance("force_eager") if compiled else nullcontext():
            generate = cast(Any, self.model).generate  # language models have it
            ids_BT = generate(**inputs, **settings, synced_gpus=self.sharded)
        return ids_BT if self.is_encoder_decoder else ids_BT[:, inputs["input_ids"].shape[1] :]

    def generation(self, settings: dict[str, Any]) -> dict[str, Any]:
        """List all that decides how `generate` writes with these settings: they, and the ids that the model brings."""
        return in_force(self.model, settings)

    def check_length(self, tokens: int, prompt_length: int, where: str) -> None:
        """Refuse inputs that the position table cannot hold, with the positions that a prompt takes of it.

        Raises:
            UserError: names the largest length that fits.
        """
        limit = position_limit(self.model)
        if limit is not None and tokens + prompt_length > limit:
            left = limit - prompt_length
            parts = f"{tokens} tokens + {prompt_length} prompt positions" if prompt_length else f"{tokens} tokens"
            do = f"use max_length={left} or less" if left >= LEAST else "lower prompt.length"
            do += ", or prompt.position_offset=false" if self.position_shift else ""
            if self.can_generate:  # the tokens to write are among them
                do = f"lower max_length or max_target_length by {tokens - left}"
            raise UserError(f"{parts} do not fit the backbone's {limit} positions", where=where, do=do)

    @cached_property
    def targets(self) -> Targets:
        """The language model's head by chunks; reading it first lets states take the place of the last stack."""
        return Targets(self.model, self.state)

    @cached_property
    def feed_forward(self) -> dict[int, FeedForward]:
        """The feed-forward layers by the index of their site; reading it first lets them take slots.

        Raises:
            UserError: the family's are not known.
        """
        return take_slots(self.model, self.state, self.sites)

    @cached_property
    def gated_sites(self) -> list[Site]:
        """The sites; reading it first lets them take token gates."""
        take_token_gates(self.sites)
        return self.sites

    def enable_gradient_checkpointing(self, compiled: bool = False, chosen: Sequence[nn.Module] | None = None) -> None:
        """Recompute layers in the backward pass, see `checkpoint_layers`."""
        checkpoint_layers(self.model, self.state, compiled, chosen)

    def unpad(self) -> None:
        """Run layers on the real tokens of a batch alone, see `take_unpadded`; once."""
        take_unpadded(self.model, self.reader, self.state)
        self.unpads = True

    def observe(self, ids_T: Tensor) -> list[Observation]:
        """Compute what the bare backbone does at each site for a text of T tokens, in the order of the sites.

        Raises:
            UserError: more tokens than the position table holds.
        """
        limit = position_limit(self.model)
        if limit is not None and len(ids_T) > limit:
            what = f"{len(ids_T)} prompt positions do not fit the backbone's {limit}"
            raise UserError(what, where="prompt.length", do=f"use {limit} or fewer")
        ids_1T = ids_T[None].to(self.device)
        inputs = {"input_ids": ids_1T, "attention_mask": torch.ones_like(ids_1T)}
        if self.is_encoder_decoder:
            inputs["decoder_input_ids"] = ids_1T
        return observe(self.model, self.state, inputs)

    def project(self, seen: Observation, hidden_PD: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the keys and values that a site's frozen projections make of hidden states, see `project`."""
        return project(self.state, seen, hidden_PD)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device
