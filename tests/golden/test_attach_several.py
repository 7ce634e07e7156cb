"""`ptv2.attach` with several prompts: each row of a batch has its own."""

import pytest
import torch
from exchanged import encoder_artifact, lm_artifact
from families import make_batch
from seq2seq_models import make_lm_batch
from torch import Tensor
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

import ptv2

CLOSE = {"atol": 2e-5, "rtol": 1e-5}
UNION = {"form": ["kv", "memory", "slots", "values", "queries"]}


def several(family: str, tmp_path, prompts: list[dict]) -> dict[str, str]:
    make = lm_artifact if family in ("llama", "gpt2", "t5") else encoder_artifact
    return {f"p{i}": str(make(family, tmp_path, seed=i, prompt=prompt)) for i, prompt in enumerate(prompts)}


MIXED = [{}, {"length": 2, "layers": "top:1"}, UNION, {"gate": True, "length": 7}]


@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
@pytest.mark.parametrize("family", ["bert", "modernbert", "deberta-v2", "t5", "gpt2", "llama"])
@torch.no_grad()
def test_each_row_of_a_batch_has_its_own_prompt(family, kernel, tmp_path):
    """Lengths, layers and forms differ, and one row has none."""
    lm = family in ("gpt2", "llama", "t5")
    paths = several(family, tmp_path, MIXED[:3] if family == "t5" else MIXED)
    batch = make_lm_batch(family, (9, 6, 3, 5, 9)[:5]) if lm and family != "t5" else make_batch_of(family)
    auto = {"t5": AutoModelForSeq2SeqLM}.get(family, AutoModelForCausalLM if lm else AutoModel)
    model = auto.from_pretrained(tmp_path / "backbone", attn_implementation=None if family == "deberta-v2" else kernel)

    def read() -> Tensor:
        out = model(**batch)
        return out.logits if lm else out.last_hidden_state

    bare = read()
    attached = ptv2.attach(model, paths)
    rows = [*attached.names, None][: len(batch["input_ids"])]
    alone = [attached.set_prompt(name) and read()[i] for i, name in enumerate(rows)]
    numbers = torch.tensor([attached.names.index(name) if name else -1 for name in rows])
    for mixed in (attached.set_prompt(numbers) and read(), attached.set_prompt(rows) and read()):
        for i, wanted in enumerate(alone):
            kept = batch["attention_mask"][i].bool() if family != "t5" else slice(None)
            torch.testing.assert_close(mixed[i][kept], wanted[kept], **CLOSE)
    attached.detach()
    assert torch.equal(read(), bare)


def make_batch_of(family: str) -> dict[str, Tensor]:
    if family == "t5":
        batch = make_lm_batch("t5", (9, 6, 3))
        return batch | {"labels": batch["labels"].clamp(min=0)}
    return make_batch(family, (9, 6, 3, 5, 9))


@pytest.mark.parametrize(
    "prompts",
    [
        [{"token_gate": True}, {"length": 2}, {"token_gate": True, "length": 7}],
        [{"token_gate": True, "length": 2}, {"length": 7}, {"token_gate": True, "layers": "top:1"}],
        [{"position_offset": True}, {"position_offset": True, "length": 2}, {}],
    ],
    ids=["token gate", "token gate of fewer positions", "position offset"],
)
@torch.no_grad()
def test_rows_with_and_without_it_share_a_batch(prompts, tmp_path):
    paths = several("bert", tmp_path, prompts)
    model, batch = AutoModel.from_pretrained(tmp_path / "backbone"), make_batch("bert")
    attached = ptv2.attach(model, paths)
    alone = [attached.set_prompt(name) and model(**batch).last_hidden_state[i] for i, name in enumerate(paths)]
    mixed = attached.set_prompt(torch.tensor([0, 1, 2])) and model(**batch).last_hidden_state
    for i, wanted in enumerate(alone):
        kept = batch["attention_mask"][i].bool()
        torch.testing.assert_close(mixed[i][kept], wanted[kept], **CLOSE)


@pytest.mark.parametrize("beams", [1, 2])
def test_generation_keeps_each_rows_prompt(beams, tmp_path):
    paths = several("llama", tmp_path, [{}, {"length": 2}])
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "backbone")
    ids = torch.tensor([[5, 9, 30, 44]] * 3)
    settings = {"max_new_tokens": 6, "num_beams": beams, "do_sample": False, "pad_token_id": 0}
    attached = ptv2.attach(model, paths)
    mask = torch.ones_like(ids)
    alone = [
        (attached.set_prompt(name) and model.generate(ids[:1], attention_mask=mask[:1], **settings))[0].tolist()
        for name in ["p1", None, "p0"]
    ]
    attached.set_prompt(torch.tensor([1, -1, 0]))
    assert model.generate(ids, attention_mask=mask, **settings).tolist() == alone
    assert len({tuple(row) for row in alone}) == 3
