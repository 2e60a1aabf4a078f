"""Units, timers and jobs, the guide, and the audit."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import get_commands

from faq.tests.test_commands import Site
from ops.servers import ROOT
from ops.tests.deployed import DEPLOY, needs, program_of

pytestmark = pytest.mark.commands

jobs, audit = program_of(DEPLOY / "jobs.py"), program_of(ROOT / "ops" / "audit.py")

UNITS = sorted((DEPLOY / "systemd").glob("kb-site*.service")) + sorted((DEPLOY / "systemd").glob("kb-site*.timer"))


class TestSystemd:
    pytestmark = needs("systemd-analyze", "systemd")

    def test_the_units_are_well_formed(self, tmp_path):
        """With the programs that they start where these tests have them."""
        for path in UNITS:
            text = path.read_text().replace("/opt/kb-site/current/.venv/bin", str(Path(sys.executable).parent))
            text = text.replace("/usr/local/sbin/", f"{DEPLOY}/")
            text = text.replace("User=kb-site", "User=daemon").replace("Group=kb-site", "Group=daemon")
            text = text.replace("file:/opt/kb-site/current/", f"file:{ROOT}/")
            for name in {path.name, path.name.replace("@.", "@a.")}:  # the template, and one that is made from it
                (tmp_path / name).write_text(text)
        names = [str(tmp_path / path.name.replace("@.", "@a.")) for path in UNITS]
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *names],
            capture_output=True, text=True, timeout=60, env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        )  # fmt: skip
        assert done.returncode == 0 and done.stderr == "", done.stderr

    @pytest.mark.parametrize("name", ["kb-site@.service", "kb-site-job@.service"])
    def test_the_services_have_few_privileges(self, name):
        command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=20"]
        done = subprocess.run([*command, str(DEPLOY / "systemd" / name)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout[-300:]  # an exposure of at most 2.0 of 10

    def test_systemd_understands_the_times_of_the_timers(self):
        for path in UNITS:
            for when in re.findall(r"^OnCalendar=(.*)$", path.read_text(), re.M):
                done = subprocess.run(["systemd-analyze", "calendar", when], capture_output=True, text=True, timeout=60)
                assert done.returncode == 0, (path.name, done.stderr)


@pytest.mark.pure
def test_the_commands_and_files_of_the_guide_exist():
    guide = (ROOT / "docs" / "operating.md").read_text()
    commands = set(re.findall(r"kb-site manage\.py ([a-z_]+)", guide)) - {"help"}
    assert len(commands) > 5 and commands <= set(get_commands())
    for path in re.findall(r"(ops/[\w/-]+\.\w+)", guide):
        assert (ROOT / path).exists(), path


def calendar(how, day, clock):
    days = {"daily": "*-*-*", "weekly": f"{['Mon', 'Tue'][day or 0]} *-*-*", "monthly": "*-*-01"}
    return f"{days[how]} {clock}:00"


@pytest.mark.pure
def test_timers_and_containers_start_the_same_commands_at_the_same_times():
    timers = {}
    for path in (DEPLOY / "systemd").glob("*.timer"):
        text = path.read_text()
        [job] = re.findall(r"^Unit=kb-site-job@(\w+)\.service$", text, re.M)
        [timers[job]] = re.findall(r"^OnCalendar=(.*)$", text, re.M)
        assert path.stem == f"kb-site-{job.replace('_', '-')}" and "Persistent=yes" in text
    assert timers == {job: calendar(*when) for job, when in jobs.JOBS.items()}
    assert set(timers) <= set(get_commands())


@pytest.mark.pure
@pytest.mark.parametrize(
    ("job", "now", "last"),
    [
        ("backup", "2026-03-05 02:10", "2026-03-05 02:10"),
        ("backup", "2026-03-05 02:09", "2026-03-04 02:10"),
        ("verify_log", "2026-03-05 12:00", "2026-03-02 04:10"),
        ("check_links", "2026-03-03 04:09", "2026-02-24 04:10"),
        ("verify_backup", "2026-03-01 05:09", "2026-02-01 05:10"),
        ("verify_backup", "2026-03-31 00:00", "2026-03-01 05:10"),
    ],
)
def test_a_missed_job_is_due_once(job, now, last):
    now, last = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (now, last))
    assert jobs.last_time(job, now) == last
    assert jobs.due(now, {job: last - timedelta(seconds=1)}) == [job]
    assert jobs.due(now, {job: last}) == []


def test_the_containers_timer_runs_what_is_due_notes_it_and_stops_when_told(tmp_path):
    site = Site(tmp_path)
    site.environment["PYTHONWARNINGS"] = ""
    site.manage("migrate", "-v0")
    long_ago = dict.fromkeys(("backup", "reviews_due"), "2026-01-01T00:00:00+00:00")
    (tmp_path / "var" / "jobs.json").write_text(json.dumps(long_ago))
    process = site.start(DEPLOY / "jobs.py")
    said = [json.loads(process.stdout.readline()) for _ in range(5)]
    process.terminate()
    rest = process.communicate(timeout=30)[0]
    assert process.returncode == 0 and rest == b""
    assert [(line["message"], line.get("job")) for line in said] == [
        ("waiting", None), ("started", "backup"), ("ended", "backup"), ("started", "reviews_due"),
        ("ended", "reviews_due"),
    ]  # fmt: skip
    assert said[2]["status"] == 0 and "Next: manage.py verify_backup" in said[2]["said"]
    assert len(list((tmp_path / "var" / "backups").iterdir())) == 1
    noted = json.loads((tmp_path / "var" / "jobs.json").read_text())
    assert set(noted) == set(jobs.JOBS) and noted["backup"] > "2026-01-02"


@pytest.mark.pure
def test_an_audit_without_a_report_prints_that_nothing_was_audited():
    known = {"name": "alpha", "version": "1", "vulns": []}
    bad = {"name": "beta", "version": "2", "vulns": [{"id": "X-1", "aliases": ["Y-1"], "fix_versions": ["3"]}]}
    unknown = {"name": "gamma", "skip_reason": "not found"}
    assert audit.verdict({"dependencies": [unknown]}) == ([], [], ["gamma"])
    assert audit.verdict({"dependencies": [known, unknown]}) == ([], ["alpha"], ["gamma"])
    assert audit.verdict({"dependencies": [known, bad]})[0] == ["beta 2: X-1, Y-1 (mended in 3)"]
    done = subprocess.run(
        [sys.executable, ROOT / "ops" / "audit.py", "/no/such/program"], capture_output=True, text=True
    )
    assert done.returncode == 0 and "NOT AUDITED: no service of vulnerabilities can be reached" in done.stdout
    must = [sys.executable, ROOT / "ops" / "audit.py", "/no/such/program", "--must"]
    assert subprocess.run(must, capture_output=True).returncode == 1
