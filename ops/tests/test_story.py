"""The story that `make story` tells is true."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.commands
def test_the_story_goes_from_import_to_withdrawal_and_says_what_the_public_saw():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")}
    done = subprocess.run(
        [sys.executable, "ops/story.py"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = [
        "Imported, not checked by an editor yet", "Hard to read.", "Publishing answers Erin 403.", "Submitted.",
        "Waiting for my review", "Edition 2 is public now.", "[1 source]", "A document that was invented",
        "Checked against its sources on", "overdue by 1 day", "reviews_due ended with 1", "Check overdue",
        "The public sees (410):", "Nobody has checked it in time.", "editions verified.",
    ]  # fmt: skip
    place = 0
    for words in told:
        found = done.stdout.find(words, place)
        assert found >= 0, f"“{words}” is not told after what comes before:\n{done.stdout}"
        place = found
