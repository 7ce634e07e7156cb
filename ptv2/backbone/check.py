"""A tokenizer and the backbone that reads its token ids, made to agree when they are loaded.

What changes no answer is set right here: the side of padding, the padding token, token types unknown to the model.
What would change one is refused: token ids that the embedding has no vector for.
"""

from typing import cast

from transformers import PretrainedConfig, PreTrainedTokenizerBase

from ptv2.errors import UserError

READ = ("bos_token", "eos_token", "unk_token", "sep_token", "cls_token")
"""Roles of special tokens that stand in what a model reads; padding is masked, `mask` and media are not in a text."""


def fit_tokenizer(tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig, name: str) -> PreTrainedTokenizerBase:
    """Set the tokenizer up for the backbone with this config, and return it.

    Padding is on the right, where it moves no position and no causal attention sees it, and so is truncation, whatever
    the tokenizer was saved with. Generation pads on the left by itself, see `kinds/seq2seq.py`.

    Raises:
        UserError: a token of a text would have no vector in the embedding.
    """
    size = getattr(config.get_text_config(), "vocab_size", None)
    if isinstance(size, int):
        check_ids(tokenizer, size, name)
    set_padding_token(tokenizer, size)
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    if not reads_token_types(tokenizer, config):
        names = [key for key in tokenizer.model_input_names if key != "token_type_ids"]
        tokenizer.model_input_names = names
    return tokenizer


def check_ids(tokenizer: PreTrainedTokenizerBase, size: int, name: str) -> None:
    """Refuse a tokenizer with tokens beyond the embedding's vectors.

    Tokens that no text is made of may lie beyond them, as Gemma 3's placeholder for an image does.

    Raises:
        UserError: names the first such token.
    """
    unread = {str(token) for role, token in tokenizer.special_tokens_map.items() if role not in READ}
    beyond = {token: i for token, i in tokenizer.get_vocab().items() if i >= size and token not in unread}
    if beyond:
        first = min(beyond, key=beyond.__getitem__)
        what = f"the embedding has {size} vectors, and the tokenizer {len(beyond)} tokens beyond them"
        raise UserError(
            f"{what}, the first is '{first}' with id {beyond[first]}",
            where=f"backbone.name: {name}",
            do="save the model again after resize_token_embeddings(len(tokenizer)), or the tokenizer without them",
        )


def set_padding_token(tokenizer: PreTrainedTokenizerBase, size: int | None) -> None:
    """Give the tokenizer a padding token that the embedding holds; padding is masked, so any token will do."""
    # each is the id of one token, though the signature allows lists
    pad, end = cast("int | None", tokenizer.pad_token_id), cast("int | None", tokenizer.eos_token_id)
    if pad is not None and (size is None or pad < size):
        return
    if end is not None and (size is None or end < size):
        tokenizer.pad_token = tokenizer.eos_token
    else:
        vocabulary = tokenizer.get_vocab()
        tokenizer.pad_token = min(vocabulary, key=vocabulary.__getitem__)


def space_before(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return what stands before a word so that it is tokenised as within a text.

    GPT-2, RoBERTa and their kin write the space before a word into its piece.
    """
    return "" if tokenizer.tokenize("a a") == 2 * tokenizer.tokenize("a") else " "


def reads_token_types(tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig) -> bool:
    """Tell whether the backbone has a vector for every token type that the tokenizer gives to a pair of texts.

    A RoBERTa with BERT's tokenizer has one type and gets two; GPT-2 would read them as words.
    """
    if "token_type_ids" not in tokenizer.model_input_names:
        return False
    types = getattr(config.get_text_config(), "type_vocab_size", None) or 0
    given = tokenizer("a", "a").get("token_type_ids") or [0]
    return types > 1 and max(given) < types
