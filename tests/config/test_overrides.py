"""What the text of `key=value` on the command line means: the type of the key decides."""

import pytest

from ptv2.config.load import make_config, to_plain
from ptv2.config.overrides import as_overrides
from ptv2.config.text import value_of
from ptv2.errors import UserError

BASE = {"task": "glue/rte", "backbone": {"name": "tiny"}, "run": {"name": "run"}}


def value_at(override: str, **keys):
    plain = to_plain(make_config({**BASE, **keys}, [override]))
    for key in override.partition("=")[0].replace("task.", "tasks.rte.").split("."):
        plain = plain[key]
    return plain


TEXTS = (
    "20240501_1230",
    "007",
    "1e5",
    "0x1f",
    "12:30",
    "2024-05-01",
    "no",
    "true",
    "3.10",
    "set #2",
    "#2",
    "[draft]",
    "a: b",
    "{text} is it",
    "- x",
    "it's",
    "'a' and 'b'",
    "100%",
    "*",
    "naïve 中文",
    "a=b",
)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("key", ["run.name", "backbone.revision", "task.inputs.text", "task.label"])
def test_a_key_of_text_takes_it_as_it_stands(key, text):
    assert value_at(f"{key}={text}") == text


@pytest.mark.parametrize("text", ["text:Is it #sarcasm or a #joke", "text:yes: no", "text:[a] {b}", "text:007"])
def test_the_text_that_a_prompt_starts_from_is_kept_to_its_end(text):
    assert value_at(f"prompt.init={text}") == text


def test_quotes_around_the_whole_are_not_part_of_the_text():
    assert value_at("prompt.init='text: a #b'") == "text: a #b"
    assert value_at('backbone.revision="null"') == "null"


@pytest.mark.parametrize("text", ["null", "~", ""])
def test_null_is_no_text(text):
    assert value_at(f"backbone.revision={text}", backbone={"name": "tiny", "revision": "v2"}) is None
    with pytest.raises(UserError, match=r"command line: 'run\.name' has no value"):
        value_at(f"run.name={text}")


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("task.labels=[007,12:30]", ["007", "12:30"]),
        ("task.labels=[no, yes]", ["no", "yes"]),
        ("task.labels=[1.0, 1e3, 2024-05-01]", ["1.0", "1e3", "2024-05-01"]),
        ("task.labels=['null', a]", ["null", "a"]),
        ("task.labels=null", None),
        ("task.inputs={text: 007, pair: '{a} #1'}", {"text": "007", "pair": "{a} #1"}),
        ("import=[mine.py]", ["mine.py"]),
        ("data.limit={train: 5}", {"train": 5}),
        ("seed=010", 10),
        ("optim.lr=1e-3", 1e-3),
        ("trainer.max_time=12:30", "12:30"),
        ("task.options.words=a #b", "a #b"),
        ("task.options.words=[1, a]", [1, "a"]),
        ("task.options.words={a: 1}", {"a": 1}),
        ("task.options.words=5", 5),
    ],
)
def test_lists_mappings_and_numbers_are_read_as_yaml_with_their_texts_kept(override, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("")
    found = value_at(override, task={"card": "glue/rte", "inputs": {"text": "t", "pair": "p"}})
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("empty", ["null", "{}"])
@pytest.mark.parametrize(
    ("key", "held"),
    [
        ("data.limit", {"data": {"limit": {"train": 5}}}),
        ("mixture.loss_weights", {"mixture": {"loss_weights": {"rte": 2.0}}}),
        ("trainer", {"trainer": {"max_epochs": 3}}),
        ("task.options", {"task": {"card": "glue/rte", "options": {"a": 1}}}),
        ("task.dataset.splits", {}),
    ],
)
def test_null_and_braces_empty_a_mapping(key, held, empty):
    assert value_at(f"{key}={empty}", **held) == {}


def test_a_mapping_that_was_emptied_takes_new_keys():
    overrides = ["data.limit={}", "data.limit.test=3"]
    config = make_config({**BASE, "data": {"limit": {"train": 5}}}, overrides)
    assert config.data.limit == {"test": 3}


def test_another_mapping_adds_its_keys():
    assert value_at("data.limit={test: 3}", data={"limit": {"train": 5}}) == {"train": 5, "test": 3}


def test_what_the_file_leaves_out_may_stand_on_the_command_line():
    assert make_config({"task": "glue/rte", "run": {"name": "a"}}, ["backbone.name=b"]).backbone.name == "b"


def test_the_tasks_of_the_file_are_replaced():
    assert list(make_config(BASE, ["tasks={a: glue/rte, b: glue/sst2}"]).tasks) == ["a", "b"]
    assert list(make_config(BASE, ["tasks={a: glue/rte, b: glue/sst2}", "task=glue/cola"]).tasks) == ["cola"]
    changed = make_config(BASE, ["task={card: glue/cola, max_length: 40, labels: [no, 007]}"]).tasks["cola"]
    assert (changed.max_length, changed.labels) == (40, ["no", "007"])
    assert make_config(BASE, ["tasks={a: glue/rte, b: {card: glue/sst2, max_length: 64}}"]).tasks["b"].max_length == 64


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("task.inputs={text:", "unreadable value: .*; quote it, as in"),
        ("task.inputs={text: a", "unreadable value: .*; quote it, as in"),
        ("task.labels=[a,", "unreadable value: .*; quote it, as in"),
        ("a}", "'a}' is not key=value; write e.g. optim.lr=0.01, in quotes where"),
        ("task.labels=neg,pos", r"'tasks.rte.labels' is 'neg,pos', not a list; write tasks.rte.labels=\[neg,pos\]"),
        ("task.labels=[a, null]", "labels"),
        ("task.inputs=text", r"'tasks.rte.inputs' is 'text', not a mapping; write tasks.rte.inputs.NAME=VALUE"),
        ("seed=12:30", "'seed'"),
        ("seed={a: 1}", "'seed' is '{'a': 1}', not a single value"),
        ("prompt=null", "'prompt' is 'null', not a mapping"),
        ("prompt.gate.x=1", "'prompt.gate'"),
        ("prompt.layers[0]=1", r"unknown key 'prompt.layers\[0\]'; did you mean 'layers'"),
        ("imports=[a.py]", "unknown key 'imports'; did you mean 'import'"),
        ("import=a.py", r"'import' is 'a.py', not a list; write import=\[a.py\]"),
        ("data.limit={train:5}", "write a blank behind the colon: train: 5"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_one_line(override, says):
    with pytest.raises(UserError, match=f"^command line: .*{says}") as error:
        value_at(override)
    assert "\n" not in str(error.value) and "AnyNode" not in str(error.value)


@pytest.mark.parametrize("name", ["&x", "!!int 3", "!x", "# x", "*x", "@x", "[a]"])
def test_signs_of_yaml_are_part_of_a_text(name):
    assert value_of(name, str) == name


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ("optim.lr=", "command line: 'optim.lr' has no value; give it a value"),
        ("import=null", "command line: 'import' has no value; give it a value"),
        ("data.limit.train=null", "command line: 'data.limit.train' has no value; give it a value"),
        ("optim.lr=inf", "config: 'optim.lr' is inf; use a number above 0"),
        ("prompt.init_std=inf", "config: 'prompt.init_std' is inf; use 0 or more"),
        ("run.name=a\0b", "config: 'run.name' holds a character that is no text; leave it out"),
        ("run.name=a\nb", "config: 'run.name' holds a character that is no text; leave it out"),
        ("run.folder=a\0b", "config: 'run.folder' holds a character that is no text; leave it out"),
        ("run.name=" + "x" * 300, "config: 'run.name' is too long for a folder; use 255 bytes or fewer"),
        ("run.name=..", "config: 'run.name' is '..', which leads out of 'run.folder'; use a name"),
        ("run.name=a/../../b", "config: 'run.name' is 'a/../../b', which leads out of 'run.folder'; use a name"),
        ("run.name=/tmp/a", "config: 'run.name' is '/tmp/a', which leads out of 'run.folder'; use a name"),
        ("trainer.deterministic=x", "config: 'trainer.deterministic' is 'x'; use true, false or warn"),
        ("trainer.barebones=true", "config: 'trainer.barebones' is not supported; leave it out"),
    ],
)
def test_what_no_run_can_have_is_refused(item, says):
    values = {"task": "demo/bbc_topic", "backbone": {"name": "none"}, "run": {"name": "a"}}
    with pytest.raises(UserError) as refused:
        make_config(values, [item])
    assert str(refused.value).startswith(says)


def test_an_empty_group_changes_nothing():
    values = {"task": "demo/bbc_topic", "backbone": {"name": "none"}, "run": {"name": "a/b"}, "optim": {"lr": 3}}
    assert make_config(values, ["optim={}"]).optim.lr == 3


@pytest.mark.parametrize(
    "text",
    ["\nAnswer:", "Answer: ", " # ", "# x", "a: b", "- a", '"quoted"', "'", "!x", "*", "plain", "é\x85b", "a\u2028b"],
)
def test_a_text_of_python_stands_in_the_config_as_it_is(text):
    made = make_config(BASE, as_overrides({"task.options.separator": text, "prompt.init": f"text:{text}"}))
    assert made.tasks["rte"].options["separator"] == text
    assert made.prompt.init == f"text:{text}"


@pytest.mark.parametrize("given", ["null", "[a, b]", "{a: 1}", "0.01", "true"])
def test_a_text_of_python_may_be_yaml(given):
    assert as_overrides({"data.limit": given}) == [f"data.limit={given}"]


def test_a_list_of_python_keeps_the_line_breaks_in_its_texts():
    made = make_config(BASE, as_overrides({"task.options.words": {"a": ["é\x85b", "a\u2028b"]}}))
    assert made.tasks["rte"].options["words"] == {"a": ["é\x85b", "a\u2028b"]}
