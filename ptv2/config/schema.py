"""The whole schema of a run: every key, its type and its default."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from ptv2.config.cards import TaskCard


@dataclass
class BackboneConfig:
    name: str = MISSING  # hub id, local folder, or demo:minilm-l6
    revision: str | None = None  # hub revision
    gguf_file: str | None = None  # name of a GGUF file in the hub repository or folder: weights are dequantised
    dtype: str = "float32"  # float32 | bfloat16: the frozen weights are cast once, what is trained stays float32
    attention: str = "sdpa"  # sdpa | eager: the kernel that prompted attention hands on to
    dropout: float | None = None  # of the frozen layers' hidden states; null: the model's own (official), 0: none
    gradient_checkpointing: bool = False  # recompute layers in the backward pass: less memory, more time
    compile: bool = False  # torch.compile the backbone


@dataclass
class RetrieveConfig:
    steps: int = 50  # of the warm-up on the new task, whose prompt is compared with those of the folder
    top: int = 1  # so many of the most similar prompts are averaged, weighted by similarity


@dataclass
class PromptConfig:
    length: Any = 16  # P: positions per layer; a number, one per prompted layer, or {encoder: 8, decoder: 8, cross: 0}
    layers: Any = "all"  # all | top:K | bottom:K | [0, 3, 5]
    form: str = "kv"  # kv: keys and values (official) | hidden: one vector through the layer's frozen K/V projections
    projection: int | None = None  # width of the two-layer Tanh projection (official: 512); null: none
    init: str = "normal"  # normal | zero | text:<words> | vocab | artifact:<path>[+task:<name>] | retrieve:<folder>
    init_std: float = 0.02  # standard deviation of `normal` (official: 0.02)
    dropout: float = 0.1  # official: the same as the backbone's hidden dropout
    dropout_per: str = "example"  # example (official) | batch: one mask shared by all rows of a batch
    gate: bool = False  # learned gate on the prompt's attention mass, from zero: an untrained prompt changes nothing
    position_offset: bool = False  # true (official): real tokens start at position P
    sharing: str = (
        "shared"  # shared: one prompt for all tasks | task: one each | shared+task: times a low-rank matrix each
    )
    rank: int = 1  # of those matrices
    train: str = "all"  # all | own: what tasks share stays as it starts, their own matrices and heads train
    retrieve: RetrieveConfig = field(default_factory=RetrieveConfig)


@dataclass
class HeadConfig:
    pooling: str = "cls"  # cls | mean | last | pooler | dense, for heads that read one vector per text
    dropout: float = 0.1
    init: str | None = None  # artifact:<path>[+task:<name>]: start from its head; null: drawn


@dataclass
class OptimConfig:
    lr: float = 5e-3
    head_lr: float | None = None  # null: as lr
    weight_decay: float = 0.0
    schedule: str = "linear"  # linear (official for GLUE/SuperGLUE) | exponential (tagging, QA) | constant
    gamma: float = 0.95  # factor per epoch of `exponential`
    warmup: float = 0.0  # steps (1 or more), or the share of all steps (below 1)
    clip: float = 1.0  # gradient norm; 0: off


@dataclass
class DataConfig:
    batch_size: int = 32  # rows per device: two ranks take batches of twice as many, each its half
    tokens_per_batch: int | None = None  # as many rows as fit into so many tokens, padding included, instead
    eval_batch_size: int = 64  # rows per device
    group_by_length: bool = True  # batches of rows of like length: less padding
    pad_to_max: bool = False  # pad every batch to max_length, as the official code does
    workers: int = 0
    limit: dict[str, int] = field(default_factory=dict)  # split -> at most so many rows
    seed: int = 11  # draws the rows that `limit` keeps for scoring; those for training are drawn with the run's seed


@dataclass
class MixtureConfig:
    """How several tasks share a run; one task is a mixture of one."""

    sampling: str = "proportional"  # | capped:K | temperature:T[:K] | sqrt | equal | annealed | weights
    weights: dict[str, float] = field(default_factory=dict)  # task -> weight, with sampling: weights
    batches: str = "single"  # single: a batch is of one task (the paper) | mixed: each row is of any
    steps_per_epoch: int | None = None  # null: as many batches as the rows of all tasks make
    dry: str = "cycle"  # a task whose rows are used up: cycle: begins anew | stop: ends the epoch, for all
    loss: str = "constant"  # weight of a task's loss: constant: 1 | classes: 1 / log(number of labels)
    loss_weights: dict[str, float] = field(default_factory=dict)  # task -> factor on its loss
    cosine_every: int = 50  # steps between two measurements of the cosine between tasks' gradients; 0: never


@dataclass
class RunConfig:
    name: str = MISSING
    folder: str = "runs"  # the run writes into <folder>/<name>
    log_every: int = 10  # steps between two lines of metrics.jsonl
    timeout: int = 1800  # seconds that a rank waits for the others before the run ends with a message
    save_every: int | None = None  # optimizer steps between two checkpoints, beside those of every epoch; null: none
    keep_last: int = 2  # so many checkpoints are kept, and the best
    overwrite: bool = False  # start afresh in a folder that holds a run
    callbacks: dict[str, Any] = field(default_factory=dict)  # name -> {path: pkg.mod.Class, <its arguments>}


@dataclass
class GuardConfig:
    """What ends a run that goes wrong."""

    on_nonfinite: str = "stop"  # a loss or gradient that is no number: stop | skip:K: leave out K such updates first
    step_timeout: float | None = None  # seconds after which a step that hangs ends the run; null: never
    patience: int | None = None  # validations without a better score after which training ends; null: all epochs

    @property
    def skips(self) -> int:
        """How many updates may be left out."""
        return int(self.on_nonfinite.partition(":")[2] or 0)


@dataclass
class Config:
    tasks: dict[str, TaskCard] = field(default_factory=dict)
    method: str = "deep"  # deep | full | head
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    data: DataConfig = field(default_factory=DataConfig)
    mixture: MixtureConfig = field(default_factory=MixtureConfig)
    run: RunConfig = field(default_factory=RunConfig)
    guard: GuardConfig = field(default_factory=GuardConfig)
    resume: str = "auto"  # auto: from the newest good checkpoint | never: afresh | PATH of a checkpoint or run
    seed: int = 11
    imports: list[str] = field(default_factory=list)  # `import:`, Python files with methods, kinds, metrics of your own
    trainer: dict[str, Any] = field(default_factory=dict)  # handed to lightning.Trainer; strategy: auto | ddp | fsdp2
