"""Where the benchmark keeps its things, and the environment that it gives to what it starts."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
VAR = ROOT / "var" / "bench"
"""Data sets, the Wagtail peer's own environment, results of single parts. Kept for the next run."""
RESULT = ROOT / "docs" / "bench.json"
PYTHON = sys.executable
SIZES = (20, 10_000, 100_000)
SLUG = "town-001"
"""Of the first collection, which every data set has."""

# What this shell may have set for the site, or for PostgreSQL's clients, is none of the benchmark's business.
_OWN = {
    "DATABASE_URL", "VAR_DIR", "SECRET_KEY", "SECRET_KEY_FILE", "ALLOWED_HOSTS", "CACHE_URL", "DEBUG", "TLS", "PROXY",
    "SITE_NAME", "LEAVE_URL", "HOST", "PORT", "DJANGO_SETTINGS_MODULE", "WORDING_BLOCKS", "SECOND_FACTOR", "KEEP_PAGES",
    "DATABASE_REPLICA_URLS", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE",
}  # fmt: skip


def environment(**more: object) -> dict[str, str]:
    """This process's environment without settings of the site, and with `more`; and Python keeps its bytecode, as it
    does where a site is installed."""
    kept = {name: value for name, value in os.environ.items() if name not in _OWN and not name.startswith("PG")}
    kept["PYTHONPYCACHEPREFIX"] = str(VAR / "bytecode")
    return kept | {name: str(value) for name, value in more.items()}
