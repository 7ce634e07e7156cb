"""Overhead and forgetting of tiny models: equal where nothing is added, and defined where a language model is."""

import pytest
import torch
from transformers import (
    AutoTokenizer,
    BertForMaskedLM,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    OPTConfig,
    OPTForCausalLM,
)

from ptv2.backbone import load_backbone
from ptv2.config.load import make_config
from ptv2.model.build import build
from ptv2.study.forgetting import outside_losses
from ptv2.study.measures import measures, overhead
from ptv2.train.fit import fit

ROWS = [{"text": f"the {animal} eats", "label": animal} for animal in ("cat", "dog")] * 4


@pytest.fixture
def masked_bert(tiny_bert, tokenizer, tmp_path):
    """The tiny BERT with a language model's head."""
    torch.manual_seed(1)
    config = BertModel.from_pretrained(tiny_bert).config
    BertForMaskedLM(config).save_pretrained(tmp_path / "masked")
    tokenizer.save_pretrained(tmp_path / "masked")
    return tmp_path / "masked"


@pytest.fixture
def tiny_gpt(tokenizer, tmp_path):
    torch.manual_seed(1)
    ids = {f"{name}_token_id": tokenizer.pad_token_id for name in ("pad", "bos", "eos")}
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=128, n_embd=16, n_layer=2, n_head=2, **ids)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "gpt")
    tokenizer.save_pretrained(tmp_path / "gpt")
    AutoTokenizer.from_pretrained(tmp_path / "gpt", eos_token="[SEP]").save_pretrained(tmp_path / "gpt")
    return tmp_path / "gpt"


@pytest.fixture
def tiny_opt(tiny_gpt, tokenizer, tmp_path):
    ids = {f"{name}_token_id": tokenizer.pad_token_id for name in ("pad", "bos", "eos")}
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "ffn_dim": 32}
    OPTForCausalLM(
        OPTConfig(vocab_size=len(tokenizer), max_position_embeddings=128, word_embed_proj_dim=16, **sizes, **ids)
    ).save_pretrained(tmp_path / "opt")
    AutoTokenizer.from_pretrained(tiny_gpt).save_pretrained(tmp_path / "opt")
    return tmp_path / "opt"


@pytest.fixture
def losses(tmp_path):
    """`losses(backbone, method=deep)`: the losses on texts of ours, and the parts of the run that they are of."""
    import json

    (tmp_path / "rows").mkdir(exist_ok=True)
    for split in ("train", "validation", "test"):
        (tmp_path / "rows" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))

    def config_of(backbone, *overrides, kind="cls"):
        metrics = {"cls": "accuracy", "seq2seq": "perplexity"}[kind]
        inputs = {"cls": {"text": "text"}, "seq2seq": {"source": "text"}}[kind]
        card = {"name": "t", "kind": kind, "inputs": inputs, "metrics": [metrics], "max_length": 24}
        card["dataset"] = {"path": str(tmp_path / "rows")}
        values = {"preset": "official", "tasks": {"t": card}, "backbone": {"name": str(backbone)}, "run": {"name": "x"}}
        return make_config(values, ["prompt.length=4", "prompt.init_std=1", *overrides])

    def measure(backbone, *overrides, kind="cls"):
        config = config_of(backbone, *overrides, kind=kind)
        parts = build(config)
        module = parts.module.eval()
        bare = load_backbone(config.backbone, module.head("t").reads)
        return outside_losses(config, module, bare, "t"), module, bare, parts

    measure.config = config_of
    return measure


def test_a_head_alone_forgets_nothing(losses, masked_bert):
    found, *_ = losses(masked_bert, "method=head")
    assert found["on"] == found["off"] > 1


def test_a_prompt_changes_the_loss_and_the_bare_one_is_that_of_the_language_model(losses, masked_bert, tokenizer):
    found, *_ = losses(masked_bert)
    assert abs(found["on"] - found["off"]) > 1e-4
    assert found.keys() == {"on", "off"}
    again, *_ = losses(masked_bert, "seed=5")
    assert again["off"] == found["off"] and again["on"] != found["on"]


def test_weights_that_were_trained_are_compared_with_the_pretrained_ones(losses, masked_bert):
    _, module, bare, parts = losses(masked_bert, "method=full")
    with torch.no_grad():
        module.backbone.model.encoder.layer[0].output.dense.weight.mul_(3)
    found = outside_losses(parts.module.config, module, bare, "t")
    assert abs(found["on"] - found["off"]) > 1e-4


def test_an_encoder_without_a_language_model_has_no_such_loss(losses, tiny_bert):
    found, *_ = losses(tiny_bert)
    assert found is None


def test_a_decoder_that_generates_has_perplexities(losses, tiny_gpt):
    found, *_ = losses(tiny_gpt, kind="seq2seq")
    assert found["perplexity off"] == pytest.approx(torch.tensor(found["off"]).exp().item())
    assert found["on"] != found["off"]


@pytest.mark.parametrize("decoder", ["tiny_gpt", "tiny_opt"])
def test_a_decoder_that_classifies_is_read_by_its_own_head(losses, request, decoder):
    backbone = request.getfixturevalue(decoder)
    read, written = losses(backbone, "head.pooling=mean")[0], losses(backbone, kind="seq2seq")[0]
    assert read["off"] == pytest.approx(written["off"], abs=1e-5) and read["on"] != read["off"]


def test_an_ensemble_has_the_mean_of_its_prompts(losses, masked_bert):
    one = ("method=prompt", "prompt.init_std=1")
    found, module, bare, parts = losses(masked_bert, *one, "prompt.ensemble=2")
    each = []
    for vectors_PW in list(module.method.rows.rows):
        alone = losses(masked_bert, *one)[1]
        with torch.no_grad():
            alone.method.rows.rows[0].copy_(vectors_PW)
        each.append(outside_losses(parts.module.config, alone, bare, "t")["on"])
    assert found["on"] == pytest.approx(sum(each) / 2, abs=1e-5) and each[0] != pytest.approx(each[1], abs=1e-4)
    assert found["off"] == pytest.approx(losses(masked_bert, "method=head")[0]["off"])
    assert overhead(module, bare, next(iter(parts.data.eval_dataloader("t", "train")))) > 0


def test_a_prompt_at_the_places_of_a_template_has_no_such_loss(losses, masked_bert):
    template = "ptuning.template='{prompt:2} {text} is {prompt:1} {mask}'"
    found, module, bare, parts = losses(
        masked_bert, "method=ptuning", template, "prompt.length=16", "prompt.init_std=.02"
    )
    assert found is None
    assert overhead(module, bare, next(iter(parts.data.eval_dataloader("t", "train")))) > 0


def test_virtual_tokens_in_front_have_one(losses, masked_bert):
    found, *_ = losses(masked_bert, "method=ptuning", "prompt.init_std=.02")
    assert abs(found["on"] - found["off"]) > 1e-5


def test_a_quantised_backbone_is_compared_with_itself(losses, masked_bert, tiny_gpt):
    pytest.importorskip("torchao")
    int8 = "backbone.quantize=int8"
    for overrides, kind, backbone in (
        (["method=head"], "cls", masked_bert),
        (["prompt.length=4"], "seq2seq", tiny_gpt),
    ):
        plain, packed = (losses(backbone, *overrides, *more, kind=kind)[0] for more in ([], [int8]))
        assert packed["off"] != plain["off"] and packed["off"] == pytest.approx(plain["off"], rel=0.05)
        assert (packed["on"] == packed["off"]) is (kind == "cls")


@pytest.mark.parametrize(("method", "dtype"), [("full", torch.float32), ("deep", torch.bfloat16)])
def test_the_bare_backbone_has_the_dtype_that_the_run_chose(method, dtype, losses, masked_bert, tmp_path, monkeypatch):
    """A backbone that trains is in float32, whatever `backbone.dtype: auto` means on this machine."""
    for module in ("ptv2.backbone.load", "ptv2.model.auto"):
        monkeypatch.setattr(f"{module}.chosen_dtype", lambda *_: ("bfloat16", "said"))
    run = (f"run.folder={tmp_path / 'runs'}", "trainer.max_steps=1", "backbone.dtype=auto", f"method={method}")
    config = losses.config(masked_bert, *run)
    seen = []
    monkeypatch.setattr(
        "ptv2.study.measures.overhead", lambda module, bare, batch: seen.append(bare.model.dtype) or 1.0
    )
    fit(config)
    found = measures(config, tmp_path / "runs" / "x", [])
    assert seen == [dtype] and found["forgetting"] is not None


def test_overhead_is_the_ratio_of_the_times_in_turn(losses, tiny_bert, monkeypatch):
    _, module, bare, parts = losses(tiny_bert)
    times = iter([99.0, 1.0] + [3.0, 2.0] * 3)  # the first round only warms up
    monkeypatch.setattr("ptv2.study.measures._seconds", lambda forward, device: (forward(), next(times))[1])
    monkeypatch.setattr("ptv2.study.measures.SECONDS", 0.0)
    batch = next(iter(parts.data.train_dataloader()))
    assert overhead(module, bare, batch) == 1.5
