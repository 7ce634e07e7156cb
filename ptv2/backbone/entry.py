"""Entering the backbone in the middle: states that were computed earlier take the place of those that reach a layer.

The layers below are skipped; embeddings, masks and positions are made as ever. Which families can be entered is found
by trying, as sites are found by running: a probe has to give the same states both ways, to the bit.

Shapes: B batch, T tokens, D width.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from ptv2.backbone.injection import Injection, PromptState
from ptv2.backbone.sites import Site, without_cache
from ptv2.errors import UserError

WHERE, DO = "backbone.cache", "set it to false"
TOKENS, REAL = 5, 3  # of the probe: its second text has padding


class Entry:
    """Where known states enter the part of a model that heads read: in front of a layer, or behind the last one.

    Args:
        model: its sites are installed.
        reader: the part that is entered.
        state: the prompts in force.
        sites: of the model.
        lowest: index of the site whose layer is entered; None: behind the last layer, nothing is computed then.

    Raises:
        UserError: the family cannot be entered there, or draws at random below it while training.
    """

    def __init__(
        self, model: PreTrainedModel, reader: nn.Module, state: PromptState, sites: Sequence[Site], lowest: int | None
    ):
        self.model, self.reader, self.state = model, reader, state
        self.layer: int | None = None
        self._stack = ""  # name of the list of layers in the reader
        self._noting, self._noted = False, torch.empty(0)
        self._widths: dict[int, int] = {}  # layer -> number of values that it returns; not there: a tensor alone
        if lowest is not None:
            self._stack, self.layer = _find(reader, sites, lowest, model.config.model_type)
            for index, layer in enumerate(reader.get_submodule(self._stack).children()):
                layer.forward = self._entered(index, layer.forward)
        self._check()

    @torch.no_grad()
    def states(self, inputs: dict[str, Tensor]) -> Tensor:
        """Compute the states that enter, [B, T, D]."""
        self._noting = True
        try:
            last_BTD = self._read(inputs, Injection())
        finally:
            self._noting = False
        if self.layer is None:
            return last_BTD
        noted_BTD, self._noted = self._noted, torch.empty(0)
        return noted_BTD

    def _read(self, inputs: dict[str, Tensor], prompts: Injection) -> Tensor:
        with self.state.use(prompts):
            return self.reader(**inputs, **without_cache(self.reader)).last_hidden_state

    def _entered(self, index: int, plain: Callable[..., Any]) -> Callable[..., Any]:
        """Make the forward of a layer that is skipped, or gets the known states, where there are some."""

        def forward(*args: Any, **kwargs: Any) -> Any:
            injection, layer = self.state.injection, self.layer
            known_BTD, packing = injection.states_BTD, injection.packing
            assert layer is not None
            hidden_BTD = args[0] if args else kwargs["hidden_states"]
            if self._noting and index == layer:
                self._noted = hidden_BTD
            if (self._noting and index >= layer) or (known_BTD is not None and index < layer):
                width = self._widths.get(index)
                return hidden_BTD if width is None else (hidden_BTD, *[None] * (width - 1))
            if known_BTD is not None and index == layer:
                known_BTD = known_BTD.to(hidden_BTD.dtype)
                if packing is not None:
                    known_BTD = packing.tokens(known_BTD)
                if args:
                    args = (known_BTD, *args[1:])
                else:
                    kwargs["hidden_states"] = known_BTD
            out = plain(*args, **kwargs)
            if isinstance(out, tuple):
                self._widths[index] = len(out)
            return out

        return forward

    @torch.no_grad()
    def _check(self) -> None:
        """Try it: the same states in training as in evaluation, nothing drawn, and the same result from the middle."""
        family, training = self.model.config.model_type, self.model.training
        mask_BT = torch.ones(2, TOKENS, dtype=torch.long)
        mask_BT[1, REAL:] = 0
        inputs = {"input_ids": torch.arange(1, 2 * TOKENS + 1).view(2, TOKENS) * mask_BT, "attention_mask": mask_BT}
        inputs = {name: held.to(next(self.model.parameters()).device) for name, held in inputs.items()}
        real_BT = inputs["attention_mask"].bool()
        with torch.random.fork_rng(devices=[]):
            self.model.eval()
            plain_BTD = self._read(inputs, Injection())
            states_BTD = self.states(inputs)
            self.model.train()
            with self._drawing() as drew:
                trained_BTD = self.states(inputs)
            self.model.eval()
            known = Injection(states_BTD=states_BTD.masked_fill(~real_BT[..., None], 0))
            entered_BTD = plain_BTD if self.layer is None else self._try(inputs, known)
        self.model.train(training)
        if drew or not torch.equal(trained_BTD[real_BT], states_BTD[real_BT]):
            by = f"'{drew[0]}' draws at random" if drew else "they are others than in evaluation"
            what = f"the states would not stay the same between epochs: in training {by}"
            raise UserError(what, where=WHERE, do="set backbone.dropout=0, or backbone.cache=false")
        if entered_BTD is None or not torch.equal(entered_BTD[real_BT], plain_BTD[real_BT]):
            what = f"the layers of family '{family}' take more from those below than their states"
            raise UserError(what, where=WHERE, do=DO)

    def _try(self, inputs: dict[str, Tensor], known: Injection) -> Tensor | None:
        """Return what the reader makes of known states; None where it cannot."""
        try:
            return self._read(inputs, known)
        except (RuntimeError, TypeError, ValueError, AttributeError, IndexError):  # a layer's own code misses something
            return None

    @contextmanager
    def _drawing(self) -> Iterator[list[str]]:
        """Note which modules below the entry draw random numbers, the innermost first."""
        drew: list[str] = []
        before: list[Tensor] = []

        def enter(module: nn.Module, args: Any) -> None:
            before.append(torch.get_rng_state())

        def leave(name: str) -> Callable[..., None]:
            def note(module: nn.Module, args: Any, out: Any) -> None:
                if not torch.equal(before.pop(), torch.get_rng_state()):
                    drew.append(name)

            return note

        hooks = []
        for name, module in self.reader.named_modules():
            hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave(name or "model"))]
            if (rate := getattr(module, "layerdrop", 0) or 0) > 0:  # of a loop over layers, which may not draw here
                drew.append(f"layerdrop={rate}")
        try:
            yield drew
        finally:
            for hook in hooks:
                hook.remove()


def _find(reader: nn.Module, sites: Sequence[Site], lowest: int, family: str) -> tuple[str, int]:
    """Return the name of the list of layers in the reader and the number of the one that holds a site.

    Raises:
        UserError: there is no such list, or its layers do not run in its order; or nothing stands below the site.
    """
    names = {id(module): name for name, module in reader.named_modules()}
    lists = [name for name, module in reader.named_modules() if isinstance(module, nn.ModuleList)]
    outer = [name for name in lists if not any(name.startswith(f"{other}.") for other in lists)]
    found: list[tuple[str, int]] = []
    for site in sites:
        name = names.get(id(site.module), "")
        stack = next((stack for stack in outer if name.startswith(f"{stack}.")), None)
        if stack is not None:
            found.append((stack, int(name.removeprefix(f"{stack}.").partition(".")[0])))
    if len(found) < len(sites) or len({stack for stack, _ in found}) != 1 or found != sorted(found):
        raise UserError(f"the layers of family '{family}' are not one list that runs in order", where=WHERE, do=DO)
    if found[lowest][1] == 0:
        what = "the first layer has a prompt, so no states stay the same"
        raise UserError(what, where=WHERE, do="prompt the upper layers alone (prompt.layers=top:K), or set it to false")
    return found[lowest]
