"""Runs `python -m ptv2.fit` in a process of its own without the seconds that imports take: it forks itself each time.

It reads one JSON object a line, {"argv", "before", "out", "err"} or {"wait": pid}, and answers a pid or an exit code.
`before` is Python that the new process runs first: where a fault is put in.
"""

import json
import os
import signal
import sys
import traceback

import torch

import ptv2.model.build
import ptv2.train.fit
import ptv2.train.trainer  # noqa: F401 - the command imports them when it runs, which is after the fork
from ptv2.commands import fit
from ptv2.commands import shell as command
from ptv2.runtime import stop

torch.set_num_threads(1)


def run(request: dict) -> int:
    for stream, name, flags in ((0, os.devnull, os.O_RDONLY), (1, request["out"], 0), (2, request["err"], 0)):
        handle = os.open(name, flags or os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(handle, stream)
        os.close(handle)
    sys.stdin = os.fdopen(0)
    os.setsid()  # a group of its own, to be signalled with its workers
    stop.note_early()
    try:
        exec(request["before"], {})
        command.run(fit.main, fit.command_line(), request["argv"])
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
            _, status = os.waitpid(request["wait"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
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
