"""Exit 0 if the site on this machine answers, for a container's health check."""

import os
import sys
import urllib.request

address = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/healthz"
host = os.environ.get("ALLOWED_HOSTS", "localhost").split(",")[0].strip()
try:
    with urllib.request.urlopen(urllib.request.Request(address, headers={"Host": host}), timeout=4) as answer:
        sys.exit(answer.read() != b"alive\n")
except OSError as error:
    sys.exit(f"{address} does not answer: {error}")
