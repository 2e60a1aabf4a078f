"""What the parts of the benchmark share: how thorough it is, and what is running already."""

import json
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property

from . import generating, postgres, servers, sets, wagtail
from .places import PYTHON, ROOT, SIZES, VAR, environment
from .sets import Failed, say

SQLITE, POSTGRES = "SQLite", "PostgreSQL"
PAGES = 25
"""Question pages that a server is asked for in turn."""


@dataclass
class Bench:
    """One run. `rounds` of `seconds` for each figure, over these `sizes` and `engines`."""

    stack: ExitStack
    rounds: int
    seconds: float
    sizes: tuple = SIZES
    engines: tuple = (SQLITE, POSTGRES)
    quick: bool = False
    _servers: dict = field(default_factory=dict)

    def server(self, make, *arguments):
        """The server that `make(*arguments)` starts. It runs until the end, and is started once."""
        key = make, arguments
        if key not in self._servers:
            self._servers[key] = self.stack.enter_context(make(*arguments))
        return self._servers[key]

    def settings(self, engine, size):
        """The environment in which the product sees a data set."""
        if engine == SQLITE:
            return {"VAR_DIR": self._sqlite(size)}
        return {"VAR_DIR": self._sqlite(min(self.sizes)), "DATABASE_URL": self._postgres[0](size)}

    def site(self, engine, size, keep):
        """Our site on a data set, with kept pages or without."""
        key = "site", engine, size, keep
        if key not in self._servers:
            settings = self.settings(engine, size) | {"KEEP_PAGES": "on" if keep else "off"}
            name = f"site {engine} {size} {'kept' if keep else 'first'}"
            server = self.stack.enter_context(servers.site(name, **settings))
            server.also = [self._postgres[1]] if engine == POSTGRES else []
            self._servers[key] = server
        return self._servers[key]

    def wagtail(self):
        answers = self.inside("answers", self.settings(SQLITE, min(self.sizes)))
        wagtail.prepare(answers)
        return self.server(wagtail.server)

    def paths(self, engine, size):
        """Addresses of question pages, from all over a data set."""
        return self.addresses(engine, size, range(0, size, max(1, size // PAGES))[:PAGES])

    def addresses(self, engine, size, indexes):
        """Addresses of the questions with these indexes in the whole set."""
        places = [f"{slug}.{number}" for slug, number in map(generating.place, indexes)]
        return self.inside("addresses", self.settings(engine, size), *places)

    def inside(self, name, settings, *arguments, module="kb_site.settings"):
        """What a program of `inside/` prints about the site with these settings."""
        process = self.start_inside(name, settings, *arguments, module=module)
        said, error = process.communicate(timeout=900)
        if process.returncode:
            raise Failed(f"inside/{name}.py:\n{error[-2000:]}")
        return json.loads(said.splitlines()[-1])

    def start_inside(self, name, settings, *arguments, module="kb_site.settings"):
        command = [PYTHON, "-m", f"ops.bench.inside.{name}", *map(str, arguments)]
        env = environment(DJANGO_SETTINGS_MODULE=module, **settings)
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=ROOT, env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def scratch(self, name):
        """A folder that does not exist yet, for something to write into. It is gone afterwards."""
        import shutil

        folder = VAR / "scratch" / name
        shutil.rmtree(folder, ignore_errors=True)
        self.stack.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def _sqlite(self, size):
        if size not in self._folders:
            self._folders[size] = sets.sqlite(size)
        return self._folders[size]

    @cached_property
    def _folders(self):
        return {}

    @cached_property
    def _postgres(self):
        say("  starting PostgreSQL")
        return self.stack.enter_context(postgres.filled(self.sizes))
