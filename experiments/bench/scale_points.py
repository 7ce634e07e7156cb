"""Points that this machine can measure: one training step of small backbones with random weights, counted by torch."""

from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BertConfig,
    LlamaConfig,
    PreTrainedTokenizerBase,
    T5Config,
)

from experiments.bench.scale import Model
from ptv2.backbone import Backbone
from ptv2.config.schema import Config, PromptConfig
from ptv2.methods.deep.prompt import DeepPrompt


def backbone_of(model: Model) -> Backbone:
    """Make a backbone of a model's shape: T5 where it has two stacks, Llama where it is gated, else BERT."""
    stack = model.stacks[0]
    if len(model.stacks) > 1:
        sizes = {"d_model": stack.width, "d_kv": stack.head_width, "d_ff": stack.inner, "num_layers": stack.layers}
        words = {"vocab_size": model.vocabulary, "feed_forward_proj": "gated-gelu", "decoder_start_token_id": 0}
        made = T5Config(**sizes, **words, num_heads=stack.heads, dropout_rate=0.0)
        return Backbone(AutoModelForSeq2SeqLM.from_config(made), PreTrainedTokenizerBase(), model.name)
    sizes = {
        "vocab_size": model.vocabulary,
        "hidden_size": stack.width,
        "num_hidden_layers": stack.layers,
        "num_attention_heads": stack.heads,
        "intermediate_size": stack.inner,
    }
    if stack.gated:
        made = LlamaConfig(**sizes, num_key_value_heads=stack.kv_heads, tie_word_embeddings=True)
        whole = AutoModelForCausalLM.from_config(made) if model.logits else AutoModel.from_config(made)
    else:
        dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        whole = AutoModel.from_config(BertConfig(**sizes, **dropout), add_pooling_layer=False)
    return Backbone(whole, PreTrainedTokenizerBase(), model.name)


def measured(model: Model, P: int) -> dict[str, int]:
    """Count the operations of a step, the bytes that its forward pass keeps, and the trained numbers."""
    torch.manual_seed(0)
    backbone = backbone_of(model).train()
    prompt = DeepPrompt(Config(prompt=PromptConfig(length=P, dropout=0.0)), backbone)
    ids_BT = torch.randint(5, model.vocabulary, (model.rows, model.tokens[0]))
    mask_BT = torch.ones_like(ids_BT)
    mask_BT[0, -1] = 0  # some padding, so that there is a mask
    labels_BT = torch.randint(5, model.vocabulary, (model.rows, model.tokens[-1]))
    batch = {"input_ids": ids_BT, "attention_mask": mask_BT, "labels": labels_BT}

    if model.logits:
        assert backbone.targets.words  # tried once, before anything is counted

    def loss() -> Tensor:
        states = backbone(batch, prompt(model.rows), "targets" if model.logits else "states")
        if states.nll_BT is not None:
            return states.nll_BT.sum() / labels_BT.numel()
        assert states.last_BTD is not None
        return states.last_BTD.square().mean()

    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        loss().backward()
    return {
        "operations": counter.get_total_flops(),
        "kept": kept_bytes(loss, backbone),
        "trained": sum(parameter.numel() for parameter in prompt.trained()),
    }


def kept_bytes(loss: Any, backbone: Backbone) -> int:
    """Count the bytes of all storages that autograd keeps of a forward pass, the weights aside."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in backbone.parameters()}
    held: WeakSet[Held] = WeakSet()  # what a graph inside of the forward pass kept is gone when it returns

    def pack(tensor: Tensor) -> Held:
        made = Held(tensor)
        held.add(made)
        return made

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda made: made.tensor):
        kept = loss()
    storages = {storage.data_ptr(): storage.nbytes() for storage in (made.tensor.untyped_storage() for made in held)}
    del kept
    return sum(size for address, size in storages.items() if address not in weights)


class Held:
    """A tensor, as long as autograd keeps it."""

    def __init__(self, tensor: Tensor):
        self.tensor = tensor
