import json
import shutil


def shown(said):
    assert said.code == 0 and said.err == ""
    return [" ".join(line.replace("│", " ").split()) for line in said.out.splitlines()]


def test_runs_stand_beside_each_other_and_beside_the_baseline(ptv2, finished, tmp_path):
    first = finished("topics")
    results = json.loads((first / "results.json").read_text())
    head = shutil.copytree(first, tmp_path / "head")
    parameters = {"backbone": {"total": 9264, "trainable": 0}, "heads": {"total": 34, "trainable": 34}}
    scores = {"test": {"topics": {"accuracy": 0.25}}}
    changed = results | {"name": "probe", "method": "head", "scores": scores, "parameters": parameters}
    (head / "results.json").write_text(json.dumps(changed))

    lines = shown(ptv2("compare", first, head, finished("names")))
    baseline = results["baseline"]["topics"]["test"]["accuracy"]
    score = results["scores"]["test"]["topics"]["accuracy"]
    assert f"topics (deep) topics test accuracy {score:.4f} 418" in lines
    assert "probe (head) topics test accuracy 0.2500 34" in lines
    assert f"trivial baseline topics test accuracy {baseline:.4f} 0" in lines
    assert any(line.startswith("names (deep) names test span_f1") for line in lines)
    assert lines[-1] == f"curves: tensorboard --logdir {first.parent}"


def test_what_is_no_finished_run(ptv2, finished, tmp_path):
    said = ptv2("compare", tmp_path)
    assert said.code == 2
    assert said.err == f"error: {tmp_path}: no results.json here; give the folder of a finished run\n"
    (tmp_path / "results.json").write_text("{")
    assert ptv2("compare", tmp_path).err.startswith(f"error: {tmp_path}/results.json: cannot be read")
    results = json.loads((finished("topics") / "results.json").read_text())
    (tmp_path / "results.json").write_text(json.dumps(results | {"scores": {}}))
    assert ptv2("compare", tmp_path).err.startswith(f"error: {tmp_path}: has no scores")
    for key, value in (("scores", "x"), ("scores", {"test": {}}), ("tasks", None), ("baseline", {}), ("parameters", 3)):
        (tmp_path / "results.json").write_text(json.dumps(results | {key: value}))
        said = f"error: {tmp_path}/results.json: these are not the results of a run; run it again with"
        assert ptv2("compare", tmp_path).err.startswith(said)
    assert ptv2("compare").code == 2
