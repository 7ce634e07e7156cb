"""Form `peft`: a folder that `PeftModel.from_pretrained` loads: prefix tuning or a cartridge, prompt tuning, LoRA.

PEFT (0.21.2) puts a prefix into the cache, so its tokens begin at position P (`rotary.py`). It gives every layer as
many positions, of one shape. Vectors at the input stand in front of the text, so outputs have P more positions. What is
trained of a head goes along as `modules_to_save`.
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

from ptv2.errors import UserError
from ptv2.exchange.adapters import Adapter, adapter_of
from ptv2.exchange.source import Source

TASK_TYPES = {
    "ForSequenceClassification": "SEQ_CLS",
    "ForTokenClassification": "TOKEN_CLS",
    "ForQuestionAnswering": "QUESTION_ANS",
    "ForCausalLM": "CAUSAL_LM",
    "LMHeadModel": "CAUSAL_LM",
    "ForConditionalGeneration": "SEQ_2_SEQ_LM",
}
"""End of a model's class name -> PEFT's task type; others are features."""


def write_peft(source: Source, folder: Path, kind: str = "PREFIX_TUNING") -> None:
    """Write the folder, and have PEFT compute with it where it is installed.

    Raises:
        UserError: an artifact that PEFT cannot hold, or with which it computes something else.
    """
    made = adapter_of(source, kind)
    model = made.model
    task_type = next(
        (name for end, name in TASK_TYPES.items() if type(model).__name__.endswith(end)), "FEATURE_EXTRACTION"
    )
    tensors = made.tensors | _head_tensors(made)
    config = made.settings | {
        "task_type": task_type,
        "base_model_name_or_path": source.backbone.name,
        "revision": source.predictor.config.backbone.revision,
        "inference_mode": True,
        "modules_to_save": sorted(_modules(made)) or None,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    save_file({name: t.contiguous().cpu() for name, t in tensors.items()}, folder / "adapter_model.safetensors")
    (folder / "README.md").write_text(_readme(source, made), encoding="utf-8")
    _prove(source, folder, made)


def _modules(made: Adapter) -> set[str]:
    """Name the modules that hold a head: the parts above the base model, and a pooler within it."""
    inside = f"{made.model.base_model_prefix}."
    names = made.head.names if made.head is not None else ()
    return {name.removeprefix(inside).partition(".")[0] for name in names}


def _head_tensors(made: Adapter) -> dict[str, Tensor]:
    """Return the tensors of these modules, under PEFT's names."""
    modules, inside = _modules(made), f"{made.model.base_model_prefix}."
    return {
        f"{made.within}.{name}": tensor
        for name, tensor in made.model.state_dict().items()
        if name.removeprefix(inside).partition(".")[0] in modules
    }


def _prove(source: Source, folder: Path, made: Adapter) -> None:
    """Load the folder by PEFT and compare with ptv2 on a few tokens."""
    if find_spec("peft") is None:
        source.notes.append("not checked: the package peft is not installed (pip install 'ptv2[peft]')")
        return
    import peft

    probe = source.probe()
    if made.model.config.is_encoder_decoder:
        probe["labels"] = probe["input_ids"]
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PEFT's own calls
        theirs = peft.PeftModel.from_pretrained(made.model, str(folder)).eval()(**probe)
        ours = read_by(source, probe, theirs)
    got = theirs.logits if hasattr(theirs, "logits") else getattr(theirs, "last_hidden_state", None)
    if got is None:
        got = torch.stack([theirs.start_logits, theirs.end_logits], -1)
    got = got[:, made.in_front :] if got.dim() == 3 else got
    real = probe["attention_mask"].bool() if got.dim() == 3 else slice(None)
    difference = float((got.float() - ours)[real].abs().max())
    if not difference <= close(made.model) * float(ours[real].abs().max().clamp(min=1)):
        what = f"PEFT {peft.__version__} computes something else with it (difference {difference:.1e})"
        raise UserError(what, where=source.path, do="use ptv2.load")
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


def _readme(source: Source, made: Adapter) -> str:
    model = made.model
    labels = source.artifact.about["labels"][source.task]
    count = f", num_labels={model.config.num_labels}" if made.head is not None else ""
    if (pad := model.config.pad_token_id) != source.backbone.model.config.pad_token_id:
        count += f", pad_token_id={pad}"
    trained = source.predictor.module.method.words.capitalize()
    lines = [
        f"# {source.artifact.config['run']['name']}: {source.task}",
        "",
        f"{trained} that ptv2 trained for `{source.backbone.name}`, for PEFT:",
        "",
        "    from peft import PeftModel",
        f"    from transformers import {type(model).__name__}",
        "",
        f'    model = {type(model).__name__}.from_pretrained("{source.backbone.name}"{count})',
        '    model = PeftModel.from_pretrained(model, "<this folder>")',
        *(["", f"Outputs have {made.in_front} positions in front of the text's."] if made.in_front else []),
        *(["", f"Labels, in the order of their numbers: {', '.join(labels)}"] if labels else []),
    ]
    return "\n".join(lines) + "\n"
