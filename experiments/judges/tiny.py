"""Tiny random models of transformers' families, rows to train them on, and configs of ptv2 for both."""

import json
import random
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    BartConfig,
    BertConfig,
    GPT2Config,
    LlamaConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
    T5Config,
)

from ptv2.artifact.files import write_artifact
from ptv2.config.load import make_config
from ptv2.config.schema import Config
from ptv2.model.artifact_of import artifact_of
from ptv2.model.build import build

SPECIAL = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
LABELS = ["animal", "fruit"]
WORDS = [*"cat dog cow hen apple pear plum fig the a eats sees red big small is".split(), *LABELS]
SEPARATOR = "is"  # between source and target of a decoder
SIZES: dict[str, Any] = {
    "vocab_size": len(SPECIAL) + len(WORDS),
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
BART = {"encoder": 2, "decoder": 2}
SEQ2SEQ = {"vocab_size": SIZES["vocab_size"], "d_model": 32, "pad_token_id": 0, "eos_token_id": 2}
CONFIGS = {
    "bert": BertConfig(
        **SIZES, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.1, num_labels=2
    ),
    "gpt2": GPT2Config(**SIZES, embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0, initializer_range=0.1),
    "llama": LlamaConfig(**SIZES, num_key_value_heads=2, initializer_range=0.1),
    "qwen2": Qwen2Config(**SIZES, num_key_value_heads=2, initializer_range=0.1),
    "qwen3": Qwen3Config(**SIZES, num_key_value_heads=2, head_dim=16, initializer_range=0.1),
    "t5": T5Config(**SEQ2SEQ, d_kv=8, d_ff=48, num_layers=2, num_heads=4, dropout_rate=0.0, decoder_start_token_id=0),
    "bart": BartConfig(
        **SEQ2SEQ,
        **{f"{part}_{name}": value for part in ("encoder", "decoder")
           for name, value in (("layers", 2), ("attention_heads", 4), ("ffn_dim", 48))},
        max_position_embeddings=64, dropout=0.0, init_std=0.1, bos_token_id=1, decoder_start_token_id=2,
    ),
}  # fmt: skip
CLASSES = {
    "bert": AutoModelForSequenceClassification,
    "gpt2": AutoModelForCausalLM,
    "llama": AutoModelForCausalLM,
    "qwen2": AutoModelForCausalLM,
    "qwen3": AutoModelForCausalLM,
    "t5": AutoModelForSeq2SeqLM,
    "bart": AutoModelForSeq2SeqLM,
}


def save(family: str, folder: Path) -> Path:
    """Write a family's model and its tokenizer of whole words."""
    torch.manual_seed(0)
    CLASSES[family].from_config(CONFIGS[family]).save_pretrained(folder)
    ids = {word: i for i, word in enumerate([*SPECIAL, *WORDS])}
    made = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    if family == "bert":
        ends = [(name, ids[name]) for name in ("[CLS]", "[SEP]")]
        made.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=ends
        )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "bos_token": "[CLS]", "eos_token": "[SEP]"}
    names |= {"cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=made, **names).save_pretrained(folder)
    return folder


def load(family: str, folder: Path) -> PreTrainedModel:
    """Load the plain model of transformers."""
    return CLASSES[family].from_pretrained(folder)


def config(family: str, folder: Path, rows: int, **keys: Any) -> Config:
    """Make the config of a run on a model saved in `folder`/model, on rows of its own, without any dropout."""
    draw, file = random.Random(0), folder / "train.jsonl"
    lines = []
    for _ in range(rows):
        label = draw.randrange(2)
        words = [*draw.choices(WORDS[4 * label : 4 * label + 4], k=2), *draw.choices(WORDS[8:15], k=draw.randint(1, 6))]
        lines.append({"text": " ".join(draw.sample(words, len(words))), "label": LABELS[label]})
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    encodes = family == "bert"
    card = {
        "name": "judges/words",
        "kind": "cls" if encodes else "seq2seq",
        "dataset": {"path": "json", "data_files": {"train": str(file), "validation": str(file)}},
        "inputs": {"text" if encodes else "source": "text"},
        "label": "label",
        "metrics": ["accuracy" if encodes else "perplexity"],
        "max_length": 24,
    } | ({"labels": LABELS} if encodes else {"options": {"max_target_length": 4, "separator": SEPARATOR}})
    values: dict[str, Any] = {
        "tasks": {"words": card},
        "backbone": {"name": str(folder / "model")},
        "prompt": {"form": "kv", "length": 4, "dropout": 0.0},
        "head": {"dropout": 0.0, "pooling": "pooler"} if encodes else {},
        "run": {"name": "run", "folder": str(folder), "log_every": 1},
        "trainer": {"accelerator": "cpu", "max_epochs": 1},
    }
    return make_config(values | keys)


def start_of(run: Config, folder: Path) -> Path:
    """Write the artifact of a run before its first step."""
    write_artifact(artifact_of(build(run).module, {}, folder), folder)
    return folder
