"""The prompt's vectors in TensorBoard's projector, and which words are nearest to them.

Shapes: P prompt positions, F vector width.
"""

import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ptv2.methods.deep.prompt import DeepPrompt
from ptv2.methods.vectors import VectorMethod
from ptv2.train.board.text import cell, table

NUMBERS = 500_000  # of a projection at most, some ten megabytes of text: of longer prompts only every n-th vector
SHOWN = 6  # positions of a layer in the table of words
ROWS_ARE_VECTORS = ("kv", "hidden", "slots")  # forms whose matrix has a row for each position


@torch.no_grad()
def show_prompts(writer: Any, method: VectorMethod, words: dict[str, list[list[str]]], step: int) -> None:
    """Write the projector's files and the table of words, of what tasks share or of each task.

    Args:
        writer: of the board.
        method: whose prompt it is.
        words: those nearest to each position of each matrix, by the names of `VectorMethod.sets`.
        step: of the prompt.
    """
    folder = Path(writer.log_dir)
    for old in folder.glob(f"{step:05}/prompt*"):  # of the same step, where a run that has ended trains on
        shutil.rmtree(old)
    for task, matrices_PF in method.sets().items():
        of = f".{task}" if task else ""
        for form, places in by_form(method, matrices_PF).items():
            matrix_NF, about = labelled(method, matrices_PF, words[task], places)
            every = -(-matrix_NF.numel() // NUMBERS)
            writer.add_embedding(
                matrix_NF[::every],
                metadata=about[::every],
                metadata_header=["position", "layer", "number", "nearest words"],
                tag=f"prompt{of}{form}",
                global_step=step,
            )
        if any(any(own) for own in words[task]):
            writer.add_text(f"prompts/words{of}", words_table(method.names(), words[task]), step)


def by_form(method: VectorMethod, matrices_PF: list[Tensor]) -> dict[str, list[int]]:
    """Sort the matrices whose rows can be compared: of one form and width; forms without such rows are left out."""
    found: dict[str, list[int]] = {}
    forms = [part.name for part in method.parts] if isinstance(method, DeepPrompt) else ["kv"] * len(matrices_PF)
    several = len(set(forms)) > 1
    widths = {(form, matrix.shape[1]) for form, matrix in zip(forms, matrices_PF, strict=True)}
    for i, (form, matrix) in enumerate(zip(forms, matrices_PF, strict=True)):
        if form in ROWS_ARE_VECTORS:
            wide = sum(other == form for other, _ in widths) > 1
            name = f".{form}" * several + f".{matrix.shape[1]}" * wide
            found.setdefault(name, []).append(i)
    return found


def labelled(
    method: VectorMethod, matrices_PF: list[Tensor], words: list[list[str]], places: list[int]
) -> tuple[Tensor, list[list[str]]]:
    """Join the rows of these matrices, with what the projector says of each."""
    layers = method.names()
    about = []
    for i in places:
        for number, near in enumerate(words[i]):
            about.append([f"{layers[i]} [{number}] {near}", layers[i], str(number), near])
    return torch.cat([matrices_PF[i].float().cpu() for i in places]), about


def words_table(layers: list[str], words: list[list[str]]) -> str:
    """Write the words of the first positions of each layer."""
    shown = [(layer, own[:SHOWN]) for layer, own in zip(layers, words, strict=True) if any(own)]
    most = max(len(own) for _, own in shown)
    rows = [[layer, *map(cell, own), *[""] * (most - len(own))] for layer, own in shown]
    return table(["layer", *(f"position {i}" for i in range(most))], rows)
