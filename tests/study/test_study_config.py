"""What a comparison's file says, and what is refused in one line."""

import pytest
import yaml

from ptv2.config.load import make_config
from ptv2.errors import UserError
from ptv2.study.config import read_study


def config_of(study, task, method):
    values, overrides = study.values(task, method)
    return make_config({**values, "run": {"name": "x"}}, overrides)


def test_a_cell_is_the_base_with_its_task_and_the_methods_overrides(study):
    made = study(
        limit={"test": 5}, methods={"long": ["prompt.length=32", "task.max_length=24"], "full": ["method=full"]}
    )
    topics, entities = config_of(made, "topics", "long"), config_of(made, "entities", "full")
    assert (topics.method, topics.prompt.length, topics.data.limit) == ("deep", 32, {"test": 5})
    assert {name: (card.name, card.max_length) for name, card in topics.tasks.items()} == {
        "topics": ("demo/bbc_topic", 24)
    }
    assert (entities.method, entities.tasks["entities"].max_length) == ("full", 32)


def test_the_base_may_be_a_file_beside_the_comparison(study, tmp_path):
    (tmp_path / "base.yaml").write_text("task: demo/bbc_topic\nbackbone: {name: some/model}\nrun: {name: other}\n")
    made = study(
        base="base.yaml", tasks={"as the base says": None, "shorter": {"card": "demo/bbc_topic", "max_length": 9}}
    )
    assert config_of(made, "as the base says", "deep").tasks["bbc_topic"].name == "demo/bbc_topic"
    assert config_of(made, "shorter", "deep").tasks["shorter"].max_length == 9


def test_the_reference_is_full_fine_tuning_whatever_it_is_called(study):
    assert study().reference == "full"
    assert study(methods={"all weights": ["method=full"], "deep": None}).reference == "all weights"
    assert study(reference="head").reference == "head"
    assert study(methods={"deep": None}).reference is None


def test_values_from_the_environment_are_filled_in_by_each_run(study, monkeypatch):
    made = study(tasks={"topics": ["task=demo/bbc_topic", "task.source=${oc.env:SOMEWHERE}"]}, seeds=[1])
    for place in ("here", "there"):
        monkeypatch.setenv("SOMEWHERE", place)
        assert config_of(made, "topics", "deep").tasks["topics"].source == place
    assert "${oc.env:SOMEWHERE}" in str(made.config.tasks)


def test_a_task_may_be_a_mapping_among_its_overrides(study):
    made = study(tasks={"topics": ["task={card: demo/bbc_topic, max_length: 9}"]})
    assert config_of(made, "topics", "deep").tasks["topics"].max_length == 9


@pytest.fixture(autouse=True)
def somewhere(monkeypatch):
    monkeypatch.setenv("SOMEWHERE", "here")


def test_a_task_for_which_a_method_is_not_defined_is_left_out(study):
    assert study(skip={"head": ["entities"], "deep": ["topics"]}).pairs == [
        ("topics", "full"), ("topics", "head"), ("entities", "deep"), ("entities", "full"),
    ]  # fmt: skip


BAD = {
    "an unknown key": ({"metods": {}}, "small.yaml: unknown key 'metods'; did you mean 'methods'?"),
    "no methods": ({"methods": {}}, "small.yaml: no methods; give some, e.g. methods: {deep: [method=deep]}"),
    "no tasks": ({"tasks": None}, "small.yaml: no tasks; give some"),
    "no cells at a time": ({"jobs": 0}, "small.yaml: jobs: is 0; give a number from 1"),
    "no seeds": ({"seeds": []}, "small.yaml: no seeds; give some"),
    "methods as a list": ({"methods": ["deep"]}, "small.yaml: 'methods' is ['deep'], not a mapping; write e.g."),
    "a method that is a word": ({"methods": {"deep": "deep"}}, "methods.deep: is 'deep'; give a list of overrides"),
    "an override without =": ({"methods": {"deep": ["deep"]}}, "methods.deep: 'deep' is not key=value"),
    "a seed set by a method": ({"methods": {"deep": ["seed=3"]}}, "methods.deep: sets 'seed', which the comparison"),
    "a task set by a method": ({"methods": {"deep": ["task=a"]}}, "methods.deep: sets 'task', which the comparison"),
    "a name with a slash": ({"methods": {"a/b": None}}, "methods: 'a/b' cannot be a method's name; leave out the /"),
    "a name that leads out": ({"methods": {"..": None}}, "leads out of 'run.folder'"),
    "a wrong key of a method": (
        {"methods": {"deep": ["prompt.lenght=3"]}},
        "small.yaml: method 'deep' on task 'topics': command line: unknown key 'prompt.lenght'; did you mean 'length'?",
    ),
    "an unknown card": ({"tasks": {"a": "demo/bbc_topics"}}, "no task card 'demo/bbc_topics'; did you mean"),
    "several tasks in one": (
        {"tasks": {"a": None}, "base": {"backbone": {"name": "x"}, "tasks": {"a": "glue/rte", "b": "glue/rte"}}},
        "task 'a' makes runs of 2 tasks; give it one card",
    ),
    "a reference that is no method": ({"reference": "ful"}, "reference: 'ful' is no method; did you mean 'full'?"),
    "a method to skip that is none": ({"skip": {"hed": []}}, "skip: 'hed' is no method; did you mean 'head'?"),
    "a task to skip that is none": ({"skip": {"head": ["topic"]}}, "skip.head: 'topic' is no task; did you mean"),
    "a column that is none": ({"columns": ["scor"]}, "small.yaml: columns: 'scor' is no column; did you mean 'score'?"),
    "a seed twice": ({"seeds": [1, 1]}, "small.yaml: seeds is [1, 1]; use different numbers"),
    "no rates": ({"rates": []}, "small.yaml: rates: of method 'deep' are []; give a list of different numbers above 0"),
    "a rate that is none": ({"rates": [0.1, "fast"]}, "rates: of method 'deep' are [0.1, 'fast']; give a list"),
    "a rate of 0": ({"rates": [0]}, "rates: of method 'deep' are [0]; give a list"),
    "a rate without end": ({"rates": [float("inf")]}, "rates: of method 'deep' are [inf]; give a list"),
    "every pair skipped": (
        {"skip": {m: ["topics", "entities"] for m in ("deep", "full", "head")}},
        "small.yaml: skip: every method skips every task",
    ),
    "an unknown method": (
        {"methods": {"deep": ["method=deeep"]}},
        "small.yaml: method 'deep' on task 'topics': method: unknown method 'deeep'; did you mean 'deep'?",
    ),
    "rates for an unknown method": ({"rates": {"deap": [0.1]}}, "rates: 'deap' is no method; did you mean 'deep'?"),
    "no rates for a method": ({"rates": {"deep": [0.1], "full": [0.1]}}, "rates: of method 'head' are None; give"),
    "more trials for one method": (
        {"rates": {"deep": [0.1, 0.2], "full": [0.1], "head": [0.1]}},
        "rates: methods have different numbers of trials (deep 2, full 1, head 1); give all the same number",
    ),
    "two places for the rate": (
        {"rates": [0.1], "methods": {"deep": ["optim.lr=1"]}},
        "rates: method 'deep' sets 'optim.lr', which rates sets",
    ),
    "no base": ({"base": None}, "small.yaml: base: is None; give a config file, or the keys of one"),
    "a base that is not there": ({"base": "nowhere.yaml"}, "small.yaml: base: no such file 'nowhere.yaml'"),
    "texts that are not there": ({"outside": "nowhere.txt"}, "small.yaml: outside: no such file 'nowhere.txt'"),
    "a split that is none": ({"limit": {"tests": 3}}, "no split 'tests'; did you mean 'test'?"),
    "no training rows": ({"limit": {"train": 0}}, "small.yaml: limit.train: is 0; give a number from 1"),
    "a seed below 0 to search with": ({"search_seed": -1}, "small.yaml: search_seed is -1; use a number from 0"),
    "two places for the rate, in a mapping": (
        {"rates": [0.1], "methods": {"deep": ["optim={lr: 1}"]}},
        "rates: method 'deep' sets 'optim.lr', which rates sets",
    ),
    "a folder set by a method, in a mapping": (
        {"methods": {"deep": ["run={folder: elsewhere}"]}},
        "methods.deep: sets 'run.folder', which the comparison sets itself",
    ),
    "a method that is scored on other rows": (
        {"methods": {"deep": None, "head": ["method=head", "data.limit.test=4"]}},
        "method 'head' on task 'topics': has another data.limit.test than method 'deep', so their scores cannot be",
    ),
    "a method that is scored otherwise": (
        {"methods": {"deep": None, "head": ["method=head", "task.metrics=[macro_f1]"]}},
        "method 'head' on task 'topics': has another task.metrics than method 'deep'",
    ),
    "what a method has no use for": (
        {"methods": {"deep": ["prompt.ensemble=2"]}},
        "small.yaml: method 'deep' on task 'topics': prompt.ensemble: ",
    ),
    "several devices": (
        {"base": {"backbone": {"name": "x"}, "trainer": {"devices": 2}}},
        "small.yaml: trainer.devices is 2, but a cell runs on one device",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("keys", "said"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line(write_study, keys, said):
    with pytest.raises(UserError) as error:
        read_study(write_study(**keys))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_not_there_or_no_yaml(tmp_path):
    with pytest.raises(UserError, match="no such config file"):
        read_study(tmp_path / "nowhere.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(UserError, match=r"bad.yaml: not valid YAML"):
        read_study(tmp_path / "bad.yaml")


def test_every_config_of_the_repository_can_be_read():
    from pathlib import Path

    root = Path(__file__).parents[2]
    files = [
        *sorted((root / "configs" / "compare").glob("*.yaml")),
        *sorted((root / "experiments").glob("*/study.yaml")),
    ]
    assert len(files) >= 2
    for file in files:
        assert yaml.safe_load(file.read_text()) and read_study(file).pairs
