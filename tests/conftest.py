"""Every test runs offline, with a cache of its own that disappears with the session."""

import os
import tempfile
from pathlib import Path

# These libraries read the environment when they are imported, so it is set before any test module is.
CACHE = tempfile.TemporaryDirectory(prefix="ptv2-tests-")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_CACHE"] = CACHE.name
os.environ.pop("PTV2_CACHE", None)
os.environ.pop("PTV2_TASKS", None)

import pytest  # noqa: E402
import torch  # noqa: E402
from forks import forking  # noqa: E402
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors  # noqa: E402
from transformers import BertConfig, BertModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast  # noqa: E402

pytest.register_assert_rewrite("disturbed")  # what the tests in faults/ compare runs with
torch.set_num_threads(1)  # more only slow down models this small

WORDS = "cat dog cow hen apple pear plum fig the a eats sees red big small in at Ann Bob Rome Oslo".split()
"""What the tiny tokenizer knows whole; anything else is cut into pieces of one letter."""


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerBase:
    """A WordPiece tokenizer with a vocabulary that fits on a screen."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,"
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    vocab += [word.lower() for word in WORDS if word.lower() not in vocab]
    ids = {word: i for i, word in enumerate(vocab)}
    made = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [(name, ids[name]) for name in ("[CLS]", "[SEP]")]
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **{f"{name}_token": token for name, token in names.items()},
    )


@pytest.fixture(scope="session")
def tiny_bert(tokenizer, tmp_path_factory) -> Path:
    """A folder with a random BERT of three layers and the tokenizer."""
    folder = tmp_path_factory.mktemp("backbones") / "tiny-bert"
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
        initializer_range=0.2,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def zygote():
    """`zygote("fit", argv)`: a command in a process of its own, which forks from one that has all imports."""
    with forking() as start:
        yield start


FIRST = ("distributed", "e2e", "faults", "service", "train", "study", "docs", "golden")
"""Folders with files that take long."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long: pytest-xdist hands files out in this order, and none is left for the end."""
    places = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path.parent.name, len(FIRST)))
