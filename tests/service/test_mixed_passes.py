"""Rows of artifacts that differ in kind, form, length and layers share a pass and are answered as by `predict`."""

import pytest
from seq2seq_models import save_lm
from served import ENCODER_ARTIFACTS, ROWS, SOURCE, TEXT, drawn_artifact, rows_for
from transformers import BertModel

import ptv2
from ptv2.config.run import PredictionsConfig
from ptv2.rows.asked import of_python
from ptv2.service.folder import ArtifactFolder
from ptv2.service.jobs import read_job
from ptv2.service.limits import Limits
from ptv2.service.passes import _output
from ptv2.service.start import start

MIXED = [name for name, (_, keys) in ENCODER_ARTIFACTS.items() if keys.get("method") != "prompt"]
SAME_MEMORY = [name for name in MIXED if name != "passages"]  # another feature map would not be one pass


def assert_same(records, wanted):
    """Equal but for the last digits of scores, which depend on how rows are padded and multiplied together."""
    assert len(records) == len(wanted)
    for record, other in zip(records, wanted, strict=True):
        assert record.keys() == other.keys()
        for key, value in record.items():
            close = isinstance(value, float) or key == "scores"
            assert value == (pytest.approx(other[key], abs=5e-6) if close else other[key]), key


def answers(folder, asked, **limits):
    """Ask for rows of artifacts, all before the first pass; return their records and the service."""
    service, left_out = start(ArtifactFolder(folder), Limits(**limits))
    assert left_out == []
    jobs = []
    for name, rows in asked:
        joined = service.residents.join(service.held[name])
        jobs.append(read_job(joined, of_python(rows), None, False, 10_000))
        service.engine.submit(jobs[-1])
    service.start()
    for job in jobs:
        job.done.result(timeout=60)
    service.close()
    return [job.records(PredictionsConfig()) for job in jobs], service.metrics


def test_artifacts_of_all_kinds_and_forms_share_one_pass(encoder_folder):
    asked = [(name, rows_for(ENCODER_ARTIFACTS[name][0])) for name in SAME_MEMORY]
    made, metrics = answers(encoder_folder, asked)
    assert (metrics.passes, metrics.artifacts) == (1, len(asked))
    for (name, rows), records in zip(asked, made, strict=True):
        assert_same(records, ptv2.load(encoder_folder / name).predict(rows))


@pytest.mark.parametrize("limits", [{"batch_rows": 3}, {"batch_tokens": 60}, {"batch_rows": 1}])
def test_it_does_not_matter_how_rows_fall_into_passes(encoder_folder, limits):
    asked = [(name, rows_for(ENCODER_ARTIFACTS[name][0])) for name in ENCODER_ARTIFACTS]
    made, metrics = answers(encoder_folder, asked, **limits)
    assert metrics.passes > len(asked) / 2
    for (name, rows), records in zip(asked, made, strict=True):
        assert_same(records, ptv2.load(encoder_folder / name).predict(rows))


def test_prompts_at_the_input_go_alone(encoder_folder):
    asked = [(name, rows_for(TEXT)) for name in ("input", "topics", "voted", "long")]
    _, metrics = answers(encoder_folder, asked)
    assert (metrics.passes, metrics.artifacts) == (3, 4)


def test_each_artifact_is_read_with_the_pooler_that_its_run_drew(tmp_path, encoder_folder, tiny_bert):
    """The checkpoint has no pooler: every run draws its own."""
    bare = tmp_path / "backbone"
    model = BertModel.from_pretrained(tiny_bert, add_pooling_layer=False)
    model.save_pretrained(bare)
    for file in tiny_bert.glob("tokenizer*"):
        (bare / file.name).write_bytes(file.read_bytes())
    folder = tmp_path / "served"
    for seed in (1, 2):
        drawn_artifact(folder / f"pooled-{seed}", bare, {"topics": TEXT}, seed, head={"pooling": "pooler"})
        drawn_artifact(folder / f"mean-{seed}", bare, {"topics": TEXT}, seed)
    asked = [(name, rows_for(TEXT)) for name in ("pooled-1", "mean-1", "pooled-2", "mean-2", "pooled-1")]
    made, metrics = answers(folder, asked)
    assert metrics.passes == 3  # one for each pooler, one for those that read none
    for (name, rows), records in zip(asked, made, strict=True):
        assert_same(records, ptv2.load(folder / name).predict(rows))


@pytest.mark.parametrize("family", ["llama", "gpt2", "t5", "bart"])
def test_texts_of_several_artifacts_are_written_together(family, tmp_path):
    backbone = save_lm(family, tmp_path / "backbone")
    prompts = {"first": {"length": 5}, "second": {"length": 2, "layers": "top:1"}}
    if family == "gpt2":
        prompts["third"] = {"length": 3, "position_offset": True}
    folder = tmp_path / "served"
    for seed, (name, prompt) in enumerate(prompts.items()):
        drawn_artifact(folder / name, backbone, {"text": SOURCE}, seed, prompt=prompt)
    shorter = SOURCE | {"options": {"max_target_length": 3}}
    drawn_artifact(folder / "shorter", backbone, {"text": shorter}, 7, prompt={"length": 4})
    beams = SOURCE | {"options": {"max_target_length": 6, "generation": {"num_beams": 3}}}
    for seed, name in enumerate(("wide", "wider")):
        drawn_artifact(folder / name, backbone, {"text": beams}, 8 + seed, prompt={"length": 2 + seed})
    asked = [(name, ROWS["seq2seq"]) for name in (*prompts, "shorter", "wide", "wider")]
    made, metrics = answers(folder, asked)
    assert (metrics.passes, metrics.artifacts) == (3, len(asked))  # settings of `generate` are a pass's own
    for (name, rows), records in zip(asked, made, strict=True):
        assert records == ptv2.load(folder / name).predict(rows)


def test_what_is_drawn_at_random_depends_on_no_other_request(tmp_path):
    backbone, folder = save_lm("llama", tmp_path / "backbone"), tmp_path / "served"
    draws = SOURCE | {"options": {"max_target_length": 6, "generation": {"do_sample": True}}}
    drawn_artifact(folder / "draws", backbone, {"text": draws}, prompt={"length": 3})
    made, metrics = answers(folder, [("draws", ROWS["seq2seq"])] * 2)
    assert metrics.passes == 2
    assert made[0] == made[1] == ptv2.load(folder / "draws").predict(ROWS["seq2seq"])


def test_one_artifact_with_tasks_that_read_other_things(tmp_path):
    backbone, folder = save_lm("gpt2", tmp_path / "backbone"), tmp_path / "served"
    drawn_artifact(folder / "both", backbone, {"topics": TEXT, "text": SOURCE}, prompt={"length": 3, "sharing": "task"})
    rows = [row | {"task": "topics"} for row in ROWS["cls"]] + [row | {"task": "text"} for row in ROWS["seq2seq"]]
    ((records,), _), wanted = answers(folder, [("both", rows)]), ptv2.load(folder / "both").predict(rows)
    assert_same(records, wanted)


@pytest.mark.parametrize(
    ("ids", "written", "ended"),
    [
        ([5, 6, 2, 0], 3, True),  # by its end token
        ([5, 6, 0, 0], 2, True),  # by a stop string, padded to the longest of its batch
        ([5, 6, 7, 8], 4, True),  # by a stop string, and the longest
        ([5, 6, 7, 8, 9], 5, False),  # cut
        ([0, 0, 0, 0], 0, True),
    ],
)
def test_a_texts_tokens_are_counted_without_padding(ids, written, ended):
    made = _output("x", ids, 2, pad=0, most=5)
    assert (made["written"], made["ended"]) == (written, ended)
