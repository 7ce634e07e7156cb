import copy
import json
import os
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from span_scene import CONTEXT, card, encode, row
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, BertTokenizer, PreTrainedTokenizerFast

from ptv2.backbone import demo
from ptv2.config.cards import make_card, read_card
from ptv2.config.schema import HeadConfig
from ptv2.kinds import KINDS
from ptv2.kinds.span.answers import token_span, trim
from ptv2.kinds.span.features import SpanFeatures

DATA = os.environ.get("PTV2_DATA")


def perfect(features, encoded):
    """What the head decodes when the logits stand where the labels are."""
    batch = features.collate(encoded)
    logits = torch.zeros(*batch["input_ids"].shape, 2)
    for side in (0, 1):
        logits[torch.arange(len(encoded)), batch["labels"][:, side], side] = 10.0
    head = KINDS["span"].head(HeadConfig(), SimpleNamespace(width=4), 1)
    return head.decode(logits, batch, [])


def byte_level(texts):
    """A tokenizer as RoBERTa's: byte-level BPE, no token types, two separators between the parts."""
    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=2000, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(texts, trainer)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        model_input_names=["input_ids", "attention_mask"],
        cls_token="<s>",
        pad_token="<pad>",
        sep_token="</s>",
        unk_token="<unk>",
        mask_token="<mask>",
    )


def chinese(texts):
    """A tokenizer as bert-base-chinese's: every Chinese character is a token."""
    letters = sorted({c for text in texts for c in text.lower() if not c.isspace()})
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters if c.isascii())]
    return BertTokenizer(vocab={token: i for i, token in enumerate(vocab)}, do_lower_case=True)


def english(_texts):
    """The demo model's tokenizer, that of bert-base-uncased."""
    return AutoTokenizer.from_pretrained(demo.model_folder("minilm-l6"))


@pytest.fixture(params=["wordpiece", "byte level", "left padding"])
def any_tokenizer(request, tokenizer):
    if request.param == "byte level":
        return byte_level([CONTEXT, "who eats ?"] * 3)
    made = copy.deepcopy(tokenizer)
    if request.param == "left padding":
        made.padding_side = "left"
    return made


def test_windows_share_the_stride_and_cover_the_context(any_tokenizer):
    features = SpanFeatures(card(max_length=20), any_tokenizer, None)
    encoded = encode(features, row(["big plum"]))
    assert len(encoded) > 1
    assert all(len(f["input_ids"]) <= 20 for f in encoded)
    questions = set()
    inside = []
    for f in encoded:
        tokens = [tuple(offset) for offset in f["offsets"] if offset[0] >= 0]
        assert "".join(CONTEXT[s:e] for s, e in tokens) in CONTEXT.replace(" ", "")
        questions.add(tuple(f["input_ids"][: f["offsets"].index(list(tokens[0]))]))
        inside.append(tokens)
    assert len(questions) == 1  # the question is whole in every window, and only the context is cut
    assert all(before[-4:] == after[:4] for before, after in pairwise(inside))
    assert inside[0][0][0] == 0 and inside[-1][-1][1] == len(CONTEXT)


def test_the_answer_is_labelled_in_the_windows_that_hold_it_whole(any_tokenizer):
    features = SpanFeatures(card(max_length=20), any_tokenizer, None)
    encoded = encode(features, row(["red cow", "cow"]))  # the first is the one that is trained on
    held = [f for f in encoded if f["labels"] != [0, 0]]
    assert held and len(held) < len(encoded)
    for f in held:
        first, last = f["labels"]
        assert CONTEXT[f["offsets"][first][0] : f["offsets"][last][1]] == "red cow"
    assert all(f["labels"] == [0, 0] for f in encode(features, row()))


@pytest.mark.parametrize("answer", ["Ann", "a red cow", "big plum", "Oslo .", "."])
def test_a_perfect_head_gives_the_text_of_the_context(any_tokenizer, answer):
    features = SpanFeatures(card(max_length=20), any_tokenizer, None)
    example = row([answer])
    decoded = perfect(features, encode(features, example))
    assert features.prediction(example, decoded) == answer
    assert features.answer(example, decoded).start == CONTEXT.find(answer)
    nothing = row()
    decoded = perfect(features, encode(features, nothing))
    assert features.prediction(nothing, decoded) == ""
    assert features.answer(nothing, decoded).start is None


def test_a_batch_moves_labels_and_offsets_with_the_padding(any_tokenizer):
    features = SpanFeatures(card(), any_tokenizer, None)
    encoded = encode(features, row(["Ann"])) + encode(features, row(["Ann"], context="Ann sees"))
    batch = features.collate(encoded, length=32)
    first_id = encoded[0]["input_ids"][0]
    for i, f in enumerate(encoded):
        assert batch["input_ids"][i, batch["first"][i]] == first_id
        start = batch["labels"][i, 0]
        assert batch["offsets"][i, start].tolist() == f["offsets"][f["labels"][0]]
        assert (batch["offsets"][i][batch["attention_mask"][i] == 0] == -1).all()
    assert batch["offsets"].shape == (2, 32, 2)
    assert ("token_type_ids" in batch) == ("token_type_ids" in any_tokenizer.model_input_names)
    assert "labels" not in features.collate([{k: v for k, v in f.items() if k != "labels"} for f in encoded])


def test_chinese_characters_are_tokens_of_their_own():
    context = "基于《跑跑卡丁车》，由韩国Nexon开发。 玩家以2V2随机配对。"
    question = "由谁开发？"
    features = SpanFeatures(card(max_length=24, stride=8, answerable=True), chinese([context, question]), None)
    for answer in ("韩国Nexon", "跑跑卡丁车", "玩家", "随机配对。"):
        example = row([answer], context=context, question=question)
        encoded = encode(features, example)
        assert len(encoded) > 1
        assert features.prediction(example, perfect(features, encoded)) == answer


def test_part_of_a_word_is_labelled_with_the_tokens_it_touches():
    offsets = [[-1, -1], [-1, -1], [0, 4], [5, 8], [8, 10], [11, 12], [-1, -1]]
    assert token_span(offsets, (6, 7)) == [3, 3]
    assert token_span(offsets, (3, 9)) == [2, 4]
    assert token_span(offsets, (0, 12)) == [2, 5]
    assert token_span(offsets, (4, 5)) == [0, 0]  # a blank between two tokens
    assert token_span(offsets, (5, 13)) == [0, 0]  # ends behind the window
    assert token_span([[-1, -1]], (0, 1)) == [0, 0]
    assert trim("a  bc d", 1, 6) == [3, 5]
    assert trim("a  bc d", 1, 3) == [-1, -1]


def test_the_table_of_kinds_has_both_halves():
    assert KINDS["span"].features is SpanFeatures and "span" in KINDS


@pytest.mark.skipif(DATA is None, reason="PTV2_DATA is not set")
@pytest.mark.parametrize(
    ("folder", "name", "make"),
    [
        ("squad", "qa/squad", english),
        ("squad_v2", "qa/squad_v2", english),
        ("squad_v2", "qa/squad_v2", byte_level),
        ("xquad_en", "qa/xquad_en", english),
        ("squadshifts_new_wiki", "qa/squad", english),
        ("squadshifts_amazon", "qa/squad", english),
        ("cmrc2018", "qa/cmrc2018", chinese),
        ("cmrc2018", "qa/cmrc2018", byte_level),
    ],
)
def test_every_answer_of_real_data_comes_back(folder, name, make):
    """Labels as perfect logits give the gold text, or more where it begins or ends inside a token."""
    rows = [json.loads(line) for path in sorted(Path(DATA, folder).glob("*.jsonl")) for line in path.open()]
    tokenizer = make([text for example in rows for text in (example["question"], example["context"])])
    features = SpanFeatures(make_card(read_card(name)), tokenizer, None)
    none = windows = long = cut = same = more = lost = 0
    for i, example in enumerate(rows):
        encoded = [f | {"row": i} for f in features.encode(example, partial(str, i))]
        windows += len(encoded)
        found = features.prediction(example, perfect(features, encoded))
        held = [f["labels"] for f in encoded if f["labels"] != [0, 0]]
        if not example["answers"]["text"]:
            none += 1
            assert found == "" and not held
        elif not held:
            cut += 1  # only what is longer than the windows' overlap can be
            assert len(tokenizer(example["answers"]["text"][0])["input_ids"]) > features.options.stride
        elif held[0][1] - held[0][0] >= features.options.max_answer_tokens:
            long += 1
        else:
            gold = example["answers"]["text"][0].strip()
            same += found == gold
            more += gold in found != gold
            lost += gold not in found
            assert len(found) <= len(gold) + 25, (i, gold, found)
    counts = {"none": none, "same": same, "whole token": more, "sign dropped": lost, "long": long, "cut": cut}
    print(f"{folder}, {make.__name__}: {len(rows)} rows, {windows} windows, answers {counts}")
    assert more <= 0.03 * (len(rows) - none)
    assert lost <= 1  # Hebrew points at the end of a word, which an uncased tokenizer drops
