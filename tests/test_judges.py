"""What stands in experiments/judges: programs of others and ptv2 agree, and the table says what the results say."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, quantize

from experiments.judges import __main__ as judges
from experiments.judges import llama
from experiments.judges.gguf_files import write_full, written
from experiments.judges.judge import Absent, Case, Judge
from experiments.judges.squad_rules import exact_and_f1, tokens_of
from experiments.judges.tagging import tag_words
from ptv2.metrics.qa import squad_em, squad_f1
from ptv2.metrics.split import Split

ROOT = Path(__file__).parent.parent
RESULTS = json.loads((ROOT / "experiments" / "judges" / "results.json").read_text(encoding="utf-8"))


def test_the_table_follows_from_the_results():
    assert (ROOT / "experiments" / "judges" / "table.md").read_text(encoding="utf-8") == judges.page(RESULTS)
    assert judges.summary(RESULTS) in (ROOT / "README.md").read_text(encoding="utf-8")
    assert list(RESULTS) == list(judges.NAMES)


@pytest.mark.parametrize("name", [name for name, result in RESULTS.items() if result["tolerance"] is not None])
def test_numbers_agree(name):
    assert judges.agrees(RESULTS[name]) and len(RESULTS[name]["cases"]) >= 6


def test_ptv2_passes_every_situation():
    cases = RESULTS["situations"]["cases"]
    assert {case["ours"] for case in cases} == {"passes"} and any(case["theirs"] != "passes" for case in cases)


@pytest.mark.parametrize(
    ("answer", "tokens"),
    [("The cat's a-hat!", ["cats", "ahat"]), ("an", []), ("Theatre a b", ["theatre", "b"]), ("É\u00a0x", ["é", "x"])],
)
def test_the_rules_of_squad_by_hand(answer, tokens):
    assert tokens_of(answer) == tokens


def test_the_rules_of_squad_are_those_of_ptv2():
    draw = random.Random(1)
    pieces = ["a", "the", "The", "cat", "cats.", "red", "-", "x-y", "", " ", "É"]
    for _ in range(500):
        answer, *gold = (" ".join(draw.choices(pieces, k=draw.randint(0, 4))) for _ in range(draw.randint(1, 4)))
        split = Split([answer], [gold])
        assert exact_and_f1(answer, gold) == pytest.approx((squad_em(split), squad_f1(split)), abs=1e-12), (
            answer,
            gold,
        )


def test_the_tagger_gives_a_word_its_commonest_tag():
    rows = [(["Ann", "saw"], ["B-P", "O"]), (["ann", "Ann"], ["I-P", "B-P"])]
    assert tag_words(rows, [["ANN", "saw", "Bob"]]) == [["B-P", "O", "O"]]


def judge(theirs, ours, tolerance):
    about = Judge("other", "title", "About.", ("pytest",), tolerance, lambda: [Case("a", "1 row", theirs, ours)])
    return about.run()


@pytest.mark.parametrize(
    ("theirs", "ours", "tolerance", "agrees"),
    [(0.5, 0.5, 1e-9, True), (0.5, 0.4, 1e-9, False), (float("nan"), 0.5, 1e-9, False), ("x", "y", None, None)],
)
def test_a_difference_is_told(theirs, ours, tolerance, agrees):
    result = judge(theirs, ours, tolerance)
    assert judges.agrees(result) is agrees
    assert ("DIFFER" in judges.verdict(result)) == (agrees is False) and "| a |" in judges.page({"x": result})


def test_a_package_that_is_missing_is_named():
    with pytest.raises(Absent, match="no-such-package is not installed"):
        Judge("x", "x", "x", ("no-such-package",), None, lambda: []).run()


@pytest.fixture
def engine_of(tmp_path, monkeypatch):
    """Makes a folder in which npm has installed this version of the package, as far as the judge looks."""
    monkeypatch.setenv("PTV2_NODE", str(tmp_path))
    monkeypatch.setattr(llama.shutil, "which", lambda _: "/usr/bin/node")

    def install(version: str) -> Path:
        package = tmp_path / "node_modules" / "node-llama-cpp"
        package.mkdir(parents=True)
        (package / "package.json").write_text(json.dumps({"version": version}))
        return package

    return install


def test_an_engine_that_is_missing_is_named(engine_of):
    with pytest.raises(Absent, match=r"PTV2_NODE \(npm install --ignore-scripts node-llama-cpp@3\.22\.1\)"):
        llama.engine()


def test_an_engine_of_another_version_is_refused_by_name(engine_of):
    engine_of("3.20.0")
    with pytest.raises(Absent, match=r"node-llama-cpp 3\.20\.0 is installed, and states are written for that of"):
        llama.engine()


def test_the_engine_that_make_installs_is_the_one_that_files_are_written_for(engine_of):
    package = engine_of(llama.PACKAGE.split()[1])
    assert llama.engine() == package
    assert llama.PACKAGE.replace(" ", "@") in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_beside_a_cache_of_float16_keys_and_values_are_rounded_to_it():
    cache, states_BGSD = llama.HalvedCache(), torch.full((1, 1, 1, 2), 1 / 3)
    for count in (1, 2):
        kept = cache.update(states_BGSD, -states_BGSD, 0)
        expected = states_BGSD.half().float().expand(1, 1, count, 2)
        assert torch.equal(kept[0], expected) and torch.equal(kept[1], -expected)
        assert kept[0].dtype == torch.float32 and not torch.equal(expected[:, :, :1], states_BGSD)


@pytest.mark.parametrize(
    ("own", "found", "place", "others"),
    [
        ([5, 6, 2, 2], [5, 7, 8], 1, [7]),
        ([5, 6, 7, 2], [5, 6], 2, [2, 3]),  # theirs is over
        ([5, 2, 2, 2], [5, 6, 7], 1, [6]),  # ours is
    ],
)
def test_where_texts_part_and_at_which_tokens(own, found, place, others):
    assert llama.parting(own, found, [2, 3]) == (place, others)


def test_a_quantised_gguf_is_written_out_in_full(tmp_path):
    numbers = np.linspace(-1, 1, 64, dtype=np.float32).reshape(2, 32)
    made = GGUFWriter(tmp_path / "small.gguf", "llama")
    made.add_block_count(1)
    made.add_tensor("weight", quantize(numbers, GGMLQuantizationType.Q8_0), raw_dtype=GGMLQuantizationType.Q8_0)
    written(made, tmp_path / "small.gguf")
    read = GGUFReader(write_full(tmp_path / "small.gguf", tmp_path / "full.gguf"))
    (tensor,) = read.tensors
    assert tensor.tensor_type == GGMLQuantizationType.F32 and read.fields["llama.block_count"].contents() == 1
    np.testing.assert_allclose(tensor.data, numbers, atol=0.01)
