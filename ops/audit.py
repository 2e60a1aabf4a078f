#!/usr/bin/env python3
"""Ask public services for known vulnerabilities of the packages that a server installs.

    python ops/audit.py PIP_AUDIT [--must]

PIP_AUDIT is the path of pip-audit. Exit status 1 if a vulnerability is known. If no service can be reached, this prints
“NOT AUDITED”, and with --must the exit status is 1; pip-audit alone would print “No known vulnerabilities found”.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = "requirements-server.txt"
SERVICES = ("pypi", "osv")


def verdict(report):
    """From the JSON of pip-audit: `(lines about vulnerabilities, names of audited packages, names of the others)`."""
    entries = report.get("dependencies", [])
    audited = [entry for entry in entries if "vulns" in entry]
    found = [
        f"{entry['name']} {entry['version']}: {', '.join([vuln['id'], *vuln.get('aliases', [])])}"
        + (f" (mended in {', '.join(vuln['fix_versions'])})" if vuln.get("fix_versions") else "")
        for entry in audited
        for vuln in entry["vulns"]
    ]
    others = [entry["name"] for entry in entries if "vulns" not in entry]
    return found, [entry["name"] for entry in audited], others


def ask(program, service, *more):
    """The report of pip-audit and an empty string, or None and the error message."""
    command = [program, "-r", LOCK, "--require-hashes", "--disable-pip", "-s", service, "-f", "json", "--desc", "off"]
    options = ["--progress-spinner", "off", "--timeout", "10", *more]
    try:
        done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        return json.loads(done.stdout), ""
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        said = done.stderr.strip().splitlines()[-1:] if isinstance(error, ValueError) else [str(error)]
        return None, " ".join(said)


def main(program, *options):
    must = "--must" in options
    more = [option for option in options if option != "--must"]
    for service in SERVICES:
        report, said = ask(program, service, *more)
        found, audited, others = verdict(report or {})
        if found:
            print(f"VULNERABLE, says {service}:", *found, sep="\n  ")
            print("Take newer versions: make lock UPGRADE=1. Then run the tests, and upgrade the servers.")
            return 1
        if audited:
            print(f"{service}: no known vulnerability in {len(audited)} packages of {LOCK}.")
            if others:
                print(f"NOT AUDITED: {', '.join(others)}: {service} does not know them.")
            return 1 if others and must else 0
        print(f"{service} has no report. {said or f'It knows none of {len(others)} packages.'}")
    print(f"NOT AUDITED: no service of vulnerabilities can be reached. Nothing is known about {LOCK}.")
    return 1 if must else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
