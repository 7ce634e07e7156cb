"""`/v1/completions`: a generating artifact for clients of OpenAI's interface."""

import pytest
from seq2seq_models import loaded_tokenizer, save_lm
from served import SOURCE, TEXT, drawn_artifact

import ptv2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("writers")
    backbone = save_lm("llama", root / "backbone")
    for seed, name in enumerate(("first", "second")):
        drawn_artifact(root / "served" / name, backbone, {"text": SOURCE}, seed, prompt={"length": 3 + seed})
    template = SOURCE | {"inputs": {"source": "{title}. {body}"}}
    drawn_artifact(root / "served" / "template", backbone, {"text": template}, prompt={"length": 3})
    drawn_artifact(root / "served" / "several", backbone, {"text": SOURCE, "topics": TEXT}, prompt={"length": 3})
    return root / "served"


@pytest.fixture(scope="module")
def writers(folder, serving):
    with serving(folder) as made:
        yield made


@pytest.mark.parametrize("name", ["first", "second"])
def test_a_text_is_completed_as_predict_writes_it(writers, folder, name):
    sources = ["the cat sees a red hen", "a big dog"]
    answer = writers("POST", "/v1/completions", {"model": name, "prompt": sources, "temperature": 0, "n": 1})
    written = [record["prediction"] for record in ptv2.load(folder / name).predict([{"text": t} for t in sources])]
    assert answer.status == 200
    assert [choice["text"] for choice in answer.json["choices"]] == written
    assert (answer.json["object"], answer.json["model"]) == ("text_completion", name)
    usage, tokenizer = answer.json["usage"], loaded_tokenizer("llama")
    assert usage["prompt_tokens"] == sum(len(tokenizer(f"{text}")["input_ids"]) + 1 for text in sources)  # a line break
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    for choice, text in zip(answer.json["choices"], written, strict=True):
        assert choice["finish_reason"] in ("stop", "length") and choice["text"] == text


def test_fewer_tokens_are_written_where_fewer_are_asked_for(writers):
    answers = [
        writers("POST", "/v1/completions", {"model": "first", "prompt": "a big dog", "max_tokens": n}) for n in (2, 6)
    ]
    short, whole = (answer.json["choices"][0]["text"] for answer in answers)
    assert answers[0].json["usage"]["completion_tokens"] <= 2 and whole.startswith(short) and short != whole


def test_predict_writes_too(writers, folder):
    rows = [{"text": "Rome", "id": 3}]
    assert writers.predict("second", rows).json["records"] == ptv2.load(folder / "second").predict(rows)


@pytest.mark.parametrize(
    ("changes", "status", "code", "words"),
    [
        ({"model": "third"}, 404, "no_such_artifact", "no artifact 'third'"),
        ({"prompt": 3}, 422, "bad_request", "prompt"),
        ({"prompt": []}, 422, "no_rows", "at least one"),
        ({"prompt": [1, 2]}, 422, "bad_request", "prompt"),
        ({"stream": True}, 422, "unsupported", "'stream' is decided by"),
        ({"temperature": 0.7}, 422, "unsupported", "'temperature' is decided by"),
        ({"n": 2}, 422, "unsupported", "'n'"),
        ({"max_token": 2}, 422, "unknown_field", "did you mean 'max_tokens'?"),
        ({"max_tokens": 7}, 422, "too_many_tokens", "1 to 6"),
        ({"max_tokens": 0}, 422, "too_many_tokens", "1 to 6"),
        ({"model": "several"}, 422, "not_generating", "use /v1/predict"),
        ({"model": "template"}, 422, "several_fields", "reads the fields title, body"),
        ({"prompt": ["a", ""]}, 422, "bad_rows", "row 1"),
    ],
)
def test_what_a_card_decides_is_refused(writers, changes, status, code, words):
    answer = writers("POST", "/v1/completions", {"model": "first", "prompt": "a big dog"} | changes)
    assert (answer.status, answer.code) == (status, code) and words in answer.json["error"]["message"]
