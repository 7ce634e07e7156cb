"""A prompt as a state of llama.cpp, byte by byte. That the engine reads it is for experiments/judges to say."""

import json
import struct

import pytest
import torch
from exchanged import encoder_artifact, lm_artifact
from safetensors.torch import load_file

import ptv2
from ptv2.exchange.llama import side_by_side, state_file
from ptv2.exchange.rotary import half_turned, pairs_turned, rotated

P, G, D, LAYERS = 4, 2, 8, 2
DTYPES = {"f32": torch.float32, "f16": torch.float16}


def parsed(data: bytes, dtype: torch.dtype) -> tuple[dict, list[torch.Tensor], list[torch.Tensor]]:
    """Read a file as llama.cpp's sources do: its header, and keys and values [P, G * D] of each layer."""
    at = 0

    def take(form: str) -> tuple:
        nonlocal at
        found = struct.unpack_from(f"<{form}", data, at)
        at += struct.calcsize(f"<{form}")
        return found

    def numbers(count: int) -> torch.Tensor:
        nonlocal at
        found = torch.frombuffer(bytearray(data[at : at + count * dtype.itemsize]), dtype=dtype)
        at += count * dtype.itemsize
        return found

    magic, version, count = take("4sII")
    tokens = take(f"{count}i")
    streams, cells = take("II")
    positions = [take("iIi") for _ in range(cells)]
    transposed, layers = take("II")
    keys, values = [], []
    for _ in range(layers):
        kind, row = take("iQ")
        assert kind == (dtype == torch.float16)
        keys.append(numbers(cells * row // dtype.itemsize).unflatten(0, (cells, -1)))
    for _ in range(layers):
        if transposed:
            kind, size, width = take("iII")
            assert size == dtype.itemsize
            values.append(numbers(cells * width).unflatten(0, (width, cells)).T)
        else:
            kind, row = take("iQ")
            values.append(numbers(cells * row // dtype.itemsize).unflatten(0, (cells, -1)))
    assert at == len(data)
    head = {"magic": magic, "version": version, "tokens": tokens, "streams": streams, "cells": positions}
    return head | {"transposed": transposed}, keys, values


@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_it_holds_the_keys_and_values_of_the_cache(family, offset, tmp_path):
    """Those of form kv, which count P positions, in the family's layout."""
    path = lm_artifact(family, tmp_path, prompt={"position_offset": offset})
    exported = ptv2.export(path, "llama-state", tmp_path / "state")
    assert any("keys are turned by 4 positions" in note for note in exported.notes) == (not offset)
    assert any("for llama.cpp v0.5.0, tried with node-llama-cpp 3.22.1" in note for note in exported.notes)
    ptv2.export(path, "kv", tmp_path / "kv")
    held = load_file(tmp_path / "kv" / "kv.safetensors")
    for name, dtype in DTYPES.items():
        for flash in (False, True):
            data = (tmp_path / "state" / f"{name}{'-flash' * flash}.bin").read_bytes()
            head, keys, values = parsed(data, dtype)
            assert head == {
                "magic": b"qsgg",
                "version": 3,
                "tokens": (1,) * P,
                "streams": 1,
                "cells": [(position, 1, 0) for position in range(P)],
                "transposed": int(not flash),
            }
            assert len(keys) == len(values) == LAYERS
            for layer in range(LAYERS):
                key_GPD, value_GPD = held[f"decoder.{layer}"]
                key_GPD = side_by_side(key_GPD) if family == "llama" else key_GPD
                assert torch.equal(keys[layer], key_GPD.transpose(0, 1).flatten(1).to(dtype))
                assert torch.equal(values[layer], value_GPD.transpose(0, 1).flatten(1).to(dtype))


def test_what_stands_beside_the_files_names_the_release(tmp_path):
    ptv2.export(lm_artifact("llama", tmp_path), "llama-state", tmp_path / "state")
    about = json.loads((tmp_path / "state" / "state.json").read_text(encoding="utf-8"))
    engine = {"program": "llama.cpp", "release": "v0.5.0", "state": 3, "tried with": "node-llama-cpp 3.22.1"}
    assert about["engine"] == engine and about["positions"] == P and about["layers"] == LAYERS
    assert about["keys"] == "rotary pairs side by side" and about["backbone"]["family"] == "llama"
    names = {path.name for path in (tmp_path / "state").iterdir()}
    assert names == {"f32.bin", "f16.bin", "f32-flash.bin", "f16-flash.bin", "state.json"}


def test_pairs_side_by_side_turn_as_pairs_half_a_width_apart():
    generator = torch.Generator().manual_seed(0)
    key_GPD = torch.randn(G, P, D, generator=generator, dtype=torch.double)
    angles = torch.rand(D // 2, generator=generator, dtype=torch.double)
    apart, near = torch.cat([angles, angles]), angles.repeat_interleave(2)
    turned = rotated(key_GPD, apart.cos(), apart.sin(), half_turned)
    expected = rotated(side_by_side(key_GPD), near.cos(), near.sin(), pairs_turned)
    torch.testing.assert_close(side_by_side(turned), expected, atol=1e-12, rtol=0)


def test_one_cell_by_hand():
    """As a state of one token is saved: magic, version, one token, one stream with one cell, then two numbers each."""
    key_PN, value_PN = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]])
    head = struct.pack("<4s3I 2I 3I", b"qsgg", 3, 1, 7, 1, 1, 0, 1, 0)
    by_position = struct.pack("<2I iQ2f iQ2f", 0, 1, 0, 8, 1.0, 2.0, 0, 8, 3.0, 4.0)
    by_number = struct.pack("<2I iQ2f i2I2f", 1, 1, 0, 8, 1.0, 2.0, 0, 4, 2, 3.0, 4.0)
    assert state_file([(key_PN, value_PN)], [7], flash=True) == head + by_position
    assert state_file([(key_PN, value_PN)], [7], flash=False) == head + by_number


REFUSED = [
    ("gpt2", {"position_offset": True}, "the layout of family 'gpt2' in a GGUF is not known here; use --form kv"),
    ("llama", {"layers": "top:1"}, "a state of llama.cpp has as many positions in every layer, and here they differ"),
    (
        "llama",
        {"form": "memory"},
        "a memory stands beside the softmax, which form 'llama-state' cannot hold",
    ),
    ("llama", {"gate": True}, "its gate scales the attention to the prompt"),
]


@pytest.mark.parametrize(("family", "prompt", "says"), REFUSED)
def test_what_a_state_cannot_hold_is_refused(family, prompt, says, tmp_path):
    path = lm_artifact(family, tmp_path, prompt=prompt)
    with pytest.raises(ptv2.UserError, match=says):
        ptv2.export(path, "llama-state", tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_encoders_and_vectors_at_the_input_are_refused(tmp_path):
    path = encoder_artifact("bert", tmp_path / "encoder", prompt={"position_offset": True})
    with pytest.raises(ptv2.UserError, match="the layout of family 'bert' in a GGUF is not known here"):
        ptv2.export(path, "llama-state", tmp_path / "state")
    path = lm_artifact("llama", tmp_path / "input", method="prompt")
    with pytest.raises(ptv2.UserError, match="holds method 'prompt', and form 'llama-state' holds keys and value"):
        ptv2.export(path, "llama-state", tmp_path / "state")
