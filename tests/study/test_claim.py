"""A claim keeps living processes off a cell, and no dead one."""

import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time

import pytest

from ptv2.study.claim import SILENT, holder, take


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "topics" / "1.claim"


def write(path, host, process, begun="1"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"host": host, "process": process, "begun": begun}))


def ended_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_one_process_has_a_cell_until_it_releases_it(path):
    claim = take(path)
    assert claim is not None and holder(path) == f"process {os.getpid()} on {socket.gethostname()}"
    assert take(path) is None
    claim.release()
    assert holder(path) is None and take(path) is not None


def test_nothing_is_left_beside_a_released_claim(path):
    take(path).release()
    write(path, socket.gethostname(), ended_process())
    take(path).release()
    assert list(path.parent.iterdir()) == []


def test_the_claim_of_an_ended_process_of_this_machine_is_taken_over(path):
    write(path, socket.gethostname(), ended_process())
    assert holder(path) is None
    assert take(path) is not None and holder(path) is not None


def test_a_process_with_the_number_of_an_ended_one_is_not_the_holder(path):
    write(path, socket.gethostname(), os.getpid(), begun="not when this one began")
    assert holder(path) is None


@pytest.mark.parametrize(("silent", "held"), [(SILENT - 60, True), (SILENT + 60, False)])
def test_a_holder_on_another_machine_counts_until_it_has_been_silent_for_long(path, silent, held):
    write(path, "elsewhere", 1)
    os.utime(path, (time.time() - silent,) * 2)
    assert (holder(path) == "process 1 on elsewhere") == held
    assert (take(path) is None) == held


def test_a_sign_of_life_renews_a_claim(path):
    claim = take(path)
    os.utime(path, (1, 1))
    claim.touch()
    assert time.time() - path.stat().st_mtime < 60


def race(path, start, won):
    start.wait()
    claim = take(path)
    won.put(claim is not None)
    time.sleep(1)  # the claim of an ended process would be free again


@pytest.mark.parametrize("stale", [False, True], ids=["a free cell", "a stale claim"])
def test_of_many_that_want_a_cell_one_gets_it(path, stale):
    if stale:
        write(path, socket.gethostname(), ended_process())
    context = multiprocessing.get_context("fork")
    start, won = context.Event(), context.Queue()
    racers = [context.Process(target=race, args=(path, start, won)) for _ in range(8)]
    for racer in racers:
        racer.start()
    start.set()
    assert sorted(won.get(timeout=60) for _ in racers) == [False] * 7 + [True]
    for racer in racers:
        racer.join()
