"""The whole schema of a run: every key, its type, the words or range it takes, and its default.

A key's comment is its explanation in docs/config.md and `ptv2 fit --help-config KEY`.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from omegaconf import MISSING

from ptv2.config.board import BoardConfig
from ptv2.config.cards import TaskCard
from ptv2.config.keys import FRACTION, NONNEGATIVE, POSITIVE, SEED, Range, number
from ptv2.config.methods import AdapterConfig, BitFitConfig, LoraConfig, PromptConfig, PTuningConfig
from ptv2.config.names import parse_methods
from ptv2.config.run import RunConfig
from ptv2.config.sampling import Sampling, parse_sampling
from ptv2.config.starts import Start, head_start
from ptv2.errors import UserError

AUTO = "auto"
AUTO_KEYS = (
    "backbone.dropout",
    "prompt.form",
    "prompt.length",
    "prompt.dropout",
    "head.pooling",
    "optim.lr",
    "optim.head_lr",
    "optim.warmup",
    "trainer.max_epochs",
)
"""Keys that take `auto`: the run chooses their value by method, kind of task, rows and backbone."""


@dataclass
class BackboneConfig:
    """The frozen model that takes prompts."""

    name: str = MISSING  # hub id, local folder, or demo:minilm-l6
    revision: str | None = None  # hub revision
    gguf_file: str | None = None  # name of a GGUF file in the hub repository or folder: weights are dequantised
    # the frozen weights are cast once, trained ones stay float32; auto: bfloat16 where this machine is faster in it
    dtype: Literal["float32", "bfloat16", "auto"] = "float32"
    quantize: Literal["int8", "int4"] | None = None  # linear weights; int8: torchao, int4: bitsandbytes
    attention: Literal["sdpa", "eager"] = "sdpa"  # the kernel that computes prompted attention
    dropout: float | None = number(None, FRACTION)  # of the frozen layers; null: the model's own (official), 0: none
    gradient_checkpointing: bool = False  # recompute layers in the backward pass: less memory, more time
    # GiB that layers may keep for the backward pass, by an estimate for the longest rows: as many layers are recomputed
    # as that needs; null: none, or all by gradient_checkpointing
    memory_budget: float | None = number(None, POSITIVE)
    compile: bool = False  # torch.compile the backbone
    # run linear layers on the real tokens of a batch alone, attention on its rows: for rows in random order, of which
    # much is padding; data.group_by_length leaves little to gain
    unpad: bool = False
    # keep on disk the states that enter the lowest prompted layer (method head: the last ones), and train from there;
    # needs prompt.layers=top:K or method=head, and a backbone without dropout
    cache: bool = False
    cache_dtype: Literal["float32", "bfloat16"] | None = None  # of these states; null: as the backbone computes them
    cache_limit: float = number(50.0, POSITIVE)  # GB that the states of a run may take: more is refused


@dataclass
class HeadConfig:
    """The heads of the tasks."""

    pooling: Literal["cls", "mean", "last", "pooler", "dense"] = "cls"  # for heads that read one vector per text
    dropout: float = number(0.1, FRACTION)  # of the states that a head reads
    init: str | None = None  # artifact:<path>[+task:<name>]: start from its head; null: random
    label_smoothing: float = number(0.0, FRACTION)  # share of the answer that all labels have alike: cls tagging choice

    @property
    def start(self) -> Start | None:
        """`init`, parsed."""
        return None if self.init is None else head_start(self.init)


@dataclass
class OptimConfig:
    """AdamW and its learning rate."""

    lr: float = number(5e-3, POSITIVE)  # learning rate
    head_lr: float | None = number(None, POSITIVE)  # learning rate of the heads; null: as lr
    weight_decay: float = number(0.0, NONNEGATIVE)  # of everything that is trained
    # linear (official for GLUE and SuperGLUE) | exponential (official for tagging and QA) | constant
    schedule: Literal["linear", "exponential", "constant"] = "linear"
    gamma: float = number(0.95, POSITIVE)  # factor per epoch of `exponential`
    warmup: float = number(0.0, NONNEGATIVE)  # number of steps (1 or more), or proportion of all steps (below 1)
    clip: float = number(1.0, NONNEGATIVE)  # gradient norm; 0: off
    # one kernel for an update, which shows where a backbone trains; it rounds otherwise, so a run that began without it
    # goes on without it
    fused: bool = False
    # weight of a label's loss: balanced: as its training labels are rare | {label: weight}: cls tagging multilabel
    class_weights: Any = field(default=None, metadata={"reads": str | dict[str, float] | None})

    @property
    def weights(self) -> Literal["balanced"] | dict[str, float] | None:
        """`class_weights`, checked."""
        asked, key = self.class_weights, "optim.class_weights"
        if asked is None or asked == "balanced" or asked == {}:
            return asked or None
        if not isinstance(asked, dict):
            raise UserError(f"'{key}' is '{asked}'", do="use balanced, or {label: weight}")
        for label, weight in asked.items():
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < math.inf:
                raise UserError(f"'{key}.{label}' is {weight}", do=f"use {POSITIVE.words}")
        return asked


@dataclass
class DataConfig:
    """Batches of rows."""

    batch_size: int = number(32, POSITIVE)  # rows per device: two ranks take batches of twice as many, each its half
    tokens_per_batch: int | None = number(None, POSITIVE)  # fill batches up to this many tokens, padding included
    eval_batch_size: int = number(64, POSITIVE)  # rows per device
    group_by_length: bool = True  # batches of rows of similar length: less padding
    try_longest: bool = False  # before training, compute a batch of the longest rows: memory that lacks shows at once
    pad_to_max: bool = False  # pad every batch to max_length, as the official code does
    workers: int = number(0, NONNEGATIVE)  # DataLoader workers; 0: the run loads its data itself
    limit: dict[str, int] = field(default_factory=dict)  # split -> largest number of rows
    seed: int = number(11, SEED)  # draws the rows that `limit` keeps for scoring; `seed` draws those for training


@dataclass
class MixtureConfig:
    """How several tasks share a run; one task is a mixture of one."""

    # proportional | capped:K | temperature:T[:K] | sqrt | equal | annealed | weights
    sampling: str = "proportional"
    weights: dict[str, float] = field(default_factory=dict)  # task -> weight, with sampling: weights
    batches: Literal["single", "mixed"] = "single"  # single: a batch is of one task (the paper) | mixed: rows of any
    # null: as many batches as the rows of all tasks make
    steps_per_epoch: int | None = number(None, Range("1 to 10,000,000", lambda x: 0 < x <= 10**7))
    dry: Literal["cycle", "stop"] = "cycle"  # a task's rows are used up: repeat them | end the epoch for all tasks
    loss: Literal["constant", "classes"] = "constant"  # weight of a task's loss: 1 | 1 / log(number of labels)
    loss_weights: dict[str, float] = field(default_factory=dict)  # task -> factor on its loss
    # steps between two measurements of the cosine between tasks' gradients; 0: never
    cosine_every: int = number(50, NONNEGATIVE)

    @property
    def rule(self) -> Sampling:
        """`sampling`, parsed."""
        return parse_sampling(self.sampling)


@dataclass
class GuardConfig:
    """What ends a run that goes wrong."""

    on_nonfinite: str = "stop"  # for a non-finite loss or gradient: stop | skip:K: skip up to K such updates first
    step_timeout: float | None = number(None, POSITIVE)  # seconds after which a hanging step ends the run; null: never
    # validations without a better score after which training ends; null: all epochs
    patience: int | None = number(None, POSITIVE)

    @property
    def skips(self) -> int:
        """`on_nonfinite`, parsed: how many updates may be skipped."""
        kind, colon, count = self.on_nonfinite.partition(":")
        if kind == "skip" and count.isascii() and count.isdigit() and int(count) > 0:
            return int(count)
        if kind != "stop" or colon:
            raise UserError(f"'guard.on_nonfinite' is '{self.on_nonfinite}'", do="use stop or skip:K, with K from 1")
        return 0


@dataclass
class Config:
    """A run."""

    tasks: dict[str, TaskCard] = field(default_factory=dict)  # name -> card; `task: CARD` is short for a single one
    # what is trained beside the heads: deep | prefix | prompt | ptuning | bitfit | lora | ia3 | adapter | full | head,
    # or a list of several, which train together
    method: Any = field(default="deep", metadata={"reads": str | list[str]})
    # what a key in the list above that nothing sets is: auto: chosen when the run starts, by method, kind of task and
    # number of rows (docs/defaults.md) | official: the value of the paper's code, which this page has as its default
    preset: Literal["auto", "official"] = "auto"
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    ptuning: PTuningConfig = field(default_factory=PTuningConfig)
    bitfit: BitFitConfig = field(default_factory=BitFitConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)
    adapter: AdapterConfig = field(default_factory=AdapterConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    data: DataConfig = field(default_factory=DataConfig)
    mixture: MixtureConfig = field(default_factory=MixtureConfig)
    run: RunConfig = field(default_factory=RunConfig)
    board: BoardConfig = field(default_factory=BoardConfig)
    guard: GuardConfig = field(default_factory=GuardConfig)
    resume: str = "auto"  # auto: from the newest valid checkpoint | never: from scratch | PATH of a checkpoint or run
    seed: int = number(11, SEED)  # of every random draw
    # arguments of lightning.Trainer; where no limit is set, max_epochs is auto
    trainer: dict[str, Any] = field(default_factory=dict)
    # Python files with your own methods, kinds, metrics and callbacks
    imports: list[str] = field(default_factory=list, metadata={"key": "import"})
    auto: list[str] = field(default_factory=list, metadata={"hidden": True})  # keys that are not chosen yet

    @property
    def methods(self) -> tuple[str, ...]:
        """`method`, parsed."""
        return parse_methods(self.method)

    @property
    def method_name(self) -> str:
        """`method` as results, artifacts and messages say it: a union is joined by `+`."""
        return "+".join(self.methods)
