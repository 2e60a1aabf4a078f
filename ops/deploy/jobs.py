"""Start the site's commands on time where systemd's timers are missing, as in containers.

    python ops/deploy/jobs.py          runs until SIGTERM
    python ops/deploy/jobs.py --list   prints the times of each job

VAR_DIR/jobs.json has the last start of each job, so a missed job starts late instead of never. Times are UTC, as in
ops/deploy/systemd/*.timer.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
JOBS = {
    "backup": ("daily", None, "02:10"),
    "purge_reports": ("daily", None, "03:10"),
    "clearsessions": ("daily", None, "03:40"),
    "reviews_due": ("daily", None, "06:10"),
    "verify_log": ("weekly", 0, "04:10"),
    "check_links": ("weekly", 1, "04:10"),
    "verify_backup": ("monthly", 1, "05:10"),
}
"""Command: how often, on which day (of the week from Monday, 0, or of the month from 1), at what time."""


def last_time(job, now):
    """The last moment, up to `now`, at which `job` was due."""
    how, day, clock = JOBS[job]
    hour, minute = map(int, clock.split(":"))
    moment = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    while moment > now or not (
        how == "daily" or (how == "weekly" and moment.weekday() == day) or (how == "monthly" and moment.day == day)
    ):
        moment -= timedelta(days=1)
    return moment


def due(now, started):
    """The jobs that were due since they were last started; `started` is ``{job: moment}``."""
    return [job for job in JOBS if job in started and started[job] < last_time(job, now)]


def tell(**known):
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    print(json.dumps({"time": moment, "logger": "jobs", **known}), flush=True)


def run(job):
    tell(level="INFO", message="started", job=job)
    done = subprocess.run([sys.executable, "manage.py", job], cwd=ROOT, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).strip()[-2000:]
    tell(level="ERROR" if done.returncode else "INFO", message="ended", job=job, status=done.returncode, said=said)


def keep(path, started):
    part = path.with_suffix(".part")
    part.write_text(json.dumps({job: moment.isoformat() for job, moment in started.items()}))
    part.replace(path)


def main():
    path = Path(os.environ.get("VAR_DIR", ROOT / "var")) / "jobs.json"
    now = datetime.now(UTC)
    known = json.loads(path.read_text()) if path.exists() else {}
    started = {job: datetime.fromisoformat(known[job]) if job in known else now for job in JOBS}
    if "--list" in sys.argv:
        for job in JOBS:
            last = last_time(job, now)
            print(f"{job:<14} {JOBS[job][0]:<8} last due {last:%Y-%m-%d %H:%M}, started {started[job]:%Y-%m-%d %H:%M}")
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    keep(path, started)
    tell(level="INFO", message="waiting", jobs=list(JOBS))
    while not stop.is_set():
        for job in due(datetime.now(UTC), started):
            started[job] = datetime.now(UTC)
            keep(path, started)
            run(job)
        stop.wait(20)


if __name__ == "__main__":
    main()
