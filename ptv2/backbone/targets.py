"""How likely a language model finds the tokens of targets, without the logits of all positions.

Logits of one position are as many as the vocabulary has words, and cross-entropy keeps them in float32 with their
gradient: at 49,152 words that is more than many layers keep. Only positions with a target need them, a chunk at a time.

Shapes: B batch, T tokens, N positions with a target, V words, D width.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from ptv2.backbone.injection import Injection, PromptState
from ptv2.backbone.sites import without_cache

CHUNK = 2**24
"""Logits that are held at once: 64 MiB in float32, and as much for their gradient."""
NO_TARGET = -100
"""The label of a position without a target, as transformers has it."""
TOKENS = 4  # of the texts that a family is tried with


class Targets:
    """A language model's head by chunks of positions, as the family's own code has it: scales, biases, soft caps.

    For a chunk the model is called with its last stack bypassed: in its place stand states that it returned before.
    Whether a family can be called like this is found by trying. One that cannot, or that is compiled, has all logits.

    Args:
        model: a language model.
        state: the prompts in force.
    """

    def __init__(self, model: PreTrainedModel, state: PromptState):
        self.model, self.state, self.is_decoder = model, state, not model.config.is_encoder_decoder
        self._settings = without_cache(model)
        self._noting, self._noted = False, torch.empty(0)
        self._known_1ND: Tensor | None = None
        self._returns: Callable[..., Any] = BaseModelOutput
        decoder: nn.Module = model.get_decoder()
        stacks = dict.fromkeys([model.base_model, decoder] if self.is_decoder else [decoder])  # OPT calls the inner one
        compiled = model._compiled_call_impl is not None
        self.words = 0 if compiled else next(filter(None, map(self._take, stacks)), 0)
        """V; 0: all logits are computed at once."""

    def _take(self, stack: nn.Module) -> int:
        """Try a stack as the last one; return the number of words, or 0 where it is not."""
        self.stack, plain = stack, stack.forward
        stack.forward = self._bypassed(plain)
        words = self._tried()
        if not words:
            stack.forward = plain
        return words

    def _states(self, inputs: dict[str, Tensor]) -> Tensor:
        """Run the model without its head; return the states [B, T, D] of the last stack."""
        self._noting = True
        try:
            self.model(**inputs, **self._settings)
        finally:
            self._noting = False
        noted_BTD, self._noted = self._noted, torch.empty(0)
        return noted_BTD

    def nll(self, inputs: dict[str, Tensor], labels_BT: Tensor, prompts: Injection, P: int = 0) -> Tensor:
        """Compute the negative log-likelihood of each label, [B, T]: 0 where there is none.

        It is in float32, or float64 where the model is.

        Args:
            inputs: of the model.
            labels_BT: of a decoder-only model beside its inputs, of which each is predicted by what stands before.
            prompts: in force while states are computed.
            P: positions before the first label's (decoder-only).
        """
        with self.state.use(prompts):
            if self.words and "labels" not in inputs:  # a few families shift these on the way to a loss of their own
                read_BTX, nll_of = self._states(inputs), self._by_chunks
            else:
                read_BTX, nll_of = self.model(**inputs, **self._settings).logits, _nll
        if self.is_decoder:
            read_BTX, labels_BT = read_BTX[:, P:-1], labels_BT[:, 1:]
        has_BT = labels_BT != NO_TARGET
        nll_N = nll_of(read_BTX[has_BT], labels_BT[has_BT])
        nll_BT = nll_N.new_zeros(has_BT.shape).masked_scatter(has_BT, nll_N)
        return F.pad(nll_BT, (1, 0)) if self.is_decoder else nll_BT

    def _by_chunks(self, states_ND: Tensor, labels_N: Tensor) -> Tensor:
        size = max(1, CHUNK // self.words)
        if not torch.is_grad_enabled() or not states_ND.requires_grad:
            return torch.cat([self._nll(*pair) for pair in _chunks(states_ND, labels_N, size)])
        if any(parameter.requires_grad for parameter in self._head_parameters()):
            pairs = _chunks(states_ND, labels_N, size)
            return torch.cat([checkpoint(self._nll, *pair, use_reentrant=False) for pair in pairs])
        return _Frozen.apply(states_ND, labels_N, size, self._nll)

    def _nll(self, states_ND: Tensor, labels_N: Tensor) -> Tensor:
        return _nll(self._logits(states_ND), labels_N)

    def _logits(self, states_ND: Tensor) -> Tensor:
        """Compute the logits [N, V] of states of the last stack."""
        ids_1N = torch.zeros(1, len(states_ND), dtype=torch.long, device=states_ND.device)
        if self.is_decoder:
            inputs: dict[str, Any] = {"input_ids": ids_1N, "attention_mask": torch.ones_like(ids_1N)}
        else:
            inputs = {"decoder_input_ids": ids_1N, "attention_mask": torch.ones_like(ids_1N)[:, :1]}
            inputs["encoder_outputs"] = BaseModelOutput(last_hidden_state=states_ND.new_zeros(1, 1, 1))
        self._known_1ND = states_ND[None]
        try:
            with self.state.use(Injection()):
                return self.model(**inputs, **self._settings).logits[0]
        finally:
            self._known_1ND = None

    def _bypassed(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(plain)
        def forward(*args: Any, **kwargs: Any) -> Any:
            if self._known_1ND is not None:
                return self._returns(last_hidden_state=self._known_1ND)
            out = plain(*args, **kwargs)
            if self._noting:
                if (packing := self.state.injection.packing) is not None:
                    out.last_hidden_state = packing.rows(out.last_hidden_state)
                    self.state.injection = self.state.injection.padded()
                self._noted, self._returns = out.last_hidden_state, type(out)
                out.last_hidden_state = out.last_hidden_state[:, :0]  # nothing is left to the language model's head
            return out

        return forward

    def _head_parameters(self) -> list[nn.Parameter]:
        """List the parameters that make logits of states, tied ones among them."""
        below = {id(parameter) for parameter in self.stack.parameters()}
        above = [parameter for parameter in self.model.parameters() if id(parameter) not in below]
        head = self.model.get_output_embeddings()
        return above + (list(head.parameters()) if isinstance(head, nn.Module) else [])

    @torch.no_grad()
    def _tried(self) -> int:
        """Return the number of words, or 0 where the logits by chunks are not those of the model."""
        device, training = next(self.model.parameters()).device, self.model.training
        ids_1T = torch.arange(1, TOKENS + 1, device=device)[None]
        inputs = {"input_ids": ids_1T, "attention_mask": torch.ones_like(ids_1T)}
        if not self.is_decoder:
            inputs["decoder_input_ids"] = ids_1T
        self.model.eval()
        try:
            with self.state.use(Injection()):
                expected_1TV = self.model(**inputs, **self._settings).logits
                found_TV = self._logits(self._states(inputs)[0])
        except (RuntimeError, TypeError, ValueError, AttributeError, LookupError):  # its own code misses something
            return 0
        finally:
            self.model.train(training)
        same = found_TV.shape == expected_1TV.shape[1:] and torch.allclose(found_TV.float(), expected_1TV[0].float())
        return expected_1TV.shape[-1] if same else 0


class _Frozen(torch.autograd.Function):
    """Likelihoods by a head that is not trained: each is of one state alone, so its gradient is made on the way."""

    @staticmethod
    def forward(
        ctx: Any, states_ND: Tensor, labels_N: Tensor, size: int, nll_of: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        found, gradients = [], []
        for own_ND, labels in _chunks(states_ND, labels_N, size):
            with torch.enable_grad():
                leaf_ND = own_ND.detach().requires_grad_()
                nll_N = nll_of(leaf_ND, labels)
                gradients += torch.autograd.grad(nll_N.sum(), leaf_ND)
            found.append(nll_N.detach())
        ctx.save_for_backward(torch.cat(gradients))
        return torch.cat(found)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_N: Tensor) -> tuple[Tensor | None, ...]:
        (gradient_ND,) = ctx.saved_tensors
        return (grad_N[:, None] * gradient_ND).to(gradient_ND.dtype), None, None, None


def _chunks(states_ND: Tensor, labels_N: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    return list(zip(states_ND.split(size), labels_N.split(size), strict=True))


def _nll(logits_NV: Tensor, labels_N: Tensor) -> Tensor:
    full = torch.promote_types(logits_NV.dtype, torch.float32)
    return F.cross_entropy(logits_NV.to(full), labels_N, reduction="none")
