"""`ptv2.attach`: a plain transformers model computes and writes what ptv2 does, and is itself again afterwards."""

import pytest
import torch
from exchanged import TEXTS, encoder_artifact, lm_artifact, states_of
from families import make_batch, real
from training import load
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    pipeline,
)

import ptv2
from ptv2.artifact.files import read_artifact, write_artifact

CLOSE = {"atol": 2e-5, "rtol": 1e-5}
UNION = {"form": ["kv", "memory", "slots", "values", "queries"]}
VARIANTS = {
    "kv": {},
    "union": UNION,
    "hidden": {"form": "hidden"},
    "gate": {"gate": True},
    "token-gate": {"token_gate": True},
    "top": {"layers": "top:2", "length": [3, 6]},
}


@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_states_are_those_of_ptv2(variant, tmp_path):
    path, batch = encoder_artifact("bert", tmp_path, prompt=VARIANTS[variant]), make_batch("bert")
    model = AutoModel.from_pretrained(tmp_path / "backbone")
    bare = model(**batch).last_hidden_state
    with ptv2.attach(model, path):
        assert torch.equal(model(**batch).last_hidden_state, states_of(path, batch))
    assert torch.equal(model(**batch).last_hidden_state, bare)


@pytest.mark.parametrize("family", ["roberta", "albert", "albert-groups", "distilbert", "modernbert", "deberta-v2"])
@torch.no_grad()
def test_every_family_is_prompted_and_itself_again(family, tmp_path):
    path, batch = encoder_artifact(family, tmp_path), make_batch(family)
    model = AutoModel.from_pretrained(tmp_path / "backbone")
    bare, names, config = model(**batch).last_hidden_state, list(model.state_dict()), model.config.to_dict()
    hooks = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()]
    attached = ptv2.attach(model, path)
    assert torch.equal(real(model(**batch).last_hidden_state, batch), real(states_of(path, batch), batch))
    attached.detach()
    assert torch.equal(model(**batch).last_hidden_state, bare)
    assert list(model.state_dict()) == names and model.config.to_dict() == config
    assert [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()] == hooks
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
@torch.no_grad()
def test_official_positions_are_kept(family, tmp_path):
    path, batch = encoder_artifact(family, tmp_path, prompt={"position_offset": True}), make_batch(family)
    model = AutoModel.from_pretrained(tmp_path / "backbone")
    with ptv2.attach(model, path):
        states = model(**batch).last_hidden_state
    torch.testing.assert_close(real(states, batch), real(states_of(path, batch), batch), **CLOSE)


LANGUAGE_MODELS = {
    "t5": {},
    "bart": {},
    "gpt2": {},
    "gpt2-offset": {"position_offset": True},
    "llama": {},
    "llama-offset": {"position_offset": True},
    "llama-union": UNION,
    "opt-offset": {"position_offset": True},
}


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_generate_writes_what_predict_answers(name, beams, tmp_path):
    family = name.partition("-")[0]
    path = lm_artifact(family, tmp_path, prompt=LANGUAGE_MODELS[name])
    run = ptv2.load(path, overrides=[f"task.options.generation.num_beams={beams}"])
    answers = [answer["prediction"] for answer in run.predict([{"text": text} for text in TEXTS])]
    auto = AutoModelForSeq2SeqLM if family in ("t5", "bart") else AutoModelForCausalLM
    model = auto.from_pretrained(tmp_path / "backbone")
    tokenizer = run.backbone.tokenizer
    is_decoder = family not in ("t5", "bart")
    separator, tokenizer.padding_side = ("\n", "left") if is_decoder else ("", "right")
    inputs = tokenizer([text + separator for text in TEXTS], return_tensors="pt", padding=True)

    def written() -> list[str]:
        ids = model.generate(
            **{k: inputs[k] for k in ("input_ids", "attention_mask")},
            max_new_tokens=8, do_sample=False, num_beams=beams, pad_token_id=tokenizer.pad_token_id,
        )  # fmt: skip
        new = ids if not is_decoder else ids[:, inputs["input_ids"].shape[1] :]
        return [text.strip() for text in tokenizer.batch_decode(new, skip_special_tokens=True)]

    bare = written()
    with ptv2.attach(model, path):
        assert written() == [answer.strip() for answer in answers] != bare
    assert written() == bare


# -- pipelines, heads --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "pooling"), [("bert", "pooler"), ("bert", "dense"), ("roberta", "dense"), ("albert", "pooler")]
)
def test_a_pipeline_answers_as_predict_does(family, pooling, tmp_path):
    path = encoder_artifact(family, tmp_path, head={"pooling": pooling})
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "backbone", num_labels=3)
    texts = ["the film was good", "a bad scene and so dull"]
    with ptv2.attach(model, path, head=True):
        classify = pipeline(
            "text-classification", model, tokenizer=AutoTokenizer.from_pretrained(tmp_path / "backbone")
        )
        found = classify(texts)
    for got, wanted in zip(found, ptv2.load(path).predict([{"text": text} for text in texts]), strict=True):
        assert got["label"] == wanted["prediction"]
        assert got["score"] == pytest.approx(wanted["scores"][wanted["prediction"]], abs=1e-5)
    assert model.config.id2label == {i: f"LABEL_{i}" for i in range(3)}


@torch.no_grad()
def test_a_tagging_head_fits_the_token_classifier(tmp_path):
    path, batch = encoder_artifact("bert", tmp_path, "tagging"), make_batch("bert")
    model = AutoModelForTokenClassification.from_pretrained(tmp_path / "backbone", num_labels=3)
    with pytest.warns(UserWarning, match=r"cannot be compared with those of .*: it has no pooler\.dense\.bias"):
        attached = ptv2.attach(model, path, head=True)
    module = load(path)
    (head,) = module.heads.values()
    expected = head(module.backbone(batch, module.method(3)))
    torch.testing.assert_close(real(model(**batch).logits, batch), real(expected, batch), **CLOSE)
    attached.detach()


# -- what cannot be ----------------------------------------------------------------------------------------------------


@pytest.fixture
def artifact(tmp_path):
    return encoder_artifact("bert", tmp_path)


def test_other_weights_are_refused(artifact, tmp_path):
    model = AutoModel.from_pretrained(tmp_path / "backbone")
    with torch.no_grad():
        model.embeddings.word_embeddings.weight[0, 0] += 1
    with pytest.raises(ptv2.UserError, match="whose weights differ from this model's; load "):
        ptv2.attach(model, artifact)
    assert not any(hasattr(module, "prompt_place") for module in model.modules())


def test_a_method_without_a_prompt_in_attention_is_refused(tmp_path):
    path = encoder_artifact("bert", tmp_path, method="bitfit")
    model = AutoModel.from_pretrained(tmp_path / "backbone")
    with pytest.raises(ptv2.UserError, match="holds method 'bitfit', which has no prompt in attention alone"):
        ptv2.attach(model, path)
    assert model.config._attn_implementation == "sdpa"


def test_a_head_of_another_pooling_is_refused_and_nothing_changes(artifact, tmp_path):
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "backbone", num_labels=3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ptv2.UserError, match=r"does not compute a head with head\.pooling=cls"):
        ptv2.attach(model, artifact, head=True)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(("family", "kind"), [("electra", "cls"), ("modernbert", "tagging")])
def test_a_model_with_more_above_its_states_is_refused_without_advice_that_is_no_use(family, kind, tmp_path):
    path = encoder_artifact(family, tmp_path, kind, head={"pooling": "dense"})
    auto = AutoModelForSequenceClassification if kind == "cls" else AutoModelForTokenClassification
    model = auto.from_pretrained(tmp_path / "backbone", num_labels=3)
    with pytest.raises(ptv2.UserError, match=r"computes more than the trained head from its states; use ptv2\.load$"):
        ptv2.attach(model, path, head=True)


@pytest.mark.parametrize("given", [["runs/a", "runs/b"], {1: "runs/a"}, {"a": None}])
def test_artifacts_are_a_folder_or_folders_by_name(artifact, tmp_path, given):
    model = AutoModel.from_pretrained(tmp_path / "backbone")
    with pytest.raises(
        ptv2.UserError, match=r"^artifacts: is .*; give a folder, or several as \{name: folder, \.\.\.\}$"
    ):
        ptv2.attach(model, given)


def test_names_and_numbers_that_are_not_there_are_refused(artifact, tmp_path):
    model = AutoModel.from_pretrained(tmp_path / "backbone")
    attached = ptv2.attach(model, {"topics": artifact})
    for which, says in {
        "topic": "set_prompt: no prompt 'topic' is attached; did you mean 'topics'?",
        ("topics", "topic"): "set_prompt: no prompt 'topic' is attached; did you mean 'topics'?",
        torch.tensor([1]): "set_prompt: no prompt has the number 1; use 0 to 0 (topics), or -1 for none",
        torch.tensor([0.0]): "set_prompt: is a tensor [1] of torch.float32, not a number for each row; give whole",
        torch.tensor([[0]]): "set_prompt: is a tensor [1, 1] of torch.int64, not a number for each row; give whole",
        torch.tensor([], dtype=torch.long): "set_prompt: is a tensor [0] of torch.int64, not a number for each row",
        1: "set_prompt: is 1; give a name, None, or one for each row",
    }.items():
        with pytest.raises(ptv2.UserError) as refused:
            attached.set_prompt(which)
        assert str(refused.value).startswith(says)
    with pytest.raises(ptv2.UserError, match="head: no prompt 'topic' is attached; did you mean 'topics'"):
        attached.put_head("topic")
    with pytest.raises(ptv2.UserError, match="save: no prompt 'topic' is attached"):
        attached.save(tmp_path / "saved", "topic")
    with pytest.raises(ptv2.UserError, match="prompts are attached to this model already"):
        ptv2.attach(model, artifact)


def test_prompts_for_other_rows_than_the_batch_has_are_refused(artifact, tmp_path):
    with ptv2.attach(AutoModel.from_pretrained(tmp_path / "backbone"), artifact) as attached:
        attached.set_prompt(torch.tensor([0, -1]))
        with pytest.raises(ptv2.UserError, match="prompts are set for 2 rows, and the batch has 3; set one for each"):
            attached.model(**make_batch("bert"))


def test_detached_prompts_stay_so(artifact, tmp_path):
    model = AutoModel.from_pretrained(tmp_path / "backbone")
    first = ptv2.attach(model, artifact)
    first.detach()
    with pytest.raises(ptv2.UserError, match="set_prompt: the prompts are detached; attach them again"):
        first.set_prompt(None)
    second = ptv2.attach(model, artifact)
    prompted = model(**make_batch("bert")).last_hidden_state
    first.detach()  # not what was attached since
    assert torch.equal(model(**make_batch("bert")).last_hidden_state, prompted)
    second.detach()


def test_an_artifact_of_a_newer_format_is_refused(artifact, tmp_path):
    held = read_artifact(artifact)
    held.about["format"] = 99
    write_artifact(held, tmp_path / "newer")
    with pytest.raises(ptv2.UserError, match="has format 99, this version reads 1"):
        ptv2.attach(AutoModel.from_pretrained(tmp_path / "backbone"), tmp_path / "newer")
