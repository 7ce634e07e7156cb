"""Numbers that processes share out among themselves."""

import subprocess
import sys

from ptv2.runtime.lock import Claims

HOLD = """
import sys, time
from pathlib import Path
from ptv2.runtime.lock import Claims
claims = Claims(Path(sys.argv[1]))
print(claims.take(0), claims.take(7), flush=True)
with claims.alone():
    print("alone", flush=True)
    time.sleep(60)
"""


def test_a_number_is_free_again_when_its_process_is_killed(tmp_path):
    file = tmp_path / ".lock"
    claims = Claims(file)
    assert claims.take(3)
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(file)], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "True True\n" and other.stdout.readline() == "alone\n"
    assert not claims.take(0) and not claims.take(7) and claims.take(1) and not claims.take(3)
    other.kill()
    other.wait()
    with claims.alone():
        assert claims.take(0) and claims.take(7)


def test_a_number_that_was_given_back_can_be_taken_by_another(tmp_path):
    claims = Claims(tmp_path / ".lock")
    assert claims.take(0) and claims.take(1)
    claims.release(0)
    line = [sys.executable, "-c", HOLD.replace("claims.take(7)", "claims.take(1)").partition("with")[0]]
    said = subprocess.run([*line, str(tmp_path / ".lock")], capture_output=True, text=True)
    assert said.stdout == "True False\n"
