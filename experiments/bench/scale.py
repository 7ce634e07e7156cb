"""What a step costs, in arithmetic, memory and traffic: a small model in code, checked against what can be measured.

Matrix products are counted as 2 operations per multiplication and addition. With a frozen backbone the backward pass
computes gradients of activations alone: as much as the forward pass in linear layers, twice as much in attention; none
below the lowest prompted layer. A frozen linear layer keeps nothing for it but its weights.

Run: python -m experiments.bench.scale, which checks the model and writes scale.json and the tables of docs/scale.md

Shapes: T tokens of a row, P prompt positions, D width.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.pages import filled
from ptv2.backbone.targets import CHUNK

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "scale.md"
MARKS = ("<!-- {}: written by python -m experiments.bench.scale -->", "<!-- end -->")

GPU = {"name": "A100 80 GB", "flops": 312e12, "used": 0.4, "bytes_per_second": 25e9}
"""Dense bf16 peak, the share of it that training reaches (assumed), bandwidth between GPUs (one link of 200 Gb/s)."""


@dataclass(frozen=True)
class Stack:
    """Layers that follow each other."""

    layers: int
    width: int  # D
    heads: int
    kv_heads: int
    head_width: int
    inner: int  # of the feed-forward layer
    gated: bool = False
    kept_inner: int = 1  # values of the inner width that the activation keeps; 3: SiLU and gate, 6: T5's GELU and gate
    cross: bool = False  # attention to another stack's states beside that to its own
    biased: bool = False  # each head adds its own numbers to the scores, of every pair of positions (T5)

    @property
    def linear(self) -> int:
        """Weights of the matrices of one layer."""
        queries, keys = self.heads * self.head_width, self.kv_heads * self.head_width
        attention = self.width * (2 * queries + 2 * keys) * (2 if self.cross else 1)
        return attention + (3 if self.gated else 2) * self.width * self.inner

    @property
    def prompt(self) -> int:
        """Numbers of one prompt position in one layer."""
        return 2 * self.kv_heads * self.head_width * (2 if self.cross else 1)

    def attention(self, tokens: int, keys: int) -> int:
        """Operations of the two products of one row's attention in one layer."""
        return 4 * tokens * keys * self.heads * self.head_width


@dataclass(frozen=True)
class Model:
    """A backbone, and the batch that a device gets."""

    name: str
    stacks: tuple[Stack, ...]
    vocabulary: int
    rows: int
    tokens: tuple[int, ...]  # T, of each stack
    logits: bool = False  # whether the language model's head is computed, for tokens that are all targets
    tied: bool = True  # whether this head has the embeddings' weights

    @property
    def weights(self) -> int:
        """Frozen weights: layers and embeddings."""
        tables = self.vocabulary * self.stacks[0].width * (1 if self.tied else 2)
        return sum(s.layers * s.linear for s in self.stacks) + tables

    def trained(self, P: int) -> int:
        """Trained numbers of a deep prompt in all layers."""
        return sum(s.layers * s.prompt * P for s in self.stacks)

    def forward(self, P: int) -> tuple[int, int]:
        """Operations of a forward pass in linear layers (the head of a language model among them) and in attention."""
        linear = attention = 0
        for stack, T in zip(self.stacks, self.tokens, strict=True):
            own = stack.attention(T, T + P)
            if stack.cross:  # keys and values of the other stack are made of its tokens
                own += stack.attention(T, self.tokens[0] + P)
                moved = 2 * stack.width * stack.kv_heads * stack.head_width
                linear += 2 * stack.layers * self.rows * moved * (self.tokens[0] - T)
            linear += 2 * stack.layers * stack.linear * self.rows * T
            attention += stack.layers * self.rows * own
        linear += 2 * self.predicted * self.vocabulary * self.stacks[-1].width
        return linear, attention

    @property
    def predicted(self) -> int:
        """Positions whose logits are computed: a decoder alone is not asked for its first token."""
        return self.rows * (self.tokens[-1] - (len(self.stacks) == 1)) if self.logits else 0

    def step(self, P: int, full: bool = False) -> int:
        """Operations of a training step."""
        linear, attention = self.forward(P)
        return linear * (3 if full else 2) + attention * 3 - (0 if full else self.spared(P))

    def spared(self, P: int) -> int:
        """Operations that no backward pass needs: through queries, keys and values of first layers to embeddings."""
        spared = 0
        for stack, T in zip(self.stacks, self.tokens, strict=True):
            made = stack.width * (stack.heads + 2 * stack.kv_heads) * stack.head_width
            spared += self.rows * (2 * T * made + stack.attention(T, T + P) // 2)
        return spared

    def activations(self, P: int, bytes_each: int) -> int:
        """Bytes that the forward pass keeps for the backward pass, with prompts in all layers.

        Of each token in each layer: queries, keys, values (repeated for the queries' heads) and output of attention,
        the input of each norm, and what the activation keeps; the mask with its bias, if any; in float32 one number per
        head of attention and two per norm.
        """
        kept = 0
        for stack, T in zip(self.stacks, self.tokens, strict=True):
            for S in (T, self.tokens[0]) if stack.cross else (T,):
                queries, mask = stack.heads * stack.head_width, T * (S + P)
                mask *= stack.heads if stack.biased else 1
                kept += stack.layers * self.rows * bytes_each * (2 * queries * (T + S + P) + mask + T * stack.width)
                kept += stack.layers * self.rows * 4 * T * (stack.heads + 2)
            inner = T * (stack.width + stack.inner * stack.kept_inner)
            kept += stack.layers * self.rows * (bytes_each * inner + 8 * T)
        return kept + self.predicted * self.stacks[-1].width * bytes_each  # of the head, the gradient of what it reads

    def memory(self, P: int, devices: int = 1, sharded: bool = False) -> int:
        """Bytes on a device: bf16 weights, whole or sharded, activations, and 16 bytes for each trained number.

        A chunk's logits, their softmax and its gradient are there while the layers' activations are.
        """
        layers = sum(s.layers * s.linear for s in self.stacks)
        weights = self.weights if not sharded else self.weights - layers + layers // devices
        gathered = 2 * max(s.linear for s in self.stacks) if sharded else 0  # one layer, and the next on its way
        chunk = 3 * 4 * CHUNK if self.logits else 0
        return 2 * (weights + gathered) + self.activations(P, 2) + chunk + 16 * self.trained(P)

    def traffic(self, P: int, devices: int, sharded: bool = False) -> float:
        """Bytes that each device sends per step: prompts' gradients; sharded, each layer is gathered twice, too."""
        part = (devices - 1) / devices
        prompts = 2 * part * 4 * self.trained(P)
        layers = sum(s.layers * s.linear for s in self.stacks)
        return prompts + (2 * part * 2 * layers if sharded else 0)


BERT = Stack(24, 1024, 16, 16, 64, 4096)
T5_ENCODER = Stack(24, 2048, 32, 32, 64, 5120, gated=True, kept_inner=6, biased=True)
SMALL_T5 = Stack(4, 256, 4, 4, 64, 512, gated=True, kept_inner=6, biased=True)
MODELS = [
    Model("BERT-large", (BERT,), 30522, 32, (256,)),
    Model("RoBERTa-large", (BERT,), 50265, 32, (256,)),
    Model("T5-XL", (T5_ENCODER, replace(T5_ENCODER, cross=True)), 32128, 16, (512, 128), logits=True, tied=False),
    Model(
        "Llama-8B",
        (Stack(32, 4096, 32, 8, 128, 14336, gated=True, kept_inner=3),),
        128256,
        4,
        (1024,),
        logits=True,
        tied=False,
    ),
]
MEASURED = [
    Model("tiny BERT", (Stack(3, 64, 4, 4, 16, 128),), 1000, 4, (32,)),
    Model("MiniLM-L6", (Stack(6, 384, 12, 12, 32, 1536),), 30522, 8, (64,)),
    Model("small T5", (SMALL_T5, replace(SMALL_T5, cross=True)), 5000, 4, (48, 24), logits=True),
    Model("SmolLM2-135M", (Stack(30, 576, 9, 3, 64, 1536, gated=True, kept_inner=3),), 49152, 2, (64,), logits=True),
]


POSITIONS, DEVICES = (20, 100), (1, 8, 64)


def table(columns: list[str], rows: list[list[object]]) -> str:
    """Write a table in Markdown."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def seconds(model: Model, P: int, devices: int, sharded: bool) -> float:
    """Estimate the time of a step: layers are gathered while others compute, prompts' gradients are sent after all."""
    compute = model.step(P) / (GPU["flops"] * GPU["used"])
    prompts = model.traffic(P, devices) / GPU["bytes_per_second"]
    gathered = model.traffic(P, devices, sharded) / GPU["bytes_per_second"] - prompts
    return max(compute, gathered) + prompts


def costs(model: Model, P: int, devices: int) -> dict[str, float]:
    """Return what a step costs each device."""
    return {
        "P": P,
        "devices": devices,
        "trained": model.trained(P),
        "operations": model.step(P),
        "operations_of_full": model.step(0, full=True),
        "memory_ddp": model.memory(P),
        "memory_fsdp2": model.memory(P, devices, sharded=True),
        "traffic_ddp": model.traffic(P, devices),
        "traffic_fsdp2": model.traffic(P, devices, sharded=True),
        "seconds_ddp": seconds(model, P, devices, sharded=False),
        "seconds_fsdp2": seconds(model, P, devices, sharded=True),
    }


def cost_table(found: dict[str, list[dict[str, float]]]) -> str:
    """Write the costs of all models."""
    columns = ["backbone, P", "GPUs", "trained", "TFLOP a GPU", "of full", "memory DDP", "FSDP2", "sent DDP", "FSDP2"]
    rows = [
        [
            f"{name}, {line['P']:.0f}",
            f"{line['devices']:.0f}",
            f"{line['trained'] / 1e6:.1f} M",
            f"{line['operations'] / 1e12:.1f}",
            f"{line['operations'] / line['operations_of_full']:.0%}",
            *(f"{line[f'memory_{way}'] / 1e9:.1f} GB" for way in ("ddp", "fsdp2")),
            *(f"{line[f'traffic_{way}'] / 1e6:,.0f} MB" for way in ("ddp", "fsdp2")),
            *(f"{line[f'seconds_{way}']:.2f}" for way in ("ddp", "fsdp2")),
        ]
        for name, lines in found.items()
        for line in lines
    ]
    return table([*columns, "s DDP", "s FSDP2"], rows)


def check_table(points: list[dict[str, Any]]) -> str:
    """Write what the model says beside what was measured."""
    columns = ["backbone, P", "operations of a step", "modelled", "bytes kept", "modelled", "trained", "modelled"]
    rows = [
        [point["name"]]
        + [f"{point[way][key]:,}" for key in ("operations", "kept", "trained") for way in ("measured", "modelled")]
        for point in points
    ]
    return table(columns, rows)


def into_page(name: str, made: str) -> None:
    """Put a table into the page, between its marks."""
    marks = MARKS[0].format(name), MARKS[1]
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), marks, made), encoding="utf-8")


def main() -> None:
    """Check the model, then write what it says."""
    from experiments.bench.scale_points import measured

    points = []
    for model in MEASURED:
        for P in (16, 64):
            modelled = {"operations": model.step(P), "kept": model.activations(P, 4), "trained": model.trained(P)}
            points.append({"name": f"{model.name}, {P}", "measured": measured(model, P), "modelled": modelled})
            print(points[-1], flush=True)
    found = {model.name: [costs(model, P, n) for P in POSITIONS for n in DEVICES] for model in MODELS}
    written = {"gpu": GPU, "points": points, "costs": found}
    (HERE / "scale.json").write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    into_page("checks", check_table(points))
    into_page("costs", cost_table(found))


if __name__ == "__main__":
    main()
