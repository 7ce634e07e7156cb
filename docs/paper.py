"""What each config of configs/paper should give, what it trains, and about what it costs.

Run: python docs/paper.py, which writes docs/paper.md.
"""

import re
from pathlib import Path

from ptv2.config.load import load_config
from ptv2.config.schema import Config

FOLDER = Path(__file__).resolve().parent.parent / "configs" / "paper"
PAGE = Path(__file__).with_name("paper.md")
LAYERS, WIDTH, FROZEN = 24, 1024, 302e6  # of all three backbones; weights of the layers, without embeddings
SPEED = 10e12  # FLOP/s that a GPU of the time of the paper keeps up in float32
ROWS = {  # of the official training splits, and tokens a row after padding or, without it, roughly on average
    "boolq": (9_427, 128),
    "copa": (800, 128),  # 400 rows of two choices
    "rte": (2_490, 128),
    "wic": (5_428, 128),
    "wsc": (554, 128),
    "conll2003": (14_041, 25),
    "conll2004": (910, 40),
    "ontonotes5": (59_924, 25),
    "squad": (87_599, 384),
    "squad_v2": (130_319, 384),
}
HEAD = """\
# Reproduce the paper

[configs/paper](../configs/paper/roberta-large_rte.yaml) has a config for each row of the official table: the settings
of the scripts in the authors' [P-Tuning v2 code](https://github.com/THUDM/P-tuning-v2), one file a row. "Published"
is the table in its README, at the best epoch on development rows, so compare it with the validation score that
`ptv2.fit` prints.

**No row of this table has been run yet**: it takes the hub and GPU hours. What is tested is that the settings are
those of the scripts (`tests/config/test_configs.py`) and that prompts are computed as the official code does: layout
of the numbers, positions, projection, dropout per example (`tests/golden/test_official_layout.py`,
`tests/golden/test_prompt_dropout.py`). [From the official code](from-official.md) puts both side by side.

    python -m ptv2.fit --config configs/paper/roberta-large_rte.yaml
    python -m ptv2.slurm --config configs/paper/roberta-large_rte.yaml --array seed=11,12,13    # one seed is one draw

| config | published | batch | lr | P | epochs | seed | prompt trains | PFLOP | hours |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|
"""
TAIL = """
- *prompt trains*: 2 x P x 24 x 1024 numbers, or the projection's. The artifact is that large in float32, folded.
- *PFLOP*: 4 x 302 million x tokens, for a forward pass and a backward pass without gradients of weights, with the
  rows of the official training splits; evaluation, attention and padding of short sentences are left out. *hours*: at
  10 TFLOP/s, about what a GPU of 2020 keeps up in float32. Arithmetic, not a measurement; on a newer GPU with TF32
  expect a fraction of it.
- Memory: the frozen weights in float32 take 1.4 GB, activations of 32 rows of 128 tokens about 10 GB, so one GPU of
  16 GB does for these configs. Less of it: `backbone.gradient_checkpointing=true` (the same gradients), or
  `backbone.dtype=bfloat16` (no longer the published setting).
- CoNLL-2005 and CoNLL-2012 are sold by the LDC: add `task.dataset.path=FOLDER` with the fields of the card. How many
  rows they have depends on the release, so no cost is computed.
- Rows without a published seed of their own have that of the script. The paper gives no deviation over seeds; RTE,
  COPA and WSC have a few hundred development rows, where two seeds differ by points.

Multitask rows of the paper (data sets of one kind joined): `configs/pretrain/ner.yaml`, `srl.yaml`, `qa.yaml`, then
`configs/transfer`; the official code never had them, so they follow the text of the paper
([multitask.md](multitask.md)).

For a new task the authors advise learning rates of 1e-3 to 1e-2, P of 4 to 128, and 50 to 100 epochs on small sets:

    python -m ptv2.search --config configs/search/paper.yaml --base my.yaml
"""


def page() -> str:
    """Write the page docs/paper.md."""
    return HEAD + "".join(line(path) for path in sorted(FOLDER.glob("*.yaml"))) + TAIL


def line(path: Path) -> str:
    """Write the line of a config."""
    config, first = load_config(path), path.read_text(encoding="utf-8").splitlines()[0]
    found = re.search(r"published: (.*) at the best", first)
    assert found is not None
    ((task, _),) = config.tasks.items()
    epochs = config.trainer["max_epochs"]
    settings = [config.data.batch_size, config.optim.lr, config.prompt.length, epochs, config.seed]
    cost = ["", ""]
    if task in ROWS:
        rows, tokens = ROWS[task]
        flop = 4 * FROZEN * rows * tokens * epochs
        cost = [f"{flop / 1e15:,.2g}" if flop < 1e16 else f"{flop / 1e15:,.0f}", f"{flop / SPEED / 3600:.2g}"]
    cells = [f"[{path.stem}](../configs/paper/{path.name})", found[1], *settings, f"{trained(config):,}", *cost]
    return f"| {' | '.join(map(str, cells))} |\n"


def trained(config: Config) -> int:
    """Count the numbers of the prompt: its vectors, or those of the projection that makes them."""
    length, width = config.prompt.length, config.prompt.projection
    assert isinstance(length, int)
    made = 2 * LAYERS * WIDTH
    if width is None:
        return length * made
    return length * WIDTH + WIDTH * width + width + width * made + made


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
