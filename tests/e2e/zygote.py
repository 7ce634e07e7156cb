"""Runs commands in processes of their own without the seconds that imports take: it forks itself each time.

It reads one JSON object a line, {"command", "argv", "before", "folder", "in", "out", "err"} or {"wait": pid, "block":
bool}, and answers a pid or an exit code: null of a process that is under way. `before` is Python that the new process
runs first: where a fault is put in.
"""

import json
import os
import signal
import sys
import traceback
from importlib import import_module

import torch

from ptv2.commands import shell
from ptv2.runtime import stop

torch.set_num_threads(1)
for name in ("model.predictor", "train.fit", "train.trainer"):  # what commands import when they run, after the fork
    import_module(f"ptv2.{name}")
for name in ("transformers.models.bert.modeling_bert", "torch.utils.tensorboard"):
    import_module(name)


def run(request: dict) -> int:
    os.chdir(request["folder"])
    written = os.O_WRONLY | os.O_APPEND
    for stream, name, flags in ((0, "in", os.O_RDONLY), (1, "out", written), (2, "err", written)):
        handle = os.open(request[name], flags)
        os.dup2(handle, stream)
        os.close(handle)
    sys.stdin = os.fdopen(0)
    os.setsid()  # a group of its own, to be signalled with its workers
    stop.note_early()
    try:
        exec(request["before"], {})
        command = import_module(f"ptv2.commands.{request['command']}")
        shell.run(command.main, command.command_line(), request["argv"])
    except SystemExit as end:
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            pid, status = os.waitpid(request["wait"], 0 if request["block"] else os.WNOHANG)
            print(json.dumps(os.waitstatus_to_exitcode(status) if pid else None), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            code = run(request)
            sys.stdout.flush()
            sys.stderr.flush()
            stop._end_workers()
            os._exit(code)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
