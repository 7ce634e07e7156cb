"""A tokenizer is made to fit the backbone it is loaded with, or refused before anything is read with it."""

import pytest
import torch
from transformers import AutoModel, BertConfig, GPT2Config, PreTrainedTokenizerFast, RobertaConfig

from ptv2.backbone import load_tokenizer
from ptv2.backbone.check import fit_tokenizer
from ptv2.config.schema import BackboneConfig
from ptv2.errors import UserError


@pytest.fixture
def copied(tokenizer, tmp_path):
    """The tiny tokenizer, saved with these settings and loaded again."""

    def copy(**settings) -> PreTrainedTokenizerFast:
        tokenizer.save_pretrained(tmp_path)
        return PreTrainedTokenizerFast.from_pretrained(tmp_path, **settings)

    return copy


def bert(tokenizer, **changes) -> BertConfig:
    return BertConfig(**{"vocab_size": len(tokenizer)} | changes)


@pytest.mark.parametrize("special", [False, True])
def test_an_added_token_without_a_row_is_refused(copied, special):
    tokenizer = copied()
    config = bert(tokenizer)
    tokenizer.add_tokens(["<e1>", "</e1>"], special_tokens=special)
    with pytest.raises(
        UserError, match=r"mine: the embedding has \d+ vectors.*2 tokens.*'<e1>'.*resize_token_embeddings"
    ):
        fit_tokenizer(tokenizer, config, "mine")
    assert fit_tokenizer(tokenizer, bert(tokenizer), "mine")  # the embedding was made larger
    assert fit_tokenizer(tokenizer, bert(tokenizer, vocab_size=len(tokenizer) + 60), "mine")  # or rounded up


@pytest.mark.parametrize(
    ("role", "refused"),
    [("cls_token", True), ("unk_token", True), ("pad_token", False), ("mask_token", False), ("image_token", False)],
)
def test_a_special_token_needs_a_row_where_it_stands_in_a_text(copied, role, refused):
    tokenizer = copied(**{} if role != "image_token" else {"extra_special_tokens": {"image_token": "<image>"}})
    config = bert(tokenizer, vocab_size=len(tokenizer) - (role == "image_token"))
    if role != "image_token":
        tokenizer.add_special_tokens({role: "<late>"})
    if refused:
        with pytest.raises(UserError, match="<late>"):
            fit_tokenizer(tokenizer, config, "mine")
    else:
        assert fit_tokenizer(tokenizer, config, "mine").pad_token_id < config.vocab_size


@pytest.mark.parametrize(
    ("named", "pads_with"),
    [({"pad_token": "[MASK]", "eos_token": "[SEP]"}, "[MASK]"), ({"eos_token": "[SEP]"}, "[SEP]"), ({}, "[PAD]")],
)
def test_any_token_pads_where_none_is_named(copied, named, pads_with):
    tokenizer = copied()
    bare = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, **named)
    fitted = fit_tokenizer(bare, bert(tokenizer), "mine")
    assert fitted.pad_token == pads_with
    assert fitted.pad([{"input_ids": [5, 6]}, {"input_ids": [7]}])["attention_mask"] == [[1, 1], [1, 0]]


@pytest.mark.parametrize(
    ("config", "read"),
    [
        (BertConfig(type_vocab_size=2), True),
        (RobertaConfig(type_vocab_size=1), False),
        (RobertaConfig(type_vocab_size=2), True),
        (GPT2Config(), False),
    ],
)
def test_token_types_are_given_to_models_that_have_them(copied, config, read):
    tokenizer = copied()
    config.vocab_size = len(tokenizer)
    fitted = fit_tokenizer(tokenizer, config, "mine")
    assert ("token_type_ids" in fitted("a cat", "a dog")) == read


def test_more_types_than_the_model_has_are_left_out(copied):
    tokenizer = copied(model_input_names=["input_ids", "token_type_ids", "attention_mask"])
    state = tokenizer.backend_tokenizer.to_str().replace('"type_id":1', '"type_id":3')
    more = PreTrainedTokenizerFast(
        tokenizer_object=type(tokenizer.backend_tokenizer).from_str(state),
        model_input_names=tokenizer.model_input_names,
        pad_token="[PAD]",
    )
    assert max(more("a", "a")["token_type_ids"]) == 3
    assert "token_type_ids" not in fit_tokenizer(more, bert(tokenizer), "mine")("a", "a")


def test_padding_and_truncation_are_on_the_right_whatever_was_saved(copied):
    tokenizer = copied(padding_side="left", truncation_side="left", model_max_length=2)
    fitted = fit_tokenizer(tokenizer, bert(tokenizer), "mine")
    whole = fitted("the cat sees a dog", add_special_tokens=False)["input_ids"]
    assert (
        fitted("the cat sees a dog", add_special_tokens=False, truncation=True, max_length=3)["input_ids"] == whole[:3]
    )
    assert fitted.pad([{"input_ids": [5, 6]}, {"input_ids": [7]}])["attention_mask"] == [[1, 1], [1, 0]]


def test_it_is_refused_where_it_is_loaded(copied, tmp_path):
    tokenizer = copied()
    config = bert(tokenizer, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(tmp_path)
    assert load_tokenizer(BackboneConfig(name=str(tmp_path)))
    tokenizer.add_tokens(["<e1>"])
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="'<e1>'"):
        load_tokenizer(BackboneConfig(name=str(tmp_path)))
