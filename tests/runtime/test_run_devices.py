"""The devices of a run, before there is a Trainer."""

import pytest
import torch

from ptv2.runtime.run_devices import device_count, rank_device


@pytest.fixture
def gpus(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    for name in ("LOCAL_RANK", "SLURM_LOCALID", "SLURM_NTASKS", "SLURM_JOB_NAME"):
        monkeypatch.delenv(name, raising=False)
    return lambda **values: [monkeypatch.setenv(name, value) for name, value in values.items()]


@pytest.mark.parametrize(
    ("trainer", "environment", "device"),
    [
        ({}, {}, "cuda:0"),
        ({"accelerator": "cpu"}, {}, "cpu"),
        ({"devices": [2]}, {}, "cuda:2"),
        ({"devices": [2, 3]}, {"LOCAL_RANK": "1"}, "cuda:3"),
        ({"devices": "2,3"}, {"LOCAL_RANK": "1"}, "cuda:3"),
        ({"devices": 4, "accelerator": "gpu"}, {"LOCAL_RANK": "3"}, "cuda:3"),
        ({"devices": 4}, {"SLURM_NTASKS": "4", "SLURM_LOCALID": "3", "SLURM_JOB_NAME": "fit"}, "cuda:3"),
    ],
)
def test_on_a_machine_with_gpus(gpus, trainer, environment, device):
    gpus(**environment)
    assert rank_device(trainer) == torch.device(device)


def test_on_a_machine_without(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert rank_device({"devices": 2, "accelerator": "auto"}) == torch.device("cpu")


@pytest.mark.parametrize("devices", ["auto", -1, "-1"])
def test_all_gpus_of_a_machine(monkeypatch, devices):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    assert device_count({"devices": devices, "num_nodes": 2}) == 8
    assert device_count({"devices": devices, "accelerator": "cpu"}) == 1
