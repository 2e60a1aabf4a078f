"""`ops/faults.py` with few kills. `make faults` kills more often, and tries the drills."""

import subprocess
import sys

import pytest
from django.conf import settings


@pytest.mark.commands
def test_commands_that_write_can_be_killed_at_any_moment():
    done = subprocess.run(
        [sys.executable, "-m", "ops.faults", "--no-drills", "--kills", "10", "--seed", "1"],
        cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("promises broken: none") >= 4, done.stdout
