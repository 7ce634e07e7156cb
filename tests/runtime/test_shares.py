"""What processes that one command starts share."""

import pytest

from ptv2.runtime import shares


@pytest.mark.parametrize(("asked", "jobs", "threads"), [("8", 4, 2), ("1", 4, 1), ("6,2", 2, 3), ("", 3, 4)])
def test_threads_of_each(monkeypatch, asked, jobs, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(12)), raising=False)
    assert shares.threads_each(jobs) == threads


@pytest.mark.parametrize(("shown", "names"), [(None, ["0", "1", "2"]), ("4,6", ["4", "6"]), ("4", [])])
def test_a_gpu_for_each(monkeypatch, shown, names):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if shown is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    assert shares.gpus() == names
