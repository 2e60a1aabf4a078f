# What people type in this project; `make` alone lists it. Kept to what GNU make 3.81 knows, which macOS has.

# For an environment that is still to be made: `make clean` first, to change the Python of one that is there.
PYTHON ?= python3
HOST ?= 127.0.0.1
override HOST := $(if $(filter localhost,$(HOST)),127.0.0.1,$(HOST))
PORT ?= 8000
VAR_DIR ?= var
export HOST PORT VAR_DIR EMPTY

.DEFAULT_GOAL := help
.PHONY: help run test test-sqlite test-postgres story faults failover relevance attack drill audit screenshots lint format check lock \
  clean venv-run venv-dev
# The targets share .venv, and two test runs at once would only slow each other down.
.NOTPARALLEL:

help: ## list what there is to do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  Settings, as in: make run PORT=9000"
	@echo "  PYTHON=$(PYTHON)  HOST=$(HOST)  PORT=$(PORT)  VAR_DIR=$(VAR_DIR)"

run: venv-run ## make everything ready and start the site (Ctrl-C stops it)
	@.venv/bin/python -c "$$CHECK_ADDRESS" "$(HOST)" "$(PORT)"
	@.venv/bin/python manage.py prepare
	@exec .venv/bin/python -c "$$SERVE" .venv/bin/granian --interface wsgi --host "$(HOST)" --port "$(PORT)" \
	  --workers 2 --blocking-threads 1 --no-ws --workers-kill-timeout 10 --respawn-failed-workers --log-level warning \
	  kb_site.wsgi:application

# A second granian on the same port would start without a word and answer every other request. What it cannot make out
# (it takes addresses in numbers only) it tells in fifty lines.
define CHECK_ADDRESS
import ipaddress, socket, sys
host, port = sys.argv[1:]
try:
    version = ipaddress.ip_address(host).version
    with socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, int(port)))
except (ValueError, OverflowError):
    sys.exit(f"HOST={host} PORT={port} is no address: HOST takes localhost or numbers, such as 127.0.0.1 or 0.0.0.0, and\n"
             "PORT a number up to 65535.")
except OSError as error:
    sys.exit(f"The site cannot be served at HOST={host} PORT={port}: {error}.\n"
             "Where it is running already, stop that, or choose another port: make run PORT=8001")
endef
export CHECK_ADDRESS

# Keeps the server out of the terminal's reach and tells it itself when to stop. Else Ctrl-C reaches granian's workers
# twice, from the terminal and from granian, and now and then one hangs until it is killed; and closing the terminal's
# window, which granian takes for the wish to reload, would leave the server running with nobody to stop it.
define SERVE
import signal, subprocess, sys
server, asked = None, False
def stop(*_):
    global asked
    if server and not asked:
        server.terminate()
    asked = True
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
        signal.signal(number, stop)
server = subprocess.Popen(sys.argv[1:], start_new_session=True)
if asked:  # before there was anything to stop
    server.terminate()
sys.exit(server.wait() and 1)
endef
export SERVE

test: venv-dev ## run all tests, on SQLite and then on PostgreSQL
	@$(MAKE) --no-print-directory --keep-going test-sqlite test-postgres

# The tests have a scratch VAR_DIR and a database of their own, whatever this shell has set for the site.
own_settings = unset DATABASE_URL VAR_DIR HOST PORT;

test-sqlite: venv-dev ## run all tests on SQLite alone
	@$(own_settings) exec .venv/bin/pytest -n auto

test-postgres: venv-dev ## run the tests that need a database on PostgreSQL alone
	@$(own_settings) .venv/bin/python ops/with_postgres.py; case $$? in \
	0) exec .venv/bin/python ops/with_postgres.py \
	     .venv/bin/pytest -n auto -m "not browser and not commands and not pure and not sqlite" ;; \
	3) echo "SKIPPED: the tests on PostgreSQL. To run them too, install its server: apt-get install postgresql"; \
	   if [ "$$CI" = true ]; then echo "With CI=true that is a failure."; exit 1; fi ;; \
	*) exit 1 ;; \
	esac

story: venv-run ## follow one answer from the import to the public and off it again, on a scratch database
	@.venv/bin/python ops/story.py

KILLS ?= 200
faults: venv-dev ## kill commands that write (KILLS=200), and take disk, database, cache and search index away
	@$(own_settings) exec .venv/bin/python -m ops.faults --kills $(KILLS)

failover: venv-dev ## kill a PostgreSQL primary under load, promote its standby, print what was lost (needs PostgreSQL)
	@$(own_settings) exec .venv/bin/python -m ops.failover

relevance: venv-dev ## measure how good the search is, on SQLite and then on PostgreSQL
	@$(own_settings) .venv/bin/python ops/relevance.py
	@$(own_settings) .venv/bin/python ops/with_postgres.py >/dev/null 2>&1; case $$? in \
	0) exec .venv/bin/python ops/with_postgres.py .venv/bin/python ops/relevance.py ;; \
	*) echo "SKIPPED: PostgreSQL. To measure it too, install its server: apt-get install postgresql" ;; \
	esac

ATTACK ?= 10000
attack: venv-dev ## send the site hostile requests, words and files, and count what gets through (ATTACK=n: how many)
	@$(own_settings) exec .venv/bin/python ops/attack.py $(ATTACK) $(if $(SEED),--seed $(SEED))

.PHONY: bench
bench: venv-run ## measure speed and memory in three minutes (needs wrk; PostgreSQL and Wagtail to compare)
	@$(own_settings) exec .venv/bin/python -m ops.bench

screenshots: venv-dev ## take pictures of every page, into var/screenshots (needs Chromium)
	.venv/bin/python ops/screenshots.py

lint: venv-dev ## look for faults in code, templates and types
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/djlint templates --check --lint --quiet
	.venv/bin/mypy

# djlint's status is 1 when it changed something; that it is well now, a second look says.
format: venv-dev ## lay out code and templates as lint wants them
	.venv/bin/ruff check --fix-only
	.venv/bin/ruff format
	.venv/bin/djlint templates --reformat --quiet || .venv/bin/djlint templates --check --quiet

drill: venv-run ## back up, restore into a scratch site, start it and read from it; says how long each step took
	@.venv/bin/python ops/drill.py

# In an environment of its own: what audits the site is not part of it.
audit: ## ask public services whether vulnerabilities are known in what runs the site
	@cmp -s requirements-audit.txt .venv-audit/made-from || { \
	  echo "Installing requirements-audit.txt into .venv-audit." && rm -rf .venv-audit && "$(PYTHON)" -m venv .venv-audit && \
	  .venv-audit/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-audit.txt && \
	  cp requirements-audit.txt .venv-audit/made-from; }
	@"$(PYTHON)" ops/audit.py .venv-audit/bin/pip-audit $(if $(MUST),--must)

check: venv-run ## check the settings for production, and that no migration is missing
	ALLOWED_HOSTS="$${ALLOWED_HOSTS:-example.org}" .venv/bin/python manage.py check --deploy --fail-level WARNING
	.venv/bin/python manage.py makemigrations --check

# --universal: one lock for every system and Python that the project supports. Pins that still fit are kept. Extras are
# kept, too: where a package asks for coverage[toml], older pips take the newest one although coverage is pinned.
uv_lock = uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-strip-extras \
  --no-header $(if $(UPGRADE),--upgrade) --quiet

lock: ## remake the requirements files after pyproject.toml changed (UPGRADE=1: newest versions)
	@command -v uv >/dev/null || { echo "This needs uv: python3 -m pip install uv" >&2; exit 1; }
	$(uv_lock) --extra postgres --extra redis pyproject.toml -o requirements.txt
	$(uv_lock) --extra postgres --extra redis --extra sentry -c requirements.txt pyproject.toml -o requirements-server.txt
	$(uv_lock) --extra postgres --extra redis --extra sentry --extra dev -c requirements-server.txt pyproject.toml \
	  -o requirements-dev.txt
	$(uv_lock) --group pyproject.toml:audit -o requirements-audit.txt

clean: ## remove the environment and all caches, never the site's data
	rm -f .venv/.run .venv/.dev
	rm -rf .venv .venv-audit .pytest_cache .mypy_cache .ruff_cache .hypothesis htmlcov .coverage .coverage.*
	find . \( -path ./.git -o -path ./var \) -prune -o -type d -name __pycache__ -exec rm -rf {} +

# The environment. A stamp in it holds what it was made from: the folder, since an environment cannot be moved, and
# the locks. Where that differs from what is here now, the environment is made anew, so that nothing old stays in it.
run_lock := requirements.txt
dev_lock := requirements.txt requirements-dev.txt

holds = { [ -x .venv/bin/python ] && [ "$$(pwd -P; cat $($(1)_lock))" = "$$(cat .venv/.$(1) 2>/dev/null)" ]; }
# Comes last and in one step, so that an interrupted install has none.
stamp = { pwd -P; cat $($(1)_lock); } >.venv/stamp && mv .venv/stamp .venv/.$(1)
install = echo "Installing $(1) into .venv. This may take a minute." && \
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1)

venv-run:
	@$(call holds,run) || { \
	  $(new_venv) && $(call install,requirements.txt) && $(call stamp,run); }

# Packages for work on the project come on top of those that run it, so this serves `run` as well.
venv-dev:
	@$(call holds,dev) || { \
	  { $(call holds,run) || { $(new_venv); }; } && $(call install,requirements-dev.txt) && \
	  $(call stamp,run) && $(call stamp,dev); }

# Any Python can read this, and says in words what it lacks. It prints where it is itself, outside of any environment:
# with .venv active, $(PYTHON) is a link inside the very folder that is about to be removed.
define CHECK_PYTHON
import sys
name = sys.argv[1]
if sys.version_info < (3, 11):
    sys.exit("'%s' is Python %d.%d, and this project needs 3.11 or newer. Where there is one, name it, for example:\n"
             "    make run PYTHON=python3.12" % ((name,) + tuple(sys.version_info[:2])))
try:
    import ensurepip, venv
except ImportError:
    sys.exit("'%s' cannot make virtual environments. On Debian and Ubuntu, install what it lacks:\n"
             "    apt install python3-venv        (python3.12-venv for a python3.12 beside the system's own)" % name)
print(getattr(sys, "_base_executable", sys.executable))
endef
export CHECK_PYTHON

new_venv = command -v "$(PYTHON)" >/dev/null || { \
    echo "There is no '$(PYTHON)' here. Install Python 3.11 or newer, or name one: make run PYTHON=python3.12" >&2; \
    exit 1; }; \
  python=$$("$(PYTHON)" -c "$$CHECK_PYTHON" "$(PYTHON)") && [ -n "$$python" ] || { \
    echo "'$(PYTHON)' cannot be used. Name another Python 3.11 or newer: make run PYTHON=python3.12" >&2; exit 1; } && \
  rm -f .venv/.run .venv/.dev && rm -rf .venv && "$$python" -m venv .venv
