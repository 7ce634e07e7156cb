"""Pretrain the shared prompts that the study of the quickstart starts from: configs/pretrain/demo.yaml, three seeds.

Run: python -m experiments.demo.pretrain
"""

from pathlib import Path

from ptv2.backbone import quiet_transformers
from ptv2.commands.shell import quiet
from ptv2.config.load import load_config
from ptv2.train.fit import fit

CONFIG = Path(__file__).parents[2] / "configs" / "pretrain" / "demo.yaml"
SEEDS = (1, 2, 3)


def main() -> None:
    quiet_transformers()
    quiet()
    for seed in SEEDS:
        fit(load_config(CONFIG, [f"seed={seed}", f"run.name=pretrain-demo-{seed}"]))


if __name__ == "__main__":
    main()
