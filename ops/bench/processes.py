"""What the system says of running processes: processor time and memory. Linux only, like `wrk` and the rest here."""

import os
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def family(pid):
    """The process and all that it started, and they, as pids."""
    found, wait = [], [pid]
    while wait:
        pid = wait.pop()
        found.append(pid)
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                wait += [int(child) for child in children.read_text().split()]
            except OSError:  # it ended meanwhile
                continue
    return found


def cpu(pids):
    """Seconds of processor time that these processes have used."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / _TICK


def memory(pid):
    """Megabytes of a process: `own` (nobody else has them), `share` (and its part of what several have), `resident`."""
    sizes = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, size = line.split()[:2]
        sizes[name.rstrip(":")] = int(size) / 1024
    return {
        "own": sizes["Private_Clean"] + sizes["Private_Dirty"],
        "share": sizes["Pss"],
        "resident": sizes["Rss"],
    }
