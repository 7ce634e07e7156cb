"""`ptv2.attach` with prompts that train: what has trained is used and saved, and the model stays as it was."""

import pytest
import torch
from exchanged import encoder_artifact, lm_artifact, states_of
from families import make_batch
from training import load
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    Trainer,
    TrainingArguments,
)

import ptv2

CLOSE = {"atol": 2e-5, "rtol": 1e-5}


def test_a_trainable_prompt_learns_and_is_saved(tmp_path):
    path, batch = encoder_artifact("bert", tmp_path, prompt={"dropout": 0.0}), make_batch("bert")
    model = AutoModel.from_pretrained(tmp_path / "backbone").requires_grad_(False)
    attached = ptv2.attach(model, path, trainable=True)
    trained = [p for p in model.parameters() if p.requires_grad]
    assert [tuple(p.shape) for p in trained] == [(4, 64)] * 3
    before = model(**batch).last_hidden_state
    model(**batch).last_hidden_state.pow(2).mean().backward()
    torch.optim.SGD(trained, lr=1.0).step()
    after = model(**batch).last_hidden_state
    assert not torch.allclose(before, after, atol=1e-4)
    attached.save(tmp_path / "trained")
    attached.detach()
    assert torch.equal(states_of(tmp_path / "trained", batch), after)
    assert "ptv2_prompts" not in dict(model.named_modules())


@pytest.mark.parametrize("family", ["opt", "t5"])
def test_what_has_trained_is_read_wherever_the_model_is_entered(family, tmp_path):
    """OPT's language model calls the stack inside of its base model, `generate` of T5 calls its encoder alone."""
    path = lm_artifact(family, tmp_path)
    auto = AutoModelForSeq2SeqLM if family == "t5" else AutoModelForCausalLM
    model = auto.from_pretrained(tmp_path / "backbone").requires_grad_(False)
    attached, ids = ptv2.attach(model, path, trainable=True), torch.tensor([[5, 9, 30, 44, 1]])
    entered = model.get_encoder() if family == "t5" else model
    before = entered(ids)[0].detach()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(parameter.requires_grad * 0.5)
    after = entered(ids)[0].detach()
    assert not torch.allclose(before, after, atol=1e-3)
    attached.set_prompt(attached.names[0])  # puts them into the model anew
    assert torch.equal(entered(ids)[0], after)


def test_a_prompt_of_hidden_states_follows_a_model_that_changes_its_dtype(tmp_path):
    model = AutoModelForSeq2SeqLM.from_pretrained(
        lm_artifact("t5", tmp_path, prompt={"form": "hidden"}).parent / "backbone"
    )
    ptv2.attach(model, tmp_path / "prompt-5", trainable=True).set_prompt(["text", None])
    model.to(torch.bfloat16)
    assert model.generate(torch.tensor([[5, 9, 1], [5, 9, 1]]), max_new_tokens=3).shape[0] == 2


def test_a_head_that_has_trained_is_saved_and_other_weights_are_warned_of(tmp_path):
    path, batch = encoder_artifact("bert", tmp_path, head={"pooling": "dense"}), make_batch("bert")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "backbone", num_labels=3)
    attached = ptv2.attach(model.requires_grad_(False), path, head=True, trainable=True)
    model.classifier.requires_grad_(True)
    model.bert.pooler.requires_grad_(True)

    def step() -> None:
        trained = [p for p in model.parameters() if p.requires_grad]
        model(**batch, labels=torch.tensor([0, 1, 2])).loss.backward()
        torch.optim.SGD(trained, lr=1.0).step()

    step()
    attached.save(tmp_path / "trained")
    module = load(tmp_path / "trained")
    (head,) = module.heads.values()
    with torch.no_grad():
        expected = head(module.backbone(batch, module.method(3)))
        torch.testing.assert_close(model.eval()(**batch).logits, expected, **CLOSE)
    model.bert.embeddings.requires_grad_(True)
    step()
    with pytest.warns(UserWarning, match=r"have been trained \(embeddings\.word_embeddings\.weight\), and an artifact"):
        attached.save(tmp_path / "with-embeddings")


def test_each_module_stays_in_the_mode_that_it_was_in(tmp_path):
    path = encoder_artifact("bert", tmp_path, head={"pooling": "pooler"})
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "backbone", num_labels=3).train()
    model.bert.embeddings.eval()
    modes = {name: module.training for name, module in model.named_modules()}
    ptv2.attach(model, path, head=True)
    assert {name: module.training for name, module in model.named_modules()} == modes


def test_a_prompt_that_was_set_without_gradients_may_be_used_with_them(tmp_path):
    path = encoder_artifact("bert", tmp_path, prompt={"form": ["kv", "memory", "slots", "values", "queries"]})
    model = AutoModel.from_pretrained(tmp_path / "backbone")
    attached = ptv2.attach(model, path)
    with torch.inference_mode():
        attached.set_prompt(torch.tensor([0, -1, 0]))
    model(**make_batch("bert")).last_hidden_state.sum().backward()
    assert model.embeddings.word_embeddings.weight.grad is not None


def test_the_trainer_of_transformers_trains_it(tmp_path):
    path = encoder_artifact("bert", tmp_path, head={"pooling": "pooler"})
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "backbone", num_labels=3).requires_grad_(
        False
    )
    attached, batch = ptv2.attach(model, path, head=True, trainable=True), make_batch("bert")
    rows = [{name: tensor[i] for name, tensor in batch.items()} | {"labels": i} for i in range(3)]
    settings = {"max_steps": 3, "learning_rate": 0.05, "report_to": [], "use_cpu": True, "disable_tqdm": True}
    trainer = Trainer(
        model, TrainingArguments(str(tmp_path / "hf"), save_strategy="no", **settings), train_dataset=rows
    )
    before = trainer.evaluate(rows)["eval_loss"]
    trainer.train()
    assert trainer.evaluate(rows)["eval_loss"] < before - 0.01
    attached.detach()


def test_an_attached_albert_is_saved_with_weights_for_each_depth(tmp_path):
    """Its config says so while prompts are attached, and files refuse weights that two names share."""
    path, batch = encoder_artifact("albert", tmp_path), make_batch("albert")
    model = AutoModel.from_pretrained(tmp_path / "backbone")
    bare, names = model(**batch).last_hidden_state, list(model.state_dict())
    with ptv2.attach(model, path, trainable=True):
        model.save_pretrained(tmp_path / "saved")
    assert torch.equal(AutoModel.from_pretrained(tmp_path / "saved")(**batch).last_hidden_state, bare)
    assert list(model.state_dict()) == names
    model.save_pretrained(tmp_path / "detached")
    assert torch.equal(AutoModel.from_pretrained(tmp_path / "detached")(**batch).last_hidden_state, bare)
