"""
Runs a program and adopts the daemons that it leaves behind, until all have ended.

    python reaper.py STATUSES PROGRAM [ARGUMENT]...

Each process that ended adds a line 'PID STATUS' to the file STATUSES, a signal as a negative status.
"""

import ctypes
import os
import sys
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def main(statuses: str, *words: str) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    os.spawnvp(os.P_NOWAIT, words[0], words)
    with Path(statuses).open("w", buffering=1) as file:
        while True:
            try:
                pid, status = os.wait()
            except ChildProcessError:
                return
            file.write(f"{pid} {os.waitstatus_to_exitcode(status)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
