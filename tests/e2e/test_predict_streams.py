"""Rows are answered as they come."""

import json
import os
import subprocess
import sys

from ptv2.rows import asked_files


def test_a_row_is_answered_before_the_next_one_comes(finished):
    line = [sys.executable, "-m", "ptv2.predict", "--artifact", str(finished("topics")), "--input", "-"]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        for i in range(3):
            process.stdin.write(json.dumps({"id": i, "text": "a cat"}) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == i
        process.stdin.close()
    assert process.returncode == 0


def test_answers_stand_before_a_bad_row_of_a_later_part(ptv2, finished, tmp_path, monkeypatch):
    monkeypatch.setattr(asked_files, "ROWS", 2)
    rows = [{"id": i, "text": "a cat"} for i in range(4)] + [{"id": 4}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    argv = ("--artifact", finished("topics"), "--input", tmp_path / "rows.jsonl")
    said = ptv2("predict", *argv)
    assert said.code == 2 and [json.loads(line)["id"] for line in said.out.splitlines()] == [0, 1, 2, 3]
    assert said.err.startswith(f"error: {tmp_path}/rows.jsonl:5: field 'text' is missing")
    said = ptv2("predict", *argv, "--on-bad-row", "skip")
    assert said.code == 0 and len(said.out.splitlines()) == 4 and said.err.endswith("1 of 5 rows skipped\n")
