"""What the methods take: the sections `prompt`, `ptuning`, `bitfit`, `lora` and `adapter` of the schema."""

from dataclasses import dataclass, field
from typing import Any, Literal

from ptv2.config.keys import FRACTION, NONNEGATIVE, POSITIVE, WIDTH, number
from ptv2.config.layers import Layers, parse_layers
from ptv2.config.names import parse_biases, parse_forms, parse_names
from ptv2.config.starts import Start, prompt_start


@dataclass
class RetrieveConfig:
    """Settings of `prompt.init=retrieve:<folder>`."""

    steps: int = number(
        50, POSITIVE
    )  # for which the head of the new task trains on what each prompt of the folder makes
    top: int = number(1, POSITIVE)  # number of most similar prompts to average, weighted by similarity


@dataclass
class MemoryConfig:
    """Settings of `prompt.form=memory`: scale * phi(query) @ M is added to the output of each head."""

    phi: Literal["tanh", "identity", "elu+1"] = "tanh"  # feature map of the queries
    scale: float = number(1.0, POSITIVE)  # factor on what is read
    rank: int | None = number(None, WIDTH)  # of M; null: a full matrix


@dataclass
class PromptConfig:
    """The prompts that are trained."""

    # P: positions (slots: neurons) per layer; a number, auto (by kind of task, training rows and size of the backbone:
    # `ptv2 advise`), one per prompted layer, or {encoder: 8, decoder: 8, cross: 0}
    length: Any = 16
    layers: Any = "all"  # all | top:K | bottom:K | [0, 3, 5]
    # kv: keys and values (official) | hidden: one vector, projected by the layer | memory: a matrix that queries read
    # beside the softmax | slots: more neurons of the feed-forward layer | values, queries: a map in each head | a list
    form: Any = field(default="kv", metadata={"reads": str | list[str]})
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    # width of the two-layer Tanh projection (official: 512); null: none, for method prefix 512
    projection: int | None = number(None, WIDTH)
    # vectors are P + MLP(P), with an MLP of this width: of method prompt, and of keys, values and hidden states
    residual: int | None = number(None, WIDTH)
    # normal | uniform (-.5 to .5) | zero | text:<words> | vocab | labels | artifact:<path>[+task:<name>] |
    # retrieve:<folder>
    init: str = "normal"
    init_std: float = number(0.02, NONNEGATIVE)  # standard deviation of `normal` (official: 0.02)
    # of keys, values, hidden states and vectors at the input; other forms have none (official: as the backbone's hidden
    # dropout)
    dropout: float = number(0.1, FRACTION)
    dropout_per: Literal["example", "batch"] = "example"  # batch: one mask for all rows of a batch (official: example)
    gate: bool = False  # learned gate on the prompt's attention mass, from zero: an untrained prompt changes nothing
    # form kv: weigh each position by what the layer makes of the text's first token (encoders)
    token_gate: bool = False
    position_offset: bool = False  # true (official): real tokens start at position P
    # shared: one prompt for all tasks | task: one each | shared+task: one, times a low-rank matrix for each task
    # | keys: shared keys, values of their own
    sharing: Literal["shared", "task", "shared+task", "keys"] = "shared"
    rank: int = number(1, WIDTH)  # of the low-rank matrices of shared+task
    # method prompt: so many prompts read each batch, each learns by itself, and their answers are joined
    ensemble: int = number(1, WIDTH)
    vote: Literal["mean", "majority"] = "mean"  # how: the mean of their probabilities | the answer of most of them
    train: Literal["all", "own"] = "all"  # own: freeze what tasks share, train each task's own numbers and head
    norm: Literal["none", "layer"] = "none"  # layer: keys and values go through a learned LayerNorm before they join
    retrieve: RetrieveConfig = field(default_factory=RetrieveConfig)

    @property
    def forms(self) -> tuple[str, ...]:
        """`form`, parsed."""
        return parse_forms(self.form)

    @property
    def start(self) -> Start:
        """`init`, parsed."""
        return prompt_start(self.init)

    @property
    def chosen_layers(self) -> Layers:
        """`layers`, parsed."""
        return parse_layers(self.layers)


@dataclass
class BitFitConfig:
    """Settings of `method=bitfit`."""

    # all | some of query, key, value, attention_output, first, second (of the feed-forward layer), layernorm
    biases: Any = field(default="all", metadata={"reads": str | list[str]})

    @property
    def chosen(self) -> tuple[str, ...]:
        """`biases`, parsed."""
        return parse_biases(self.biases)


@dataclass
class LoraConfig:
    """Settings of `method=lora`: W x + alpha / rank * B A x."""

    rank: int = number(8, WIDTH)  # of B A
    alpha: float = number(16.0, POSITIVE)  # factor on B A, over the rank
    dropout: float = number(0.0, FRACTION)  # of x
    # qv: queries and values | linear: every linear layer | names, by what a layer does or what the model calls it
    targets: Any = field(default="qv", metadata={"reads": str | list[str]})

    @property
    def chosen(self) -> tuple[str, ...]:
        """`targets`, parsed."""
        return parse_names(self.targets, "lora.targets", "qv, linear, or names of linear layers")


@dataclass
class AdapterConfig:
    """Settings of `method=adapter`: h + up(GELU(down(h))) behind frozen layers."""

    width: int = number(16, WIDTH)  # of the bottleneck
    # feed_forward (Pfeiffer et al. 2021) | both: behind attention too (Houlsby et al. 2019)
    behind: Literal["feed_forward", "both"] = "feed_forward"


@dataclass
class PTuningConfig:
    """Settings of `method=ptuning`."""

    encoder: Literal["lstm", "mlp", "none"] = "lstm"  # what makes the virtual tokens; none: they are learned themselves
    hidden: int | None = number(None, WIDTH)  # width of the encoder; null: that of an embedding
    # text with {prompt:3} for three virtual tokens, {text} and {pair} (or their fields), and {mask}; null: in front
    template: str | None = None
    # label -> word, or several whose logits are averaged; none: the label names
    verbalizer: dict[str, Any] = field(default_factory=dict, metadata={"reads": dict[str, str | list[str]]})
    tune_backbone: bool = False  # few-shot mode: the backbone trains too
