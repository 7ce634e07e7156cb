"""Vectors: the numbers a prompt is made of, one vector per position and site.

A vector is what one prompt position holds at one site: a key and a value for every head (K/V form), or a hidden state
(hidden form). Vectors are parameters themselves, or come out of a projection. Shapes: P positions, F vector width.
"""

import torch
from torch import Tensor, nn


class DirectVectors(nn.Module):
    """Vectors as parameters, [P, F] per site; P may differ from site to site."""

    def __init__(self, vectors_PF: list[Tensor]):
        super().__init__()
        self.rows = nn.ParameterList(nn.Parameter(vector_PF.clone().float()) for vector_PF in vectors_PF)

    def forward(self) -> list[Tensor]:
        return list(self.rows)


class ProjectedVectors(nn.Module):
    """Vectors out of Embedding(P, D) -> Linear(D, hidden) -> Tanh -> Linear(hidden, sum of F), once for P positions.

    The "reparameterisation" of Prefix-Tuning (Li & Liang 2021, section 4.3), as `prefix_projection` of the official
    P-Tuning v2 code; drawn like its weights, N(0, std) with zero biases. A site with fewer positions takes the first.

    Args:
        lengths: P of each site.
        widths: F of each site.
        embedding_dim: D.
        hidden: width of the Tanh layer.
        std: of the weights at the start.
        start_PF: vectors that training starts from, such as those of words (section 7.4): they stay as they are and the
            projection is added, whose last layer is zero at first. None: what the drawn projection makes.
    """

    def __init__(
        self,
        lengths: list[int],
        widths: list[int],
        embedding_dim: int,
        hidden: int,
        std: float,
        start_PF: list[Tensor] | None = None,
    ):
        super().__init__()
        self.lengths, self.widths = lengths, widths
        self.embedding = nn.Embedding(max(lengths), embedding_dim)
        first, last = nn.Linear(embedding_dim, hidden), nn.Linear(hidden, sum(widths))
        self.project = nn.Sequential(first, nn.Tanh(), last)
        for module in (self.embedding, first, last):
            nn.init.normal_(module.weight, std=std)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
        if start_PF is not None:
            nn.init.zeros_(last.weight)
        for i, vector_PF in enumerate(start_PF or ()):
            self.register_buffer(f"start_{i}", vector_PF.clone())

    def forward(self) -> list[Tensor]:
        vectors = self.project(self.embedding.weight).split(self.widths, dim=1)
        made = [vector_PF[:length] for vector_PF, length in zip(vectors, self.lengths, strict=True)]
        start = dict(self.named_buffers())
        return [vector_PF + start[f"start_{i}"] for i, vector_PF in enumerate(made)] if start else made


class ResidualVectors(DirectVectors):
    """Vectors P + LayerNorm(W_up relu(W_down P)), one network for the positions of all matrices, which are of one F.

    Residual Prompt Tuning (arXiv 2305.03937), as `ResMLP` of its code (arazd/ResidualPrompts, prompt_tuner.py: MLP1,
    with the LayerNorm that is an option there); its text was not read for this. It is for a prompt at the input: that
    the layers of a deep prompt share the network is ours.
    """

    def __init__(self, vectors_PF: list[Tensor], hidden: int):
        super().__init__(vectors_PF)
        width = vectors_PF[0].shape[1]
        layers = (nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width), nn.LayerNorm(width))
        self.project = nn.Sequential(*layers)

    def forward(self) -> list[Tensor]:
        return [vector_PF + self.project(vector_PF) for vector_PF in self.rows]


class NormalisedVectors(nn.Module):
    """Vectors behind a LayerNorm each for the keys and the values of a site (the state of the hidden form: one).

    Args:
        vectors: what is normalised.
        splits: for each site the widths of what is normalised alone; they add up to F.
    """

    def __init__(self, vectors: nn.Module, splits: list[list[int]]):
        super().__init__()
        self.inner, self.splits = vectors, splits
        self.norms = nn.ModuleList(nn.LayerNorm(width) for split in splits for width in split)

    def forward(self) -> list[Tensor]:
        norms = iter(self.norms)
        return [
            torch.cat([next(norms)(part) for part in vector_PF.split(split, dim=1)], dim=1)
            for vector_PF, split in zip(self.inner(), self.splits, strict=True)
        ]


def from_official(weight: Tensor, layers: int) -> list[Tensor]:
    """Split the official prompt embedding [P, 2 * L * D] by layer; its part 2i is layer i's key, 2i + 1 its value.

    PEFT's `prompt_embeddings` has the same layout.
    """
    if weight.dim() != 2 or weight.shape[1] % (2 * layers):
        raise ValueError(f"{tuple(weight.shape)} is not [P, 2 * {layers} * D]")
    return [vector_PF.contiguous() for vector_PF in weight.chunk(layers, dim=1)]


def to_official(vectors_PF: list[Tensor]) -> Tensor:
    """Join K/V vectors of one length into the official embedding [P, 2 * L * D]."""
    return torch.cat(vectors_PF, dim=1)
