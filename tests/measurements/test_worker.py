"""How the worker's memory is read."""

import subprocess
import sys

from measurements.worker import peak_kilobytes

LETS_GO_OF_200_MB = "held = bytearray(200_000_000); del held; print('let go', flush=True); input()"


def test_the_peak_remembers_what_was_let_go():
    child = [sys.executable, "-c", LETS_GO_OF_200_MB]
    with subprocess.Popen(child, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        peak = peak_kilobytes(process.pid)
        process.communicate("\n")
    assert 190_000 < peak < 260_000
