"""Files that llama.cpp reads: a GGUF in full precision, and a tiny random model of transformers as one."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGUFReader, GGUFValueType, GGUFWriter
from transformers import PreTrainedTokenizerFast

from experiments.judges import tiny
from ptv2.exchange.llama import PERMUTED, side_by_side

OWN = ("GGUF.", "general.architecture", "general.file_type", "general.quantization_version")
"""Fields that the writer writes itself, or that speak of quantised weights."""


def write_full(source: Path, output: Path) -> Path:
    """Write the weights of a GGUF, quantised or not, in float32; everything else stays."""
    read = GGUFReader(source)
    made = GGUFWriter(output, read.fields["general.architecture"].contents())
    for name, field in read.fields.items():
        if not name.startswith(OWN):
            first, *_ = field.types
            made.add_key_value(name, field.contents(), first, field.types[-1] if first == GGUFValueType.ARRAY else None)
    for tensor in read.tensors:
        made.add_tensor(tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32))
    return written(made, output)


def write_tiny(family: str, source: Path, output: Path) -> Path:
    """Write a model and its words that `tiny.save` wrote, as llama.cpp's converter lays the family out."""
    model = tiny.load(family, source)
    config: Any = model.config
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    made = GGUFWriter(output, family)
    made.add_block_count(config.num_hidden_layers)
    made.add_context_length(config.max_position_embeddings)
    made.add_embedding_length(config.hidden_size)
    made.add_feed_forward_length(config.intermediate_size)
    made.add_head_count(config.num_attention_heads)
    made.add_head_count_kv(config.num_key_value_heads)
    made.add_key_length(width)
    made.add_value_length(width)
    made.add_rope_dimension_count(width)
    made.add_rope_freq_base(config.rope_parameters["rope_theta"])
    made.add_layer_norm_rms_eps(config.rms_norm_eps)
    made.add_vocab_size(config.vocab_size)
    ids = PreTrainedTokenizerFast.from_pretrained(source).get_vocab()
    made.add_tokenizer_model("gpt2")
    made.add_tokenizer_pre("default")
    made.add_token_list(sorted(ids, key=ids.__getitem__))
    made.add_token_types([gguf.TokenType.NORMAL] * len(ids))
    made.add_token_merges(["a b"])  # one has to be there; rows come as ids
    made.add_eos_token_id(config.eos_token_id)
    blocks = gguf.get_tensor_name_map(gguf.MODEL_ARCH[family.upper()], config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        layer, _, part = name.rpartition(".")
        if PERMUTED[family] and layer.endswith(("q_proj", "k_proj")):
            tensor = _permuted(tensor, width)
        made.add_tensor(f"{blocks.get_name(layer)}.{part}", tensor.numpy())
    return written(made, output)


def _permuted(weight_OI: Any, width: int) -> Any:
    """Put the rotary pairs of each head of this width side by side."""
    heads_HDI = weight_OI.unflatten(0, (-1, width))
    return side_by_side(heads_HDI.mT).mT.flatten(0, 1).contiguous()


def written(made: GGUFWriter, output: Path) -> Path:
    """Write what the writer was given, and return the file."""
    made.add_file_type(gguf.LlamaFileType.ALL_F32)
    made.write_header_to_file()
    made.write_kv_data_to_file()
    made.write_tensors_to_file()
    made.close()
    return output
