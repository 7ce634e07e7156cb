"""Prompts that start from earlier ones: an artifact's, one task's of several, or the most similar of a folder."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from scene import make_config, write_cards

from ptv2.artifact.files import read_artifact
from ptv2.config.load import load_config
from ptv2.errors import UserError
from ptv2.model.build import build
from ptv2.model.outside import TEXTS
from ptv2.train.fit import fit
from ptv2.train.retrieval import library, retrieve, sources

NAMES = ("names", "ratings", "topics")


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory, tiny_bert, cards):
    """`pretrained("shared+task")`: the folder of a finished mixture with that sharing."""

    done = {}

    def run(sharing):
        if sharing not in done:
            folder = tmp_path_factory.mktemp("pretrained")
            tasks = {name: str(cards[name]) for name in NAMES}
            prompt = {"length": 4, "sharing": sharing}
            fit(load_config(make_config(folder, tiny_bert, cards["topics"], tasks=tasks, prompt=prompt)))
            done[sharing] = folder / "runs" / "topics"
        return done[sharing]

    return run


def start(config, *overrides):
    return build(load_config(config, list(overrides))).module


def same(rows, others):
    return all(torch.equal(a, b) for a, b in zip(rows, others, strict=True))


def test_a_task_starts_from_the_prompt_that_tasks_shared(pretrained, write_config):
    module = start(write_config(), f"prompt.init=artifact:{pretrained('shared')}")
    assert same(module.method.rows.rows, read_artifact(pretrained("shared")).prompt_vectors())


@pytest.mark.parametrize("sharing", ["task", "shared+task"])
def test_or_from_what_one_task_saw(pretrained, write_config, sharing):
    folder = pretrained(sharing)
    made = {t: start(write_config(), f"prompt.init=artifact:{folder}+task:{t}").method.rows.rows for t in NAMES}
    for task, rows in made.items():
        assert same(rows, read_artifact(folder).prompt_vectors(task))
    assert not same(made["names"], made["topics"])


def test_the_low_rank_part_can_train_alone(pretrained, write_config, ptv2, tmp_path):
    folder, config = pretrained("shared+task"), write_config()
    own = ("prompt.sharing=shared+task", "prompt.train=own", f"prompt.init=artifact:{folder}")
    before, module = read_artifact(folder), start(config, *own)
    assert same(module.method.task_vectors("topics"), before.prompt_vectors("topics"))
    assert ptv2("fit", "--config", config, *own).code == 0
    after = read_artifact(tmp_path / "runs" / "topics")
    assert same(after.prompt_vectors(), before.prompt_vectors())
    assert not same(after.prompt_vectors("topics"), before.prompt_vectors("topics"))


def test_a_new_task_gets_a_low_rank_part_of_ones(pretrained, write_config, cards):
    folder = pretrained("shared+task")
    config = write_config(tasks={"new": str(cards["topics"])})
    module = start(config, "prompt.sharing=shared+task", f"prompt.init=artifact:{folder}")
    assert same(module.method.task_vectors("new"), read_artifact(folder).prompt_vectors())
    module = start(config, "prompt.sharing=shared+task", f"prompt.init=artifact:{folder}+task:names")
    assert same(module.method.task_vectors("new"), read_artifact(folder).prompt_vectors("names"))


def test_heads_can_come_along(pretrained, write_config, cards):
    folder = pretrained("shared")
    held = read_artifact(folder).state("heads.topics.")
    same_name = start(write_config(), f"head.init=artifact:{folder}")
    assert all(torch.equal(same_name.heads["topics"].state_dict()[name], held[name]) for name in held)
    other = write_config(tasks={"new": str(cards["topics"])})
    named = start(other, f"head.init=artifact:{folder}+task:topics")
    assert all(torch.equal(named.heads["new"].state_dict()[name], held[name]) for name in held)


@pytest.fixture
def other_rows(tmp_path, write_config):
    """A config of the same kind of task as `topics`, with fewer rows."""
    (tmp_path / "fewer").mkdir()
    return write_config(tasks={"topics": str(write_cards(tmp_path / "fewer", train=40)["topics"])})


def test_retrieval_finds_the_prompt_of_the_same_kind_of_task(pretrained, other_rows):
    config = load_config(other_rows, [f"prompt.init=retrieve:{pretrained('task').parent}"])
    found = retrieve(config)
    assert next(iter(found.similarity)).endswith("+task:topics") and not found.left_out
    assert list(found.similarity) == sorted(found.similarity, key=lambda name: -found.similarity[name])
    assert len(found.similarity) == 3 and list(found.weights.values()) == [1.0]
    (best,) = found.weights
    task = best.rpartition("+task:")[2]
    assert same(found.vectors_PF, read_artifact(pretrained("task")).prompt_vectors(task))


def test_a_prompt_of_the_same_task_and_rows_is_no_source(pretrained, write_config):
    config = load_config(write_config(), [f"prompt.init=retrieve:{pretrained('task').parent}"])
    config.prompt.retrieve.steps = 3
    found = retrieve(config)
    assert found.left_out == [f"{pretrained('task')}+task:topics"]
    assert {name.rpartition(":")[2] for name in found.similarity} == {"names", "ratings"}


def test_the_top_ones_are_averaged_by_similarity(pretrained, other_rows):
    config = load_config(other_rows, [f"prompt.init=retrieve:{pretrained('task').parent}"])
    config.prompt.retrieve.top = 2
    found = retrieve(config)
    positive = {name: value for name, value in found.similarity.items() if value > 0}
    best = dict(list(positive.items())[:2])
    assert found.weights == pytest.approx({name: value / sum(best.values()) for name, value in best.items()})
    held = {source.name: source.vectors_PF for source in sources(read_artifact(pretrained("task")))}
    for i, row in enumerate(found.vectors_PF):
        torch.testing.assert_close(row, sum(w * held[name][i] for name, w in found.weights.items()))


def test_fit_retrieves_and_says_what(pretrained, ptv2, write_config, tmp_path):
    retrieved = (f"prompt.init=retrieve:{pretrained('shared').parent}", "prompt.retrieve.steps=3")
    said = ptv2("fit", "--config", write_config(), *retrieved)
    assert said.code == 0
    assert f"the prompt starts from {pretrained('shared')} (similarity " in said.out and "nothing else fits" in said.out
    folder = tmp_path / "runs" / "topics"
    results = json.loads((folder / "results.json").read_text())
    assert results["retrieved"]["weights"] == {str(pretrained("shared")): 1.0}
    assert results["retrieved"] == json.loads((folder / "retrieved.json").read_text())


def test_retrieval_takes_no_backward_pass_out_of_the_memory_budget(pretrained, ptv2, write_config):
    config = ("--config", write_config(), "prompt.retrieve.steps=2", "backbone.memory_budget=0.0000001")
    said = ptv2("fit", *config, f"prompt.init=retrieve:{pretrained('shared').parent}")
    assert said.code == 0, said.err
    assert said.out.count("3 of 3 layers are recomputed in the backward pass") == 1  # in the run
    said = ptv2("similarity", "--artifact", pretrained("task"), "--json", *config)
    assert said.code == 0, said.err
    assert json.loads(said.out)["sources"] and "are recomputed" not in said.err


def test_similarity_prints_a_matrix_and_the_best_sources(pretrained, ptv2, write_config):
    folder = pretrained("task")
    config = ("--config", write_config(), "prompt.retrieve.steps=3")
    said = ptv2("similarity", "--artifact", folder, "--json", *config)
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["prompts"] == [f"{folder}+task:{name}" for name in NAMES]
    assert found["left_out"] == [f"{folder}+task:topics"]
    assert {*found["sources"], *found["left_out"]} == set(found["prompts"])
    for i, row in enumerate(found["similarity"]):
        assert 0 <= row[i] <= 1
        assert row == pytest.approx([other[i] for other in found["similarity"]])
    said = ptv2("similarity", "--artifact", folder, *config)
    assert said.code == 0 and f"left out, a run of the same task and rows: {folder}+task:topics" in said.out
    assert (
        f"in the states of {len(TEXTS)} fixed texts; with itself, the square of the share that is not chance"
        in said.out
    )
    assert "share of the loss with an untrained prompt that each saves, on 48 training features" in said.out


def test_runs_of_the_task_itself_alone_are_said_to_be_no_sources(finished, ptv2, write_config):
    said = ptv2("fit", "--config", write_config(), f"prompt.init=retrieve:{finished('topics')}")
    assert said.code == 2 and "the only prompts that fit are runs of this task on these rows" in said.err


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["prompt.init=artifact:TASK"], "each of its tasks has its own prompt; name one"),
        (["prompt.init=artifact:TASK+task:name"], "holds no task 'name'; did you mean 'names'?"),
        (["prompt.init=artifact:TASK+task:names", "prompt.length=3"], "with 3 layers of (3, 32)"),
        (["prompt.init=retrieve:TASK", "prompt.length=3"], "no artifact has a prompt of this shape"),
        (["prompt.init='retrieve:'"], "prompt.init: no folder is named"),
        (["head.init=TASK"], "head.init: unknown init"),
        (["head.init=artifact:TASK+task:ratings"], "'ratings' is of kind regression, 'topics' of kind cls"),
        (["head.init=artifact:TASK", "tasks.topics.labels=[fruit, animal]"], "'topics' has labels animal, fruit"),
        (["head.init=artifact:TASK", "head.pooling=dense"], "its heads read pooling 'mean', this run's 'dense'"),
        (["head.init=artifact:TASK", "head.pooling=cls"], "its heads read pooling 'mean', this run's 'cls'"),
        (["prompt.train=own"], "'own' freezes what tasks share, and here that would be random values"),
        (["prompt.train=own", "prompt.sharing=task", "prompt.init=artifact:TASK"], "here they share nothing"),
        (["method=head", "prompt.init=artifact:SHARED"], "prompt.init: method 'head' has no prompt"),
        (
            ["method=prompt", "prompt.length=3", "prompt.init=artifact:SHARED"],
            "is of method 'deep', whose prompt stands in layers; start from one that stands at the input, or use its",
        ),
        (["prompt.init=artifact:SHARED", "prompt.position_offset=true"], None),
    ],
)
def test_what_does_not_fit_is_one_line(ptv2, pretrained, write_config, tmp_path, overrides, said):
    places = {"TASK": str(pretrained("task")), "SHARED": str(pretrained("shared"))}
    words = [
        override.replace(name, path) for override in overrides for name, path in places.items() if name in override
    ]
    words += [override for override in overrides if not any(name in override for name in places)]
    found = ptv2("fit", "--config", write_config(), *words)
    if said is None:  # a prompt trained without may be used with it
        assert found.code == 0
        return
    assert found.code == 2 and len(found.err.splitlines()) == 1
    assert said in found.err
    assert not (tmp_path / "runs").exists()


def test_a_head_for_no_task_of_the_run_is_refused(ptv2, pretrained, write_config, cards):
    config = write_config(tasks={"new": str(cards["topics"])})
    said = ptv2("fit", "--config", config, f"head.init=artifact:{pretrained('shared')}")
    assert said.code == 2 and "no head for new, only for names, ratings, topics" in said.err


def test_a_run_that_goes_on_does_not_need_what_it_started_from(pretrained, ptv2, write_config, tmp_path):
    source = shutil.copytree(pretrained("shared"), tmp_path / "source")
    ways = (f"prompt.init=artifact:{source}", f"head.init=artifact:{source}")
    assert ptv2("fit", "--config", write_config(), *ways).code == 0
    folder = tmp_path / "runs" / "topics"
    first = json.loads((folder / "results.json").read_text())["scores"]
    (folder / "results.json").unlink()
    shutil.rmtree(source)
    assert ptv2("fit", "--config", write_config(), *ways).code == 0
    assert json.loads((folder / "results.json").read_text())["scores"] == first


def test_a_library_is_searched_without_the_run_itself(pretrained, ptv2, write_config, tmp_path):
    shutil.copytree(pretrained("shared"), tmp_path / "runs" / "earlier")
    ways = (f"prompt.init=retrieve:{tmp_path / 'runs'}", "prompt.retrieve.steps=3")
    for again in ((), ("run.overwrite=true",)):
        assert ptv2("fit", "--config", write_config(), *ways, *again).code == 0
        found = json.loads((tmp_path / "runs" / "topics" / "retrieved.json").read_text())
        assert list(found["similarity"]) == [str(tmp_path / "runs" / "earlier")]


def test_form_and_length_are_those_of_the_prompts_in_the_library(pretrained, ptv2, write_config, tmp_path):
    """A run without a prompt and one of another backbone come first in it by their names."""
    folder = tmp_path / "earlier"
    shutil.copytree(pretrained("shared"), folder / "topics")
    assert ptv2("fit", "--config", write_config(), "method=head", f"run.folder={folder}", "run.name=a").code == 0
    about = json.loads((folder / "topics" / "prompt" / "artifact.json").read_text())
    about["config"]["prompt"]["length"], about["backbone"]["name"] = 7, "other"
    shutil.copytree(folder / "topics", folder / "b")
    (folder / "b" / "prompt" / "artifact.json").write_text(json.dumps(about))
    ways = ("--config", write_config(), "prompt.length=auto", "prompt.form=auto", "prompt.retrieve.steps=3")
    for command in ("prepare", "fit"):
        said = ptv2(command, *ways, f"prompt.init=retrieve:{folder}")
        assert said.code == 0, said.err
    assert "prompt.length 4: that of prompt.init" in said.out
    assert f"the prompt starts from {folder}/topics (similarity " in said.out
    said = ptv2("similarity", *ways, "--artifact", folder / "topics", "--json")
    assert said.code == 0, said.err


def test_a_run_is_left_out_of_its_library_however_its_folder_is_spelled(pretrained):
    folder = pretrained("shared")
    with pytest.raises(UserError, match="holds no artifacts with a prompt"):
        library(folder.parent, Path(os.path.relpath(folder)))


def test_a_library_may_hold_links_to_runs(pretrained, tmp_path):
    (tmp_path / "linked").symlink_to(pretrained("shared"), target_is_directory=True)
    (found,) = library(tmp_path)
    assert found.path == tmp_path / "linked" / "prompt"


def test_prompts_of_different_backbones_are_not_compared(pretrained, ptv2, tmp_path):
    other = shutil.copytree(pretrained("shared"), tmp_path / "other")
    about = json.loads((other / "prompt" / "artifact.json").read_text())
    about["backbone"]["weights"] = "0" * 64
    (other / "prompt" / "artifact.json").write_text(json.dumps(about))
    said = ptv2("similarity", "--artifact", pretrained("shared"), "--artifact", other)
    assert said.code == 2 and len(said.err.splitlines()) == 1
    assert "was made for another backbone" in said.err
