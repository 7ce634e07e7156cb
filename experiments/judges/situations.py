"""Situations in which prefix tuning is often left out, tried with PEFT and with ptv2: what each library passes.

Each is tried on a tiny model with random weights. A library passes if nothing is raised and what must hold, holds:
gradients reach every prompt, checkpointing changes no gradient, a row's answer does not depend on its neighbours.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, PrefixTuningConfig, TaskType, get_peft_model
from torch import Tensor

import ptv2
from experiments.judges import tiny
from experiments.judges.judge import Case, Judge

TASKS = {
    "bert": TaskType.SEQ_CLS,
    "gpt2": TaskType.CAUSAL_LM,
    "llama": TaskType.CAUSAL_LM,
    "t5": TaskType.SEQ_2_SEQ_LM,
    "bart": TaskType.SEQ_2_SEQ_LM,
}
CLOSE = 1e-4


@dataclass
class Prompted:
    """A model with prompts that train.

    Args:
        model: takes the inputs of the plain model.
        prompts: what trains of them.
        bare: calls it without its prompt.
        mixed: calls it with one of two prompts for each row.
        alone: calls it with the first or the second of them for all rows.
    """

    model: Any
    prompts: list[Tensor]
    bare: Callable[[dict[str, Tensor]], Any]
    mixed: Callable[[dict[str, Tensor], list[int]], Any]
    alone: Callable[[dict[str, Tensor], int], Any]


def with_peft(family: str, folder: Path) -> Prompted:
    """Prefix tuning of PEFT, with two adapters."""
    made = PrefixTuningConfig(task_type=TASKS[family], num_virtual_tokens=4)
    model: PeftModel = get_peft_model(tiny.load(family, folder), made, adapter_name="0")  # pyright: ignore
    model.add_adapter("1", made)
    model.set_adapter("0")
    prompts = [parameter for name, parameter in model.named_parameters() if "prompt_encoder.0" in name]
    _stir(parameter for name, parameter in model.named_parameters() if "prompt_encoder" in name)

    def bare(batch: dict[str, Tensor]) -> Any:
        with model.disable_adapter():
            return model(**batch)

    def alone(batch: dict[str, Tensor], which: int) -> Any:
        model.set_adapter(str(which))
        return model(**batch)

    return Prompted(model, prompts, bare, lambda b, rows: model(**b, adapter_names=list(map(str, rows))), alone)


def with_ptv2(family: str, folder: Path) -> Prompted:
    """Deep prompts of ptv2 on the plain model, of two artifacts."""
    runs = [tiny.config(family, folder.parent, 16, seed=seed) for seed in (1, 2)]
    artifacts = {str(i): tiny.start_of(run, folder.parent / f"start-{i}") for i, run in enumerate(runs)}
    model = tiny.load(family, folder).requires_grad_(False)
    attached = ptv2.attach(model, artifacts, trainable=True)
    prompts = list(attached.set_prompt("0").model.ptv2_prompts[0].parameters())  # pyright: ignore
    _stir(model.ptv2_prompts.parameters())  # pyright: ignore

    def called(batch: dict[str, Tensor], which: Any) -> Any:
        attached.set_prompt(which)
        return model(**batch)

    return Prompted(
        model,
        prompts,
        lambda batch: called(batch, None),
        lambda batch, rows: called(batch, torch.tensor(rows)),
        lambda batch, which: called(batch, str(which)),
    )


def _stir(parameters: Any) -> None:
    """Move prompts far from their start, so that they matter."""
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(torch.randn(parameter.shape, generator=draw) * 0.5)


def batch_of(family: str, left: bool = False) -> dict[str, Tensor]:
    """Make three rows of unequal length, padded on the right or the left, with labels."""
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(4, tiny.SIZES["vocab_size"], (3, 7), generator=draw)
    mask = torch.ones_like(ids)
    for row, pads in enumerate((0, 2, 4)):
        columns = slice(0, pads) if left else slice(7 - pads, 7)
        ids[row, columns], mask[row, columns] = 0, 0
    labels = torch.tensor([0, 1, 0]) if family == "bert" else ids.masked_fill(mask == 0, -100)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def trains(made: Prompted, family: str) -> None:
    """Take ten steps of AdamW: each prompt gets a gradient, and the loss falls."""
    batch, optimizer, losses = batch_of(family), torch.optim.AdamW(made.prompts, lr=0.02), []
    made.model.train()
    for _ in range(10):
        optimizer.zero_grad()
        loss = made.model(**batch).loss
        loss.backward()
        hold(all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in made.prompts), "a prompt has no gradient")
        optimizer.step()
        losses.append(loss.item())
    hold(losses[-1] < losses[0], f"the loss does not fall ({losses[0]:.3f} to {losses[-1]:.3f})")


def checkpoints(made: Prompted, family: str) -> None:
    """Compare the gradients of the prompts with those under gradient checkpointing."""
    found = []
    for enabled in (False, True):
        if enabled:
            made.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        made.model.train()
        made.model.zero_grad()
        made.model(**batch_of(family)).loss.backward()
        hold(all(p.grad is not None for p in made.prompts), "a prompt has no gradient")
        found.append([p.grad.clone() for p in made.prompts if p.grad is not None])
    close(*(torch.cat([grad.flatten() for grad in grads]) for grads in found), "the gradients are others")
    hold(bool(found[0][0].abs().sum() > 0), "a prompt has no gradient")


def mixes(made: Prompted, family: str) -> None:
    """Give the rows of a batch different prompts: each gets its own."""
    batch, rows = batch_of(family), [0, 1, 0]
    made.model.eval()
    with torch.no_grad():
        mixed = made.mixed(batch, rows).logits
        alone = [made.alone(batch, which).logits for which in (0, 1)]
    for row, which in enumerate(rows):
        close(mixed[row], alone[which][row], "a row's answer is not that of its prompt")
        hold(not torch.allclose(alone[0][row], alone[1][row], atol=CLOSE), "the prompts make no difference")


def pads_left(made: Prompted, family: str) -> None:
    """Compare as `pads` does, with padding on the left and the positions that say so."""
    pads(made, family, left=True)


def pads(made: Prompted, family: str, left: bool = False) -> None:
    """Compare the answer of a row beside longer ones with that of the row alone."""
    batch = {name: tensor for name, tensor in batch_of(family, left).items() if name != "labels"}
    if left:
        batch["position_ids"] = (batch["attention_mask"].cumsum(1) - 1).clamp(min=0)
    kept = batch["attention_mask"][2].bool()
    alone = {name: tensor[2:, kept] for name, tensor in batch.items()}
    if family in ("t5", "bart"):
        batch["decoder_input_ids"], alone["decoder_input_ids"] = batch["input_ids"], batch["input_ids"][2:]
    made.model.eval()
    with torch.no_grad():
        beside, single = made.model(**batch).logits[2], made.model(**alone).logits[0]
    close(beside[kept] if TASKS[family] == TaskType.CAUSAL_LM else beside, single, "padding changes the answer")


def prompts_encoder(made: Prompted, family: str) -> None:
    """Look whether the states of the encoder depend on the prompt."""
    states: list[Tensor] = []
    encoder = next(module for name, module in made.model.named_modules() if name.endswith("encoder") and
                   type(module).__name__ in ("T5Stack", "BartEncoder"))  # fmt: skip
    handle = encoder.register_forward_hook(lambda module, args, out: states.append(out.last_hidden_state))
    made.model.eval()
    with torch.no_grad():
        made.model(**batch_of(family))
        made.bare(batch_of(family))
    handle.remove()
    hold(not torch.allclose(*states, atol=CLOSE), "the encoder has no prompt: its states are those of the bare model")


def generates(made: Prompted, family: str) -> None:
    """Search with beams: a row of a batch is answered as the row alone."""
    left = TASKS[family] == TaskType.CAUSAL_LM
    batch = {name: tensor for name, tensor in batch_of(family, left).items() if name != "labels"}
    settings: dict[str, Any] = {"max_new_tokens": 6, "num_beams": 3, "do_sample": False, "eos_token_id": None}
    made.model.eval()
    together = made.model.generate(**batch, **settings)
    for row in range(3):
        kept = batch["attention_mask"][row].bool()
        alone = made.model.generate(**{name: t[row : row + 1, kept] for name, t in batch.items()}, **settings)
        hold(torch.equal(together[row, -6:], alone[0, -6:]), "a row alone is answered otherwise")


def hold(condition: bool, otherwise: str) -> None:
    if not condition:
        raise AssertionError(otherwise)


def close(one: Tensor, other: Tensor, otherwise: str) -> None:
    hold(one.shape == other.shape and torch.allclose(one, other, atol=CLOSE, rtol=CLOSE), otherwise)


SITUATIONS: dict[str, tuple[Callable[[Prompted, str], None], tuple[str, ...]]] = {
    "training": (trains, ("bert", "gpt2", "llama", "t5", "bart")),
    "gradient checkpointing": (checkpoints, ("bert", "gpt2", "llama", "t5", "bart")),
    "rows of two prompts in one batch": (mixes, ("bert", "gpt2", "llama", "t5", "bart")),
    "padding": (pads, ("bert", "gpt2", "llama", "t5", "bart")),
    "padding on the left": (pads_left, ("gpt2", "llama")),
    "a prompt in the encoder": (prompts_encoder, ("t5", "bart")),
    "beam search": (generates, ("gpt2", "llama", "t5", "bart")),
}


def outcome(make: Callable[[str, Path], Prompted], check: Callable[[Prompted, str], None], family: str) -> str:
    """Try a situation and say how it went."""
    with tempfile.TemporaryDirectory() as made:
        folder = tiny.save(family, Path(made) / "model")
        try:
            check(make(family, folder), family)
        except AssertionError as error:
            return f"wrong: {error}"
        except Exception as error:  # any refusal is an outcome
            line = (str(error).splitlines() or [""])[0].replace("|", "/")
            return f"fails: {type(error).__name__}: {line[:110]}"
    return "passes"


def cases() -> Iterator[Case]:
    for name, (check, families) in SITUATIONS.items():
        for family in families:
            theirs, ours = (outcome(make, check, family) for make in (with_peft, with_ptv2))
            yield Case(f"{name}, {family}", "tiny random model", theirs, ours)


JUDGE = Judge(
    "PEFT",
    "What prefix tuning passes: PEFT",
    "Situations that PEFT's own tests leave out for prefix tuning, and some beside them, on tiny random models.",
    ("peft", "transformers"),
    None,
    cases,
)
