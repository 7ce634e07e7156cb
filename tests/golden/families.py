"""The encoder families as tiny models with random weights, a tokenizer for each, and batches with padding.

Everything is drawn from a seed, so a test can build the same model twice: one for ptv2, one for its reference.
"""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor
from transformers import (
    AlbertConfig,
    AutoModel,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    XLMRobertaConfig,
)

from ptv2.backbone import Backbone, Injection, SitePrompt
from ptv2.config.schema import Config, PromptConfig
from ptv2.methods.deep.prompt import DeepPrompt
from ptv2.model.build import named_artifacts

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SPECIAL_ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
WORDS = [
    "the",
    "a",
    "film",
    "was",
    "is",
    "good",
    "bad",
    "fine",
    "dull",
    "bright",
    "slow",
    "fast",
    "and",
    "but",
    "not",
    "very",
    "so",
    "we",
    "they",
    "it",
    "saw",
    "liked",
    "left",
    "early",
    "late",
    "actor",
    "scene",
    "music",
    "story",
    "end",
    "start",
    "long",
    "short",
    "warm",
    "cold",
]
PIECES = [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"] + list("abcdefghijklmnopqrstuvwxyz")
VOCABULARY = len(SPECIAL) + len(WORDS) + len(PIECES)

SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
SPECIAL_IDS = {"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}
CONFIGS: dict[str, tuple[type, dict[str, Any]]] = {
    "bert": (BertConfig, SIZES),
    "roberta": (RobertaConfig, SIZES | {"type_vocab_size": 1}),
    "xlm-roberta": (XLMRobertaConfig, SIZES | {"type_vocab_size": 1}),
    "electra": (ElectraConfig, SIZES | {"embedding_size": 16}),
    "distilbert": (
        DistilBertConfig,
        {"vocab_size": VOCABULARY, "dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48}
        | {"max_position_embeddings": 64, "sinusoidal_pos_embds": True},
    ),
    "albert": (AlbertConfig, SIZES | {"embedding_size": 16}),
    # Two groups of two layers, each group run twice: eight attention calls on four modules.
    "albert-groups": (
        AlbertConfig,
        SIZES | {"num_hidden_layers": 4, "num_hidden_groups": 2, "inner_group_num": 2, "embedding_size": 16},
    ),
    # Layers 1 and 3 see two tokens to either side, in batches of nine.
    "modernbert": (
        ModernBertConfig,
        SIZES | SPECIAL_IDS | {"num_hidden_layers": 4, "local_attention": 4, "global_attn_every_n_layers": 2},
    ),
    # As v3 is published, with buckets so few that a batch of nine reaches them.
    "deberta-v2": (
        DebertaV2Config,
        SIZES
        | {"relative_attention": True, "position_buckets": 4, "norm_rel_ebd": "layer_norm", "share_att_key": True}
        | {"pos_att_type": "p2c|c2p", "position_biased_input": False},
    ),
}
FAMILIES = list(CONFIGS)
NUMBERED = [name for name in FAMILIES if name != "deberta-v2"]  # those that read positions from outside
DEPTH = {name: 8 if name == "albert-groups" else 4 if name == "modernbert" else 3 for name in FAMILIES}
HEADS, HEAD_DIM, WIDTH = 4, 8, 32


def make_model(family: str, seed: int = 0, **changes: Any) -> PreTrainedModel:
    """The family's bare model in eval mode; `changes` go into its config."""
    kind, values = CONFIGS[family]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModel.from_config(kind(**values | changes)).eval()
        return stir(model)


def stir(model: PreTrainedModel) -> PreTrainedModel:
    """Biases away from zero, and weights large enough that attention is far from uniform."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def make_tokenizer(family: str) -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer whose words, special tokens and input names suit the family."""
    roberta = family in ("roberta", "xlm-roberta")
    special = SPECIAL_ROBERTA if roberta else SPECIAL
    if roberta:
        cls, pad, sep, unk, mask = special
    else:
        pad, unk, cls, sep, mask = special
    vocabulary = {word: i for i, word in enumerate([*special, *WORDS, *PIECES])}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token=unk))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} $B:1 {sep}:1",
        special_tokens=[(cls, vocabulary[cls]), (sep, vocabulary[sep])],
    )
    names = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_input_names=[*names, "token_type_ids"] if has_token_types(family) else names,
        **{"cls_token": cls, "sep_token": sep, "pad_token": pad, "unk_token": unk, "mask_token": mask},
    )


def has_token_types(family: str) -> bool:
    return family.startswith(("bert", "electra", "albert"))


def make_backbone(family: str, kernel: str = "sdpa", seed: int = 0, **changes: Any) -> Backbone:
    """The family's model as ptv2 uses it."""
    return Backbone(make_model(family, seed, **changes), make_tokenizer(family), family, kernel)


def save_backbone(family: str, folder: Path, seed: int = 0) -> Path:
    """A folder that `backbone.name` can point to."""
    make_model(family, seed).save_pretrained(folder)
    make_tokenizer(family).save_pretrained(folder)
    return folder


def make_batch(family: str, lengths: tuple[int, ...] = (9, 6, 3), width: int | None = None) -> dict[str, Tensor]:
    """Random tokens, padded on the right to the longest row or to `width`; the same rows every time."""
    generator = torch.Generator().manual_seed(3)
    T = width or max(lengths)
    pad = make_model_pad(family)
    ids = torch.full((len(lengths), T), pad)
    mask = torch.zeros(len(lengths), T, dtype=torch.long)
    types = torch.zeros_like(mask)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(len(SPECIAL), VOCABULARY, (length,), generator=generator)
        mask[row, :length] = 1
        types[row, length // 2 : length] = 1
    batch = {"input_ids": ids, "attention_mask": mask}
    return batch | {"token_type_ids": types} if has_token_types(family) else batch


def make_model_pad(family: str) -> int:
    return 1 if family in ("roberta", "xlm-roberta") else 0


def random_rows(family: str, length: int = 5, seed: int = 1) -> list[Tensor]:
    """A key and a value row [P, 2 * WIDTH] for each layer, far from the start's zero."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(length, 2 * WIDTH, generator=generator) for _ in range(DEPTH[family])]


def make_prompt(backbone: Backbone, seed: int = 1, std: float = 1.0, **config: Any) -> DeepPrompt:
    """A deep prompt in eval mode with rows large enough to matter."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        settings = {"length": 5, "dropout": 0.0, "init_std": std} | config
        whole = Config(prompt=PromptConfig(**settings))
        return DeepPrompt(whole, backbone, named_artifacts(whole)).eval()


def fill_rows(prompt: DeepPrompt, vectors_PF: list[Tensor]) -> DeepPrompt:
    """The prompt with these numbers as its rows."""
    with torch.no_grad():
        for parameter, row in zip(prompt.rows.rows, vectors_PF, strict=True):
            parameter.copy_(row)
    return prompt


def open_gates(prompt: DeepPrompt, value: float) -> DeepPrompt:
    """The prompt with its gates, if it has any, at this value instead of zero."""
    with torch.no_grad():
        for gate in prompt.gates or ():
            gate.fill_(value)
    return prompt


def split_heads(states_PF: Tensor) -> Tensor:
    """[P, heads * D] as [1, heads, P, D], written out so that no test borrows it from ptv2."""
    return torch.stack([states_PF[:, h * HEAD_DIM : (h + 1) * HEAD_DIM] for h in range(HEADS)])[None]


def site_prompts(vectors_PF: list[Tensor]) -> Injection:
    """Rows as the backbone takes them."""
    return Injection([SitePrompt(split_heads(row[:, :WIDTH]), split_heads(row[:, WIDTH:])) for row in vectors_PF])


def real(states_BTD: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """The states of real tokens; what stands at padding is nobody's business."""
    return states_BTD[batch["attention_mask"].bool()]
