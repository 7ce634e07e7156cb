"""What is measured: the rows, the systems, and which of them stand beside each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MINILM, SMOLLM = "demo:minilm-l6", "demo:smollm2-135m"


@dataclass(frozen=True)
class Rows:
    """A data set, as every system reads it: one window of time is one pass over these rows."""

    card: str
    rows: int
    max_length: int
    batch: int = 32
    backbone: str = MINILM
    official_length: int = 128  # to which the official recipe pads
    options: Mapping[str, Any] = field(default_factory=dict)


ROWS = {
    "trec": Rows("classification/trec", 128, 64),
    "sst2": Rows("glue/sst2", 128, 128),
    "conll2003": Rows("ner/conll2003", 128, 128),
    "rte": Rows("superglue/rte", 64, 256),
    "squad": Rows("qa/squad", 32, 384, official_length=384),
    "e2e_nlg": Rows("generation/e2e_nlg", 8, 96, batch=8, backbone=SMOLLM),
}
BF16 = {"backbone.dtype": "bfloat16"}
TOP = {"prompt.layers": "top:3"}
FULL = {"method": "full", "optim.lr": 5e-5}


@dataclass(frozen=True)
class System:
    """What takes the steps: `does` names a function of `systems.py`."""

    label: str
    does: str
    options: Mapping[str, Any] = field(default_factory=dict)
    floor: str = "floor"  # the system whose time a step is compared with


SYSTEMS = {
    "floor": System("frozen backbone, forward and backward", "floor"),
    "floor bf16": System("the same in bf16", "floor", BF16, "floor bf16"),
    "floor keys": System("the floor with P more keys and values", "keys"),
    "ours": System("ptv2, keys and values", "ours"),
    "ours mask": System("ptv2, one dropout mask for the batch", "ours", {"prompt.dropout_per": "batch"}),
    "ours bf16": System("ptv2, frozen weights in bf16", "ours", BF16, "floor bf16"),
    "ours top": System("ptv2, prompts in the top half", "ours", TOP),
    "ours budget": System("ptv2, layers recomputed by a budget of 0.35 GiB", "ours", {"backbone.memory_budget": 0.35}),
    "ours memory": System("ptv2, memory", "ours", {"prompt.form": "memory", "optim.lr": 1e-3}),
    "ours values+slots": System("ptv2, values and slots", "ours", {"prompt.form": ["values", "slots"]}),
    "prefix": System("PEFT prefix, Trainer", "trainer", {"method": "prefix"}),
    "prefix grouped": System("PEFT prefix, Trainer, grouped by length", "trainer", {"method": "prefix", "group": True}),
    "lora": System("PEFT LoRA, Trainer", "trainer", {"method": "lora"}),
    "lora grouped": System("PEFT LoRA, Trainer, grouped by length", "trainer", {"method": "lora", "group": True}),
    "official": System("official recipe (all rows padded to the maximum)", "trainer", {"method": "official"}),
    "full ours": System("full fine-tuning, ptv2", "ours", FULL),
    "full ours fused": System("full fine-tuning, ptv2, fused", "ours", FULL | {"optim.fused": True}),
    "full": System("full fine-tuning, Trainer", "trainer", {"method": "full"}),
    "parts": System("profile of ptv2", "parts"),
    "parts bf16": System("profile of ptv2 in bf16", "parts", BF16, "floor bf16"),
    "generate bare": System("generate, bare backbone", "generate", {"method": "bare"}, "generate bare"),
    "generate": System("generate, ptv2", "generate", {"method": "ours"}, "generate bare"),
    "generate prefix": System("generate, PEFT prefix", "generate", {"method": "prefix"}, "generate bare"),
}
OWN = ("floor", "floor bf16", "ours", "ours bf16", "ours top")
BESIDE = ("prefix", "prefix grouped", "official")
LENGTHS = ("floor", "floor bf16", "ours", "ours bf16", "prefix")
EVERY = tuple(name for name in SYSTEMS if not name.startswith(("generate", "parts")))


@dataclass(frozen=True)
class Group:
    """Systems that take turns in one run on the same rows."""

    rows: str
    length: int  # P
    systems: Sequence[str]
    share: float = 1  # of the time that there is

    @property
    def writes(self) -> bool:
        """Tell whether text is generated; else the systems train."""
        return SYSTEMS[self.systems[0]].does == "generate"

    @property
    def name(self) -> str:
        return f"{self.rows}{' generate' if self.writes else ''} P={self.length}"


GROUPS = (
    Group("trec", 16, (*EVERY, "parts", "parts bf16"), share=2.5),
    Group("rte", 16, (*OWN, "ours budget", "prefix", "official", "full", "parts"), share=3),
    Group("sst2", 16, (*OWN, *BESIDE), share=1.2),
    Group("conll2003", 16, (*OWN, *BESIDE), share=1.2),
    Group("e2e_nlg", 16, ("floor", "ours", "prefix", "lora", "parts"), share=2.6),
    Group("e2e_nlg", 16, ("generate bare", "generate", "generate prefix")),
    Group("trec", 128, LENGTHS, share=0.7),
    Group("trec", 64, LENGTHS, share=0.6),
    Group("squad", 16, ("floor", "ours", "prefix", "official"), share=1.8),
)
QUICK = ("trec P=16", "rte P=16")
QUICK_SYSTEMS = (
    "floor",
    "floor keys",
    "floor bf16",
    "ours",
    "ours mask",
    "ours bf16",
    "ours top",
    "prefix",
    "official",
    "parts",
)
