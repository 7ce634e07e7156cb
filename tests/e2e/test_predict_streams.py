"""Rows are answered as they come."""

import json
import os
import sys

import pytest

from ptv2.rows import asked_files

PEAK = """
import re, sys
from pathlib import Path
from ptv2.commands import predict

def measured(options, main=predict.main):
    main(options)
    print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1], file=sys.stderr)

predict.main = measured
"""  # getrusage would count the memory of the process that started this one
NOTE = "a field that no card reads " * 150  # 4 kB


def test_a_row_is_answered_before_the_next_one_comes(finished, zygote, tmp_path):
    os.mkfifo(tmp_path / "rows")
    process = zygote("predict", ["--artifact", finished("topics"), "--input", "-"], stdin=tmp_path / "rows")
    with (tmp_path / "rows").open("w") as rows:
        for i in range(3):
            rows.write(json.dumps({"id": i, "text": "a cat"}) + "\n")
            rows.flush()
            lines = process.until(lambda count=i + 1: process.said().count("\n") == count and process.said())
            assert json.loads(lines.splitlines()[i])["id"] == i
    assert process.wait().code == 0


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


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_the_memory_does_not_grow_with_the_file(finished, zygote, tmp_path):
    peaks = []
    for count in (2000, 8000):
        path = tmp_path / f"{count}.jsonl"
        path.write_text("".join(json.dumps({"id": i, "text": "a cat", "note": NOTE}) + "\n" for i in range(count)))
        done = zygote("predict", ["--artifact", finished("topics"), "--input", path], before=PEAK).wait()
        assert done.code == 0 and len(done.out.splitlines()) == count, done.err
        peaks.append(int(done.err.splitlines()[-1]) / 1024)
    print(f"peak: {peaks[0]:.0f} MiB of 2,000 rows, {peaks[1]:.0f} MiB of 8,000")
    assert peaks[1] - peaks[0] < 12, "half of the 24 MB that the file has more"
