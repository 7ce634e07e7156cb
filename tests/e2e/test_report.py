"""`ptv2.report`: one HTML file of runs and studies that shows what they hold and fetches nothing."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from ptv2.study.table import markdown

ROOT = Path(__file__).parent.parent.parent
CHROMIUM = next(
    (path for name in ("chromium", "google-chrome", "chromium-browser") if (path := shutil.which(name))), None
)


class Page(HTMLParser):
    """A page that has been read: its text, its elements, and what a browser would fetch for it."""

    def __init__(self, path):
        super().__init__()
        self.open, self.names, self.texts, self.fetched, self.attributes = [], [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)  # an element of SVG that is not closed would hold, and hide, what follows
        self.handle_startendtag(tag, attrs)

    def handle_startendtag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += [name for name, _ in attrs]
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data", "action", "poster", "background", "xlink:href"):
                self.fetched += [] if value.startswith(("data:image/", "#")) else [value]
            elif name == "style":
                self.fetched += re.findall(r"url\([^)]*\)", value)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
        if self.open and self.open[-1] == "style":
            self.fetched += re.findall(r"@import.*|url\([^)]*\)", data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


@pytest.fixture
def report(ptv2, tmp_path):
    """`report(RUN, ...)`: the page of these folders."""

    def make(*argv):
        said = ptv2("report", *argv, "--output", tmp_path / "page.html")
        assert (said.code, said.err) == (0, ""), said
        assert said.out == f"report: {tmp_path / 'page.html'}\n"
        page = Page(tmp_path / "page.html")
        assert page.fetched == [] and "script" not in page.names and "link" not in page.names
        assert not [name for name in page.attributes if name.startswith("on")]
        return page

    return make


@pytest.fixture
def changed(finished, tmp_path):
    """`changed("b", lr=0.1)`: a copy of a finished run under another name."""

    def make(name, task="topics", seed=11, lr=0.02, **results):
        folder = shutil.copytree(finished(task), tmp_path / re.sub(r"\W", "_", name))
        config = yaml.safe_load((folder / "config.yaml").read_text())
        config["seed"], config["run"]["name"], config["optim"]["lr"] = seed, name, lr
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        made = json.loads((folder / "results.json").read_text()) | {"name": name, "seed": seed} | results
        (folder / "results.json").write_text(json.dumps(made))
        return folder

    return make


@pytest.fixture
def wrong(finished):
    """`wrong("names")`: the records of a finished run whose answers are wrong."""

    def read(task):
        lines = (finished(task) / "predictions" / f"{task}.test.jsonl").read_text().splitlines()
        return [record for record in map(json.loads, lines) if record["prediction"] != record["gold"]]

    return read


@pytest.fixture
def spoilt(changed):
    """`spoilt("a")`: the folder of a run with three wrong answers, and their records, the surest first."""

    def make(name):
        folder, other = changed(name), {"animal": "fruit", "fruit": "animal"}
        file = folder / "predictions" / "topics.test.jsonl"
        records = [json.loads(line) for line in file.read_text().splitlines()]
        for record, sure in zip(records, (0.6, 0.9, 0.8, *[1.0] * 13), strict=True):
            record["prediction"] = other[record["gold"]] if sure < 1 else record["gold"]
            record["scores"] = {record["prediction"]: sure, other[record["prediction"]]: 1 - sure}
        file.write_text("".join(json.dumps(record) + "\n" for record in records))
        return folder, [records[i] for i in (1, 2, 0)]

    return make


@pytest.mark.parametrize("task", ["topics", "ratings", "names"])
def test_a_run_is_shown_with_scores_curves_mistakes_and_what_made_it(report, finished, wrong, task):
    folder = finished(task)
    page, results = report(folder), json.loads((folder / "results.json").read_text())
    for title in ("Scores", "Curves", "Mistakes", "How it was made", "Config"):
        assert title in page.texts
    ends = results["intervals"]["test"][task]
    for metric, value in results["scores"]["test"][task].items():
        low, high = ends[metric]
        assert f"{metric} 16 {value:.4f} {low:.4f} to {high:.4f}" in page.text
    for name in ("train/loss", "validation/score", "speed/tokens_per_second", "memory/rss"):
        assert name in page.texts
    assert f"{len(wrong(task))} of 16 answers differ from the gold ones" in page.text
    assert page.text.count("predicted") >= min(10, len(wrong(task)))
    assert f"python -m ptv2.fit --config {folder}/config.yaml run.name=NAME" in page.text
    assert f"torch {results['environment']['versions']['torch']}" in page.text
    assert "optim.lr 0.02 0.005" in page.text and "prompt.length 4 16" in page.text


def test_mistakes_show_the_text_of_their_rows(report, spoilt, cards):
    rows = [json.loads(line) for line in (cards["topics"].parent / "topics" / "test.jsonl").read_text().splitlines()]
    folder, wrong = spoilt("some")
    page = report(folder)
    assert "3 of 16 answers differ from the gold ones; 3 of them, the surest first." in page.text
    shown = [page.texts.index(rows[record["row"]]["text"]) for record in wrong]
    assert shown == sorted(shown) and "Without inputs" not in page.text
    assert "3 of 16 answers differ from the gold ones; 1 of them" in report(folder, "--mistakes", 1).text


def test_rows_that_have_changed_are_not_shown(report, spoilt, cards, tmp_path):
    moved = shutil.copytree(cards["topics"].parent / "topics", tmp_path / "moved")
    with (moved / "test.jsonl").open("a") as file:
        file.write('{"id": 99, "text": "a new row", "label": "fruit"}\n')
    folder, _ = spoilt("moved_run")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["tasks"]["topics"]["dataset"]["path"] = str(moved)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    assert "Without inputs: the rows have changed since they were scored." in report(folder).text


def test_rows_of_the_hub_are_not_fetched(report, spoilt):
    folder, _ = spoilt("hub_run")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["tasks"]["topics"]["dataset"]["path"] = "somebody/topics"
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    assert "the rows of somebody/topics are not in files of this machine" in report(folder).text


def test_runs_stand_beside_each_other_with_what_differs(report, finished, changed):
    other = changed("other", lr=0.3, environment={"versions": {"torch": "9.9"}, "device": "cpu"})
    page = report(finished("topics"), other)
    assert "2 runs" in page.texts and "optim.lr 0.02 0.3" in page.text
    assert re.search(r"environment\.versions\.torch \S+ 9\.9", page.text)
    assert "run.name" not in page.text.partition("What differs")[2].partition("Each run")[0]
    assert "topics: differences are to topics, paired by row and seed" in page.text
    assert page.text.count("How it was made") == 2


def test_an_unfinished_run_shows_how_far_it_is(report, changed):
    folder = changed("begun")
    (folder / "results.json").unlink()
    page = report(folder)
    assert "No scores: the run is unfinished, step 12." in page.text and "train/loss" in page.texts


def test_what_users_write_stays_text(report, changed):
    name = "<script>alert('x')</script>"
    folder = changed(name)
    records = folder / "predictions" / "topics.test.jsonl"
    made = [json.loads(line) | {"prediction": "<img src=x onerror=y>", "gold": "&"} for line in records.open()]
    records.write_text("".join(json.dumps(record | {"inputs": {"<u>": "</body>"}}) + "\n" for record in made))
    page = report(folder)
    assert name in page.texts and "<img src=x onerror=y>" in page.texts and "</body>" in page.texts
    assert "u" not in page.names and "img" not in page.names


def study(folder):
    """The results of a study, as `ptv2.compare --config` leaves them."""
    folder.mkdir()
    for name in ("table.md", "figure.svg"):
        shutil.copy(ROOT / "experiments" / "methods" / name, folder / name)
    (folder / "study.yaml").write_text("methods: {deep: [method=deep]}\n")
    return folder


def test_a_study_shows_its_table_figure_and_curves(report, finished, tmp_path):
    folder = study(tmp_path / "study")
    shutil.copytree(finished("topics"), folder / "deep" / "topics" / "1")
    page = report(folder)
    assert "Methods of parameter-efficient tuning on MiniLM-L6" in page.texts and "img" in page.names
    assert "deep-values-slots" in page.texts and "0.656 %" in page.texts
    assert "Curves of the mean validation score" in page.texts and "validation/score" in page.texts
    assert "methods: {deep: [method=deep]}\n" in page.texts


def test_names_in_a_table_may_hold_its_mark(report, tmp_path):
    text = markdown("A study", ["task", "method", "score"], [["a|b", "deep|lora", "0.5"]], ["as `a|b` says"])
    (tmp_path / "table.md").write_text(text)
    assert r"| a\|b | deep\|lora | 0.5 |" in text
    assert {"a|b", "deep|lora", "0.5"} <= set(report(tmp_path).texts)


@pytest.mark.parametrize("name", ["methods", "transfer", "generation", "kinds"])
def test_committed_studies_can_be_shown(report, name):
    folder = ROOT / "experiments" / name
    table = [line for line in (folder / "table.md").read_text().splitlines() if line.startswith("|")]
    page = report(folder)
    assert page.names.count("tr") == len(table) - 1


def test_runs_and_studies_share_a_page(report, finished, tmp_path):
    page = report(finished("topics"), study(tmp_path / "study"))
    assert "Runs and studies" in page.texts and "Methods of parameter-efficient tuning on MiniLM-L6" in page.texts


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "command line: nothing to report on; give folders of runs or of studies"),
        (["empty"], "empty: neither a run nor a study here; give the folder of one"),
        (["search"], "search: neither a run nor a study here; give the folders in it: search/trials/*"),
        (["run", "--output", "page.pdf"], "page.pdf: '.pdf' is no ending of an HTML file; end it in .html"),
        (["run", "--output", "none/page.html"], "none: no such folder; make it, or choose another --output"),
        (["run", "--output", "folder.html"], "folder.html: is a folder; give a file"),
        (["run", "--mistakes", "-1"], "command line: argument --mistakes: '-1' is not a whole number from 0"),
        (["begun"], "begun: no table.md here; write it with python -m ptv2.compare --config FILE --table, or give"),
    ],
)
def test_what_cannot_be_reported_is_one_line(ptv2, finished, tmp_path, monkeypatch, argv, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "study.yaml").write_text("methods: {}\n")
    shutil.copytree(finished("topics"), tmp_path / "run")
    shutil.copytree(finished("topics"), tmp_path / "search" / "trials" / "0")
    done = ptv2("report", *argv)
    assert done.code == 2 and done.err.startswith(f"error: {said}") and done.err.count("\n") == 1


def test_the_file_lies_in_the_only_folder_or_here(ptv2, finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = shutil.copytree(finished("topics"), tmp_path / "run")
    other = shutil.copytree(finished("names"), tmp_path / "other")
    (tmp_path / "empty").mkdir()
    assert ptv2("report", run).out == f"report: {run / 'report.html'}\n"
    done = ptv2("report", run, other, "empty")
    assert done.out == "report: report.html\n" and done.err == "warning: empty: neither a run nor a study, left out\n"
    assert "2 runs" in Page(tmp_path / "report.html").texts


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_browser_opens_it(report, finished, changed, tmp_path):
    from PIL import Image

    other = changed("other", lr=0.3)
    lines = [json.loads(line) for line in (other / "metrics.jsonl").read_text().splitlines()]
    moved = [{k: v if k in ("step", "epoch") else 0.9 * v + 0.1 for k, v in line.items()} for line in lines]
    (other / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in moved))
    report(finished("topics"), other)
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    flags += ["--window-size=1200,1600", "--host-resolver-rules=MAP * ~NOTFOUND"]
    page, shot = (tmp_path / "page.html").as_uri(), tmp_path / "shot.png"
    done = subprocess.run([CHROMIUM, *flags, "--dump-dom", page], capture_output=True, text=True, timeout=180)
    assert "What differs" in done.stdout and done.stdout.count("<svg") > 10
    subprocess.run([CHROMIUM, *flags, f"--screenshot={shot}", page], capture_output=True, timeout=180)
    picture = Image.open(shot).convert("RGB")
    assert picture.size == (1200, 1600)
    counts = {colour: count for count, colour in picture.getcolors(maxcolors=1 << 24)}
    assert min(counts.get(colour, 0) for colour in ((0, 114, 178), (213, 94, 0))) > 500, "both runs' curves are drawn"
