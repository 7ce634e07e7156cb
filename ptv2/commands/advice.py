"""What a config is advised, and why: rules of which each is one entry with the paper or the table that it rests on.

A rule holds where `when` says so. Of the methods, the first rule that holds is the advice and the others are named as
alternatives; a rule of a method that is not in METHODS is skipped. A row of a table stands here as it stands in its
file under experiments/ (a test compares them).
"""

from collections.abc import Callable
from dataclasses import dataclass

from ptv2.methods.lengths import FEW_ROWS, Reason

TRANSFER, VARIANTS = "experiments/transfer/table.md", "experiments/transfer/variants/table.md"
GENERATION, STUDY = "experiments/generation/table.md", "experiments/methods/table.md"
POOLED = {"cls", "regression", "multilabel", "choice"}
"""Kinds that read one vector per text."""


@dataclass(frozen=True)
class Facts:
    """What a rule may ask for."""

    kinds: frozenset[str]  # of the tasks
    rows: int  # for training, of the task that has fewest
    parameters: int  # of the backbone
    memory: float  # of the device, in GB
    deploy: str  # tasks | weights | any
    decoder: bool = False  # that the backbone has no encoder

    def only(self, *kinds: str) -> bool:
        return self.kinds <= set(kinds)

    @property
    def values_and_slots(self) -> bool:
        """Tell whether our study says something about this form: an encoder, its kinds, more than a few rows."""
        return not self.decoder and self.rows > FEW_ROWS and self.only(*POOLED, "tagging", "span")

    @property
    def full_fits(self) -> bool:
        """Tell whether full fine-tuning fits: weights, gradients and two moments in fp32, as much again to compute."""
        return 32 * self.parameters / 1e9 <= self.memory


@dataclass(frozen=True)
class Rule:
    """One piece of advice."""

    setting: str  # key=value
    when: Callable[[Facts], bool]
    reason: Reason


METHODS_ADVISED = [
    Rule(
        "method=lora",
        lambda facts: facts.deploy == "weights",
        Reason(
            "its matrices merge into plain weights, which every engine loads and which cost nothing at inference",
            "Hu et al. 2021 (LoRA), section 4.1",
        ),
    ),
    Rule(
        "method=full",
        lambda facts: facts.deploy == "weights" and facts.full_fits,
        Reason("plain weights that every engine loads, one copy of the model for each task", "by construction"),
    ),
    Rule(
        "method=deep",
        lambda facts: facts.deploy == "tasks",
        Reason(
            "one frozen backbone serves all tasks, also in mixed batches, and a task costs a prompt and a head",
            "experiments/bench/tasks/table.md",
            "task | 0.998 ± 0.004",
        ),
    ),
    Rule(
        "method=full",
        lambda facts: facts.only("tagging") and facts.full_fits,
        Reason(
            "on entities full fine-tuning is ahead of key/value prompts from scratch (0.534 there)",
            TRANSFER,
            "conll2004 | 256 | full | 0.686 ± 0.005",
        ),
    ),
    Rule(
        "method=deep",
        lambda facts: facts.only("seq2seq"),
        Reason(
            "a learned prompt is far ahead of written ones on the same frozen model (BLEU 0.278 with one example)",
            GENERATION,
            "deep prompts | 0.498 ± 0.006",
        ),
    ),
    Rule(
        "method=deep",
        lambda facts: facts.only(*POOLED) and facts.rows <= FEW_ROWS,
        Reason(
            "with few rows of sentiment deep prompts were ahead of full fine-tuning (0.752 there)",
            TRANSFER,
            "sst2 | 256 | scratch | 0.769 ± 0.028",
        ),
    ),
    Rule(
        "method=deep",
        lambda facts: facts.values_and_slots,
        Reason(
            "maps of the values with slots (prompt.form) are within a point of full fine-tuning on entities (0.777)",
            STUDY,
            "conll2004 | deep-values-slots | span_f1 | 0.771 ± 0.013",
        ),
    ),
    Rule(
        "method=deep",
        lambda facts: not facts.full_fits,
        Reason(
            "full fine-tuning needs about 32 bytes for each parameter, which this device does not have",
            "weights, gradients and two moments in fp32, as much again for activations",
        ),
    ),
    Rule(
        "method=deep",
        lambda facts: True,
        Reason(
            "reported on par with full fine-tuning over sizes and tasks, with a prompt and a head to store",
            "Liu et al. 2022 (P-Tuning v2), section 4",
        ),
    ),
    Rule(
        "method=full",
        lambda facts: facts.full_fits,
        Reason(
            "what a prompt is compared with; on paraphrases ours stayed below the majority class (0.667)",
            "experiments/kinds/table.md",
            "glue/mrpc | 0.637 | 0.667",
        ),
    ),
    Rule(
        "method=prompt",
        lambda facts: facts.parameters >= 10**10 and facts.only("cls", "choice"),
        Reason(
            "at ten billion parameters input-only prompts are as good as full fine-tuning",
            "Lester et al. 2021 (Prompt Tuning), figure 1",
        ),
    ),
    Rule(
        "method=bitfit",
        lambda facts: facts.rows <= 5000 and facts.only(*POOLED),
        Reason(
            "with small to medium data the biases alone compete with full fine-tuning (0.725 there), as BitFit reports",
            STUDY,
            "mrpc | bitfit | accuracy | 0.745 ± 0.014",
        ),
    ),
    Rule(
        "method=ia3",
        lambda facts: facts.only(*POOLED),
        Reason(
            "factors on keys, values and neurons reach full fine-tuning (0.725 there) with 14,000 trained numbers",
            STUDY,
            "mrpc | ia3 | accuracy | 0.733 ± 0.002",
        ),
    ),
    Rule(
        "method=adapter",
        lambda facts: facts.only(*POOLED) and facts.deploy != "weights",
        Reason(
            "bottlenecks behind the layers come near full fine-tuning (0.951 there), and stay beside the weights",
            STUDY,
            "trec | adapter | accuracy | 0.944 ± 0.005",
        ),
    ),
    Rule(
        "method=prefix",
        lambda facts: facts.only("tagging") and facts.deploy != "weights",
        Reason(
            "keys and values learn better behind a projection (0.635 there without), which is folded away",
            STUDY,
            "conll2004 | prefix | span_f1 | 0.668 ± 0.005",
        ),
    ),
    Rule(
        "method=ptuning",
        lambda facts: facts.only("cls") and facts.rows <= FEW_ROWS and facts.deploy != "weights",
        Reason(
            "with a template and label words it reads the pretrained language model; without them it stayed behind the "
            "other methods (deep prompts 0.925 there)",
            STUDY,
            "trec | ptuning | accuracy | 0.904 ± 0.023",
        ),
    ),
    Rule(
        "method=head",
        lambda facts: not facts.only("seq2seq"),
        Reason("the linear probe: what the frozen states know already; it trains in seconds", "a baseline to report"),
    ),
]
"""The methods, the advised one first."""

OTHERS = [
    Rule(
        "prompt.length=16",
        lambda facts: facts.values_and_slots,
        Reason(
            "slots in each layer, as many as the form was compared with",
            STUDY,
            "conll2004 | deep-values-slots | span_f1 | 0.771 ± 0.013",
        ),
    ),
    Rule(
        "prompt.form=[values,slots]",
        lambda facts: facts.values_and_slots,
        Reason(
            "ahead of keys and values (0.635 there), with 16 slots, at learning rates of 0.001 to 0.006",
            STUDY,
            "conll2004 | deep-values-slots | span_f1 | 0.771 ± 0.013",
        ),
    ),
    Rule(
        "prompt.init=retrieve:runs",
        lambda facts: facts.rows <= FEW_ROWS and facts.only("tagging"),
        Reason(
            "a prompt pretrained on the kind gains thirteen points of entities with 64 rows; needs earlier runs",
            TRANSFER,
            "conll2004 | 64 | same kind | 0.566 ± 0.031 | 0.131 ± 0.018",
        ),
    ),
    Rule(
        "prompt.init=retrieve:runs",
        lambda facts: facts.rows <= FEW_ROWS and facts.only("span"),
        Reason(
            "a prompt pretrained on the kind gains 24 points of answers with 64 rows; needs earlier runs",
            TRANSFER,
            "squadshifts_new_wiki | 64 | same kind | 0.317 ± 0.018 | 0.239 ± 0.018",
        ),
    ),
    Rule(
        "prompt.init=retrieve:runs",
        lambda facts: facts.rows <= FEW_ROWS and facts.only(*POOLED),
        Reason(
            "a prompt pretrained on the kind gains seven points of sentiment with 64 rows; needs earlier runs",
            TRANSFER,
            "sst2 | 64 | same kind | 0.784 ± 0.033 | 0.071 ± 0.028",
        ),
    ),
    Rule(
        "head.pooling=mean",
        lambda facts: not facts.decoder and facts.only(*POOLED) and facts.rows <= FEW_ROWS,
        Reason(
            "where the first token is read, random prompts start lower (0.709 with the mean of the states)",
            VARIANTS,
            "sst2 | reads the first token | scratch | 0.574 ± 0.060",
        ),
    ),
    Rule(
        "backbone.dtype=bfloat16",
        lambda facts: 4 * facts.parameters / 1e9 > facts.memory / 4,
        Reason("the frozen weights alone take more than a quarter of the device", "2 bytes a weight instead of 4"),
    ),
    Rule(
        "backbone.gradient_checkpointing=true",
        lambda facts: 2 * facts.parameters / 1e9 > facts.memory / 2,
        Reason("the frozen weights take more than half of the device even in bfloat16", "less memory, more time"),
    ),
]
"""Settings beside method and length."""
