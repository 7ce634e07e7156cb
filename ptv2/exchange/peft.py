"""Form `peft`: a folder that `PeftModel.from_pretrained` loads, as prefix tuning or a cartridge.

PEFT (0.21.2) puts a prefix into the cache, so its tokens begin at position P (`rotary.py`). It gives every layer as
many positions, of one shape. What is trained of a head goes along as `modules_to_save`.
"""

import json
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedModel

from ptv2.backbone.sites import takes
from ptv2.errors import UserError
from ptv2.exchange.heads import PutHead
from ptv2.exchange.plain import plain_model
from ptv2.exchange.rotary import for_cache
from ptv2.exchange.source import KeysValues, Source, keys_values
from ptv2.methods.deep.vectors import to_official

TASK_TYPES = {
    "ForSequenceClassification": "SEQ_CLS",
    "ForTokenClassification": "TOKEN_CLS",
    "ForQuestionAnswering": "QUESTION_ANS",
    "ForCausalLM": "CAUSAL_LM",
    "LMHeadModel": "CAUSAL_LM",
}
"""End of a model's class name -> PEFT's task type; others are features."""


def write_peft(source: Source, folder: Path, kind: str = "PREFIX_TUNING") -> None:
    """Write the folder, and have PEFT compute with it where it is installed.

    Raises:
        UserError: a prompt that PEFT cannot hold, or with which it computes something else.
    """
    held = for_cache(source, _one_shape(source, keys_values(source, "peft")))
    model, head = plain_model(source)
    task_type = next(
        (name for end, name in TASK_TYPES.items() if type(model).__name__.endswith(end)), "FEATURE_EXTRACTION"
    )
    first, P = held[0].site, held[0].length
    vectors = [torch.cat([_flat(kv.key_GPD), _flat(kv.value_GPE)], dim=1) for kv in held]
    tensors = {"prompt_embeddings": to_official(vectors)} | _head_tensors(model, head)
    config: dict[str, Any] = {
        "peft_type": kind,
        "task_type": task_type,
        "base_model_name_or_path": source.backbone.name,
        "revision": source.predictor.config.backbone.revision,
        "inference_mode": True,
        "num_virtual_tokens": P,
        "num_layers": len(held),
        "num_attention_heads": first.kv_heads,
        "token_dim": first.kv_heads * first.key_dim,
        "num_transformer_submodules": 1,
        "modules_to_save": sorted(_modules(model, head)) or None,
    }
    config |= {"num_frozen_tokens": 1} if kind == "CARTRIDGE" else {"prefix_projection": False}
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    save_file({name: t.contiguous().cpu() for name, t in tensors.items()}, folder / "adapter_model.safetensors")
    (folder / "README.md").write_text(_readme(source, model), encoding="utf-8")
    _prove(source, folder, model)


def _flat(states_GPD: Tensor) -> Tensor:
    """[P, G * D], as PEFT lays a position out."""
    return states_GPD.transpose(0, 1).flatten(1)


def _one_shape(source: Source, held: list[KeysValues]) -> list[KeysValues]:
    """Refuse what does not fit PEFT's one tensor for all layers."""
    model, where = source.backbone.model, source.path
    family = model.config.model_type
    if model.config.is_encoder_decoder:
        what = f"family '{family}' has an encoder and a decoder, of which PEFT prompts the latter alone"
        raise UserError(what, where=where, do="use ptv2.attach")
    if not takes(source.backbone.reader, "past_key_values"):
        what = f"PEFT gives a prefix as a cache, and family '{family}' takes none"
        raise UserError(what, where=where, do="use ptv2.attach, or --form kv")
    if len(held) < len(source.backbone.sites) or len({kv.length for kv in held}) > 1:
        what = "PEFT prompts every layer with as many positions, and here they differ"
        raise UserError(what, where=where, do="use --form kv, or train with prompt.layers=all and one prompt.length")
    if len({(kv.site.kv_heads, kv.site.key_dim, kv.site.value_dim) for kv in held}) > 1 or (
        held[0].site.key_dim != held[0].site.value_dim
    ):
        what = f"PEFT holds keys and values of one width for all layers, and those of family '{family}' differ"
        raise UserError(what, where=where, do="use --form kv, or ptv2.attach")
    return held


def _modules(model: PreTrainedModel, head: PutHead | None) -> set[str]:
    """Name the modules that hold a head: the parts above the base model, and a pooler within it."""
    inside = f"{model.base_model_prefix}."
    return {name.removeprefix(inside).partition(".")[0] for name in (head.names if head is not None else ())}


def _head_tensors(model: PreTrainedModel, head: PutHead | None) -> dict[str, Tensor]:
    """Return the tensors of these modules, under PEFT's names."""
    modules, inside = _modules(model, head), f"{model.base_model_prefix}."
    return {
        f"base_model.{name}": tensor
        for name, tensor in model.state_dict().items()
        if name.removeprefix(inside).partition(".")[0] in modules
    }


def _prove(source: Source, folder: Path, model: PreTrainedModel) -> None:
    """Load the folder by PEFT and compare with ptv2 on a few tokens."""
    if find_spec("peft") is None:
        source.notes.append("not checked: the package peft is not installed (pip install 'ptv2[peft]')")
        return
    import peft

    probe = source.probe()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PEFT's own calls
        theirs = peft.PeftModel.from_pretrained(model, str(folder)).eval()(**probe)
        ours = read_by(source, probe, theirs)
    got = theirs.logits if hasattr(theirs, "logits") else theirs.last_hidden_state
    if hasattr(theirs, "start_logits"):
        got = torch.stack([theirs.start_logits, theirs.end_logits], -1)
    real = probe["attention_mask"].bool() if got.dim() == 3 else slice(None)
    difference = float((got.float() - ours)[real].abs().max())
    if not difference <= close(model) * float(ours[real].abs().max().clamp(min=1)):
        what = f"PEFT {peft.__version__} computes something else with this prompt (difference {difference:.1e})"
        raise UserError(what, where=source.path, do="use ptv2.attach, or --form kv")
    source.notes.append(f"checked with PEFT {peft.__version__}: largest difference {difference:.1e}")


def close(model: PreTrainedModel) -> float:
    """Return how far two ways to compute the same may differ, over the largest number."""
    return 1e-3 if model.dtype == torch.float32 else 0.05


def read_by(source: Source, probe: dict[str, Tensor], like: Any) -> Tensor:
    """Compute what a model's output `like` this one should hold: logits of the head or the vocabulary, or states."""
    reads = source.head.reads
    states = source.backbone(probe, source.injection(), "logits" if reads == "answer" else reads)
    if reads != "states":
        assert states.logits_BTV is not None  # of a language model
        return states.logits_BTV.float()
    if hasattr(like, "logits") or hasattr(like, "start_logits"):
        return source.head(states).float()
    assert states.last_BTD is not None
    return states.last_BTD.float()


def _readme(source: Source, model: PreTrainedModel) -> str:
    labels = source.artifact.about["labels"][source.task]
    count = f", num_labels={len(labels)}" if labels and "For" in type(model).__name__ else ""
    lines = [
        f"# {source.artifact.config['run']['name']}: {source.task}",
        "",
        f"A prompt of ptv2 for `{source.backbone.name}`, as PEFT loads it:",
        "",
        "    from peft import PeftModel",
        f"    from transformers import {type(model).__name__}",
        "",
        f'    model = {type(model).__name__}.from_pretrained("{source.backbone.name}"{count})',
        '    model = PeftModel.from_pretrained(model, "<this folder>")',
        *(["", f"Labels, in the order of their numbers: {', '.join(labels)}"] if labels else []),
    ]
    return "\n".join(lines) + "\n"
