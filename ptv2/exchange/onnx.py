"""Form `onnx`: encoder, prompt and head as one graph, keys and values as constants, for any number of rows and tokens.

model.onnx      `input_ids`, `attention_mask` and, where the tokenizer makes them, `token_type_ids` [B, T] -> `logits`
model.json      task, kind, label names
tokenizer files as transformers writes them
"""

import json
import logging
import warnings
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from ptv2.backbone import INPUTS
from ptv2.errors import UserError
from ptv2.exchange.source import Source

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
CLOSE = 1e-5  # of onnxruntime's logits and ours, over the largest of them


class Graph(nn.Module):
    """What is exported: token ids to the logits of one task."""

    def __init__(self, source: Source):
        super().__init__()
        self.backbone, self.head = source.backbone, source.head
        self.backbone.unpads = False  # how many tokens are real is not known before a batch is there
        self.prompt = source.injection()

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the logits of a batch; inputs in the order of `INPUTS`."""
        return self.head(self.backbone(dict(zip(INPUTS, inputs, strict=False)), self.prompt))


def write_onnx(source: Source, folder: Path) -> None:
    """Write the graph, once onnxruntime computes with it what ptv2 does.

    Raises:
        UserError: a package is missing, a backbone in half precision, a task that generates, or a family that torch
            cannot export.
    """
    config = source.predictor.config.backbone
    if config.quantize or source.backbone.model.dtype != torch.float32:
        computes = "is quantised" if config.quantize else f"computes in {source.backbone.model.dtype}"
        do = f"export with backbone.{'quantize=null' if config.quantize else 'dtype=float32'}"
        raise UserError(f"its backbone {computes}, and form 'onnx' is for float32", where=source.path, do=do)
    for name in PACKAGES:
        if find_spec(name) is None:
            what = f"form 'onnx' needs the package {name}, which is not installed"
            raise UserError(what, where="form", do="pip install 'ptv2[onnx]'")
    if source.head.reads != "states":
        what = f"task '{source.task}' reads a language model, and form 'onnx' holds an encoder with its head"
        raise UserError(what, where=source.path, do="use --form peft, or ptv2.attach")
    probe = _inputs(source)
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens")}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own calls
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # that torchvision is not installed
        graph = Graph(source).eval()
        try:
            torch.onnx.export(
                graph,
                tuple(probe.values()),
                folder / "model.onnx",
                input_names=list(probe),
                output_names=["logits"],
                dynamic_shapes=(tuple(dict(sizes) for _ in probe),),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        except (RuntimeError, torch.onnx.OnnxExporterError) as error:
            family, reason = source.backbone.model.config.model_type, str(error).strip().splitlines()[0][:120]
            what = f"torch cannot export family '{family}' with this prompt ({reason})"
            raise UserError(what, where=source.path, do="use --form peft, or ptv2.attach") from error
    _prove(source, graph, folder / "model.onnx")
    kind, labels = source.artifact.tasks[source.task]["kind"], source.artifact.about["labels"][source.task]
    about = {"task": source.task, "kind": kind, "labels": labels, "backbone": source.artifact.about["backbone"]}
    (folder / "model.json").write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    source.backbone.tokenizer.save_pretrained(folder)


def _inputs(source: Source, tokens: int = 6) -> dict[str, Tensor]:
    probe = source.probe(tokens)
    if "token_type_ids" in source.backbone.tokenizer.model_input_names:
        probe["token_type_ids"] = torch.zeros_like(probe["input_ids"])
    return probe


@torch.no_grad()
def _prove(source: Source, graph: Graph, file: Path) -> None:
    """Compare onnxruntime with ptv2, on as many rows and tokens as were exported and on more."""
    import onnxruntime  # pyright: ignore[reportMissingImports] - of the extra onnx

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    difference = 0.0
    for tokens, rows in ((6, 2), (9, 4)):
        probe = {name: tensor.repeat(rows // 2, 1) for name, tensor in _inputs(source, tokens).items()}
        ours = graph(*probe.values())
        given = {name: tensor.numpy() for name, tensor in probe.items()}
        try:
            theirs = torch.from_numpy(session.run(None, given)[0])
        except onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument as error:
            family = source.backbone.model.config.model_type
            what = f"torch exports family '{family}' with this prompt for one size of batches alone"
            raise UserError(what, where=source.path, do="use --form peft, or ptv2.attach") from error
        at = probe["attention_mask"].bool() if ours.dim() == 3 else slice(None)
        difference = max(difference, float((theirs - ours)[at].abs().max() / ours[at].abs().max().clamp(min=1)))
    if not difference <= CLOSE:
        what = f"onnxruntime {onnxruntime.__version__} computes something else (difference {difference:.1e})"
        raise UserError(what, where=source.path, do="use --form peft, or ptv2.attach")
    source.notes.append(f"checked with onnxruntime {onnxruntime.__version__}: largest difference {difference:.1e}")
