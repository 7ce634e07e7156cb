"""Tiny language models with random weights, byte-level tokenizers for them, and what tests ask of both.

Everything is drawn from a seed, so a test can build the same model twice: one for ptv2, one for its reference.
"""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BartConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    MT5Config,
    OPTConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    T5Config,
)

from ptv2.backbone import Backbone
from ptv2.config.cards import TaskCard, make_card
from ptv2.config.schema import Config, PromptConfig
from ptv2.data.taskdata import TaskData
from ptv2.kinds import KINDS
from ptv2.kinds.seq2seq import Seq2SeqFeatures
from ptv2.methods.deep.prompt import DeepPrompt

SPECIAL = ["<pad>", "</s>", "<unk>", "<s>"]
VOCABULARY = 280
HEADS, LAYERS, WIDTH = 4, 2, 32
TEXTS = ["the cat sees a red hen", "the dog eats a big apple", "a small cow in Rome", "summary:", "\n"]

SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": 48,
    "max_position_embeddings": 96,
    "pad_token_id": None,
    "bos_token_id": 3,
    "eos_token_id": 1,
}
GROUPED = SIZES | {"num_key_value_heads": 2}
SIZES_T5 = {
    "vocab_size": VOCABULARY,
    "d_model": WIDTH,
    "d_kv": 8,
    "d_ff": 48,
    "num_layers": LAYERS,
    "num_heads": HEADS,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 12,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "decoder_start_token_id": 0,
}
SIZES_BART = {
    "vocab_size": VOCABULARY,
    "d_model": WIDTH,
    "encoder_layers": LAYERS,
    "decoder_layers": LAYERS,
    "encoder_attention_heads": HEADS,
    "decoder_attention_heads": HEADS,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 96,
    "pad_token_id": 0,
    "bos_token_id": 3,
    "eos_token_id": 1,
    "decoder_start_token_id": 1,
    "forced_eos_token_id": None,
}
SIZES_OPT = {"ffn_dim": 48, "word_embed_proj_dim": WIDTH, "pad_token_id": 0}
CONFIGS: dict[str, tuple[type, dict[str, Any]]] = {
    "t5": (T5Config, SIZES_T5),
    "mt5": (
        MT5Config,
        SIZES_T5 | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "initializer_factor": 0.4},
    ),
    "bart": (BartConfig, SIZES_BART),
    "gpt2": (GPT2Config, SIZES | {"n_positions": 96}),
    "llama": (LlamaConfig, GROUPED),  # four query heads share two key and value heads
    "qwen3": (Qwen3Config, GROUPED | {"head_dim": 16}),  # keys and queries are normalised, heads wider than D / H
    "mistral": (MistralConfig, GROUPED | {"sliding_window": 4}),  # a token sees itself and the three before it
    "opt": (OPTConfig, {name: SIZES[name] for name in SIZES if name != "intermediate_size"} | SIZES_OPT),
}
FAMILIES = [family for family in CONFIGS if family != "opt"]
ENCODER_DECODERS = ["t5", "mt5", "bart"]
DECODERS = ["gpt2", "llama", "qwen3", "mistral"]
PLACES = {"encoder": 3, "decoder": 2, "cross": 4}  # a length of its own for each


def make_lm(family: str, seed: int = 0, **changes: Any) -> PreTrainedModel:
    """The family's language model in eval mode, far from symmetric; `changes` go into its config."""
    kind, values = CONFIGS[family]
    auto = AutoModelForSeq2SeqLM if family in ENCODER_DECODERS else AutoModelForCausalLM
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = auto.from_config(kind(**values | changes)).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def make_lm_tokenizer(family: str) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer with the family's special tokens: T5 closes a text, Llama opens it, BART does both."""
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(TEXTS, trainer)
    assert backend.get_vocab_size() == VOCABULARY
    single = {"t5": "$A </s>", "mt5": "$A </s>", "bart": "<s> $A </s>", "llama": "<s> $A", "mistral": "<s> $A"}
    if family in single:
        ends = [("<s>", 3), ("</s>", 1)]
        backend.post_processor = processors.TemplateProcessing(single=single[family], special_tokens=ends)
    names = {"eos_token": "</s>", "unk_token": "<unk>"}
    if family in ENCODER_DECODERS:
        names["pad_token"] = "<pad>"
    if family not in ("t5", "mt5"):
        names["bos_token"] = "</s>" if family == "gpt2" else "<s>"
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=["input_ids", "attention_mask"], **names)


def make_lm_backbone(family: str, kernel: str = "sdpa", seed: int = 0, **changes: Any) -> Backbone:
    """The family's language model as ptv2 uses it."""
    return Backbone(make_lm(family, seed, **changes), loaded_tokenizer(family), family, kernel)


def loaded_tokenizer(family: str) -> PreTrainedTokenizerFast:
    """The tokenizer as ptv2 loads it: with a token to pad with."""
    tokenizer = make_lm_tokenizer(family)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    return tokenizer


def save_lm(family: str, folder: Path, seed: int = 0, **changes: Any) -> Path:
    """A folder that `backbone.name` can point to."""
    make_lm(family, seed, **changes).save_pretrained(folder)
    make_lm_tokenizer(family).save_pretrained(folder)
    return folder


def make_lm_prompt(backbone: Backbone, seed: int = 1, std: float = 1.0, **config: Any) -> DeepPrompt:
    """A deep prompt in eval mode with rows large enough to matter."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        length = dict(PLACES) if backbone.is_encoder_decoder else 5
        settings = {"length": length, "dropout": 0.0, "init_std": std} | config
        return DeepPrompt(Config(prompt=PromptConfig(**settings)), backbone).eval()


def random_ids(lengths: tuple[int, ...], left: bool = False, seed: int = 3, pad: int = 0) -> tuple[Tensor, Tensor]:
    """Random tokens [B, T], none of them special, padded on one side; and their mask."""
    generator = torch.Generator().manual_seed(seed)
    ids, mask = torch.full((len(lengths), max(lengths)), pad), torch.zeros(len(lengths), max(lengths), dtype=torch.long)
    for row, length in enumerate(lengths):
        at = slice(max(lengths) - length, None) if left else slice(0, length)
        ids[row, at] = torch.randint(len(SPECIAL), VOCABULARY, (length,), generator=generator)
        mask[row, at] = 1
    return ids, mask


def make_lm_batch(family: str, lengths: tuple[int, ...] = (9, 6, 3), left: bool = False) -> dict[str, Tensor]:
    """A batch as the seq2seq features collate it: an encoder-decoder's labels are shorter than its sources."""
    ids, mask = random_ids(lengths, left)
    batch = {"input_ids": ids, "attention_mask": mask}
    if family in ENCODER_DECODERS:
        labels, real = random_ids((4, 6, 5)[: len(lengths)], seed=4)
        batch["labels"] = labels.masked_fill(real == 0, -100)
    return batch


def make_features(family: str, max_length: int = 40, inputs: str = "text", **options: Any) -> Seq2SeqFeatures:
    """Features of a card with these options."""
    card = TaskCard(
        name="tiny", kind="seq2seq", inputs={"source": inputs}, label="target", max_length=max_length, options=options
    )
    return KINDS["seq2seq"].features(card, loaded_tokenizer(family), None, decoder_only=family in DECODERS)


def make_data(folder: Path, family: str, rows: dict[str, list[dict[str, Any]]], **keys: Any) -> TaskData:
    """Task data of local files, one per split; `keys` go into the card."""
    for split, lines in rows.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    card = {"name": "tiny", "kind": "seq2seq", "inputs": {"source": "text"}, "label": "target", "metrics": ["bleu"]}
    card = make_card(card | {"dataset": {"path": str(folder)}} | keys)
    return TaskData(card, loaded_tokenizer(family), decoder_only=family in DECODERS)
