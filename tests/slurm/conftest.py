"""A SLURM of one node on this machine, in a temporary folder, for as long as the tests run."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from jobs import Cluster, eventually

CONFIG = """
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=cred_expire=5
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,sched_min_interval=0
SlurmctldPort={controller}
SlurmdPort={daemon}
StateSaveLocation={folder}/ctld
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
JobRequeue=1
ReturnToService=2
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    if not all(map(shutil.which, ("slurmctld", "slurmd", "munged", "sbatch"))) or os.getuid() != 0:
        pytest.skip("needs SLURM and root: make test-slurm")
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("ctld", "log", "run", "spool"):
        (folder / name).mkdir()
    memory = 0.9 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    names = {"host": socket.gethostname().partition(".")[0], "cpus": os.cpu_count(), "memory": int(memory)}
    file = folder / "slurm.conf"
    file.write_text(CONFIG.format(folder=folder, controller=free_port(), daemon=free_port(), **names))
    os.environ["SLURM_CONF"] = str(file)
    pids = [folder / "run" / "slurmd.pid", folder / "run" / "slurmctld.pid"]
    if not Path("/run/munge/munge.socket.2").exists():
        subprocess.run(["install", "-d", "-o", "munge", "-g", "munge", "-m", "0755", "/run/munge"], check=True)
        subprocess.run(["runuser", "-u", "munge", "--", "/usr/sbin/munged", "--force"], check=True)
        pids.append(Path("/run/munge/munged.pid"))
    subprocess.run(["slurmctld", "-f", file], check=True)
    subprocess.run(["slurmd", "-f", file], check=True)
    made = Cluster(folder)
    try:
        eventually(lambda: "idle" in made.ask("sinfo", "--noheader", "--format=%T"), 30, "the node")
        yield made
    finally:
        subprocess.run(["scancel", "--full", "--state=RUNNING"], check=False)
        for file in pids:
            if file.is_file():
                os.kill(int(file.read_text()), signal.SIGTERM)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
