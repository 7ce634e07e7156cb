"""`python -m ptv2.advise`: what is advised for which task, backbone, device and use."""

import json
import shlex

import pytest

from ptv2.commands import advise, shell
from ptv2.commands.advice import METHODS_ADVISED, OTHERS, Facts
from ptv2.config.load import load_config, make_config
from ptv2.config.schema import Config
from ptv2.methods import METHODS, method_of

FORM = "prompt.form=[values,slots]"


def facts(*kinds, rows=5000, parameters=10**8, memory=80.0, deploy="any", decoder=False):
    return Facts(frozenset(kinds), rows, parameters, memory, deploy, decoder)


def settings(known):
    chosen, beside, others = advise.advise(known, [(kind, known.rows) for kind in known.kinds])
    return chosen[0], {setting for setting, _ in beside}, {setting for setting, _ in others}


@pytest.mark.parametrize(
    ("known", "method", "beside"),
    [
        (facts("cls"), "deep", {"prompt.length=16", FORM}),
        (facts("tagging"), "full", set()),
        (facts("tagging", deploy="tasks"), "deep", {"prompt.length=16", FORM}),
        (facts("tagging", deploy="tasks", decoder=True), "deep", {"prompt.length=100"}),
        (facts("tagging", parameters=3 * 10**9), "deep", {"prompt.length=16", FORM}),
        (facts("tagging", parameters=3 * 10**9, decoder=True), "deep", {"prompt.length=50"}),
        (facts("seq2seq"), "deep", {"prompt.length=150"}),
        (facts("cls", rows=64), "deep", {"prompt.length=16", "prompt.init=retrieve:runs", "head.pooling=mean"}),
        (facts("cls", rows=64, decoder=True), "deep", {"prompt.length=16", "prompt.init=retrieve:runs"}),
        (facts("cls", "tagging"), "deep", {"prompt.length=16", FORM}),
        (facts("cls", "tagging", decoder=True), "deep", {"prompt.length=100"}),
        (facts("span", rows=64), "deep", {"prompt.length=16", "prompt.init=retrieve:runs"}),
        (
            facts("cls", parameters=7 * 10**9, memory=24.0),
            "deep",
            {"prompt.length=16", FORM, "backbone.dtype=bfloat16", "backbone.gradient_checkpointing=true"},
        ),
    ],
)
def test_advice_follows_from_the_facts(known, method, beside):
    assert settings(known)[:2] == (f"method={method}", beside)


def test_a_method_is_advised_once_there_is_one(monkeypatch):
    known = facts("cls", deploy="weights", memory=3.0)
    assert settings(known) == ("method=lora", set(), {"method=deep", "method=bitfit", "method=ia3", "method=head"})
    monkeypatch.delitem(METHODS, "lora")
    assert settings(known)[0] == "method=deep" and "method=lora" not in settings(known)[2]


@pytest.mark.parametrize(
    ("known", "methods"),
    [
        (facts("cls"), {"full", "bitfit", "ia3", "adapter", "head"}),
        (facts("cls", rows=100), {"full", "bitfit", "ia3", "adapter", "ptuning", "head"}),
        (facts("tagging"), {"deep", "prefix", "head"}),
        (facts("tagging", deploy="weights"), {"full", "deep", "head"}),
        (facts("seq2seq"), {"full"}),
    ],
)
def test_alternatives_are_methods_that_a_table_speaks_for(known, methods):
    assert settings(known)[2] == {f"method={name}" for name in methods}


def test_the_choice_is_none_of_the_alternatives():
    for known in (facts("cls"), facts("tagging"), facts("seq2seq")):
        chosen, _, others = settings(known)
        assert others and chosen not in others and all(name.removeprefix("method=") in METHODS for name in others)


def test_every_setting_is_one_of_the_config():
    values = {"task": "glue/rte", "backbone": {"name": "tiny"}, "run": {"name": "a"}}
    for rule in (*METHODS_ADVISED, *OTHERS):
        assert isinstance(make_config(values, [rule.setting]), Config)


def test_the_command_says_what_each_piece_rests_on(capsys):
    line = ["--config", "configs/quickstart.yaml", "method=full", "data.limit.train=64"]
    shell.run(advise.main, advise.command_line(), [*line, "--memory", "8"])
    out = capsys.readouterr().out
    assert "bbc_topic: demo/bbc_topic (cls), 64 training rows" in out and "22,713,216 parameters; device: 8.0 GB" in out
    assert "[experiments/transfer/table.md: | sst2 | 256 | scratch | 0.769 ± 0.028 |]" in out
    assert (
        "python -m ptv2.fit --config configs/quickstart.yaml data.limit.train=64 method=deep prompt.length=16 " in out
    )
    shell.run(advise.main, advise.command_line(), [*line, "--json"])
    made = json.loads(capsys.readouterr().out)
    assert made["advice"][0]["setting"] == "method=deep" and made["alternatives"][0]["source"]


@pytest.mark.parametrize(
    ("of_another", "set_back"),
    [
        (["method=prompt", "prompt.init=vocab"], "prompt.init=normal"),
        (["method=ptuning", "ptuning.template={text} It is {mask}."], "ptuning.template=null"),
        (["method=prefix", "prompt.projection=32"], "prompt.projection=null"),
    ],
)
def test_what_the_advised_method_refuses_is_set_back(capsys, of_another, set_back):
    line = ["--config", "configs/quickstart.yaml", *of_another]
    shell.run(advise.main, advise.command_line(), line)
    (fit,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("python -m ptv2.fit")]
    assert fit.endswith(f"'prompt.form=[values,slots]' {set_back}")
    said = shlex.split(fit)[3:]
    assert method_of(load_config(said[1], said[2:])) is METHODS["deep"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["--config", "none.yaml"], "error: none.yaml: no such config file\n"),
        (["--config", "configs/quickstart.yaml", "--memory", "much"], "is not a number of GB above 0"),
        (["--config", "configs/quickstart.yaml", "backbone.name=./none"], "no such folder 'none'"),
        (["--config", "configs/quickstart.yaml", "task.dataset.data_files.train=null"], "has no training rows"),
        (["--config", "configs/quickstart.yaml", "data.limit.train=0"], "has no training rows"),
    ],
)
def test_what_cannot_be_advised_on_is_one_line(capsys, line, says):
    with pytest.raises(SystemExit) as end:
        shell.run(advise.main, advise.command_line(), line)
    said = capsys.readouterr()
    assert end.value.code == 2 and says in said.err and said.err.count("\n") == 1
