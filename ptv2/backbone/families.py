"""Where model families differ: shared layers, position tables, dropout names.

Everything else about a backbone is found by running it (see `sites.py`).
"""

import copy
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

PROMPTABLE = (
    "bert", "roberta", "xlm-roberta", "electra", "distilbert", "albert", "modernbert", "camembert",
    "deberta", "deberta-v2",
    "t5", "mt5", "bart", "mbart", "pegasus", "gpt2", "opt", "gpt_neox", "llama", "mistral", "qwen2", "qwen3",
)  # fmt: skip
"""Families named to a user whose backbone cannot be prompted; others that use the interface work too."""

POSITION_TABLES = ("position_embeddings", "embed_positions", "wpe", "position_embedding")
HIDDEN_DROPOUT = ("hidden_dropout_prob", "dropout", "dropout_rate", "resid_pdrop", "hidden_dropout", "mlp_dropout")


def unshare_layers(model: PreTrainedModel) -> None:
    """Give each depth of ALBERT a module of its own around the same weights.

    ALBERT runs one layer group at every depth; with a module per depth, each can hold a prompt of its own, also when
    layers are recomputed in another order. No weight is copied.
    """
    stacks: list[Any] = [m for m in model.modules() if hasattr(m, "albert_layer_groups")]  # ALBERT's own class
    for stack in stacks:
        depth, groups = stack.config.num_hidden_layers, stack.albert_layer_groups
        if len(groups) == depth:
            continue
        keep = {id(p): p for p in (*groups.parameters(), *groups.buffers())} | {id(stack.config): stack.config}
        per_group = depth / len(groups)
        stack.albert_layer_groups = nn.ModuleList(
            copy.deepcopy(groups[int(i / per_group)], dict(keep)) for i in range(depth)
        )
        stack.config.num_hidden_groups = depth


def repeats_layers(model: PreTrainedModel) -> bool:
    """Tell whether the model runs the weights of a layer at several depths, with a module for each depth or without."""
    stacks: list[Any] = [m for m in model.modules() if hasattr(m, "albert_layer_groups")]
    return any(
        len({id(next(group.parameters())) for group in stack.albert_layer_groups}) < stack.config.num_hidden_layers
        for stack in stacks
    )


def position_table(model: PreTrainedModel) -> nn.Embedding | None:
    """Find the table of learned absolute positions, if the family has one."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding) and name.rpartition(".")[2] in POSITION_TABLES:
            return module
    return None


def position_limit(model: PreTrainedModel) -> int | None:
    """Count the tokens that the position table holds; None where positions are not a table (RoPE, relative)."""
    table = position_table(model)
    if table is None:
        return None
    # RoBERTa's first real position is padding_idx + 1, BART's is 2 (`offset`).
    reserved = table.padding_idx + 1 if table.padding_idx is not None else getattr(table, "offset", 0)
    return table.num_embeddings - reserved


def shifted_positions(model: PreTrainedModel, mask_BT: Tensor, shift: int | Tensor) -> Tensor:
    """Make position ids with the first real token at `shift`, as the official code's cache route numbers them.

    `shift` is one number, or that of each row, [B, 1].

    RoBERTa counts its real tokens and leaves padding at `padding_idx`, OPT counts them too; the other families number
    every column.
    """
    table = position_table(model)
    if table is not None and table.padding_idx is not None:
        return (mask_BT.cumsum(dim=1) + shift) * mask_BT + table.padding_idx
    if model.config.model_type == "opt":  # BioGPT has a table of the same kind, and numbers every column
        return (mask_BT.cumsum(dim=1) - 1).clamp(min=0) + shift
    return (torch.arange(mask_BT.shape[1], device=mask_BT.device)[None] + shift).expand_as(mask_BT)


def pooled(model: PreTrainedModel, last_BTD: Tensor) -> Tensor:
    """Apply the model's own pooler to the first of these states, [B, D]."""
    pooler: Any = model.pooler
    if isinstance(pooler, nn.Linear):  # ALBERT keeps its activation beside it
        return cast(Any, model).pooler_activation(pooler(last_BTD[:, 0]))
    return pooler(last_BTD)


def set_dropout(config: PretrainedConfig, p: float) -> bool:
    """Set the family's hidden dropout, or for p = 0 every dropout; False where the config has none of that name."""
    names = [name for name in config.to_dict() if "drop" in name] if p == 0 else HIDDEN_DROPOUT
    names = [name for name in names if isinstance(getattr(config, name, None), (int, float))]
    for name in names:
        setattr(config, name, type(getattr(config, name))(p) if p == 0 else p)
    return bool(names)


def stack_of(base: nn.Module) -> nn.Module:
    """Return the part of a base model that its language model calls: of OPT the stack inside, else the base itself."""
    return base.get_submodule("decoder") if hasattr(base, "decoder") and not hasattr(base, "encoder") else base
