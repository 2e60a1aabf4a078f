"""kill -9 at random moments of what writes: afterwards the data is as before or as after, and every promise holds."""

import contextlib
import os
import random
import shutil
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from . import breaking
from .actor import Actor
from .site import ROOT, wait_for

SEED = ROOT / "seeds" / "wyoming-courts-ice.txt"


@dataclass
class Act:
    """What is killed. `base` names the data that it starts from; `shapes` are those that the data may have, in order.

    `seconds` is how long it takes when nobody kills it."""

    name: str
    base: str
    arguments: dict = field(default_factory=dict)
    shapes: list = field(default_factory=list)
    seconds: float = 0
    rows: dict = field(default_factory=dict)


@dataclass
class Tally:
    """What became of the kills of one act."""

    act: str
    kills: int = 0
    ended: Counter = field(default_factory=Counter)
    broken: list = field(default_factory=list)

    def __str__(self):
        ends = ", ".join(f"{count} {name}" for name, count in sorted(self.ended.items()))
        return f"{self.act:<24} {self.kills:>3} kills: {ends}; promises broken: {len(self.broken) or 'none'}"


class Data:
    """The data of one site, kept in several states that it can be set back to."""

    def __init__(self, site):
        self.site = site
        self.bases = site.folder.with_name(f"{site.folder.name}-bases")
        self.bases.mkdir()

    def keep(self, name):
        """Keep the data as it is now."""
        if self.site.sqlite:
            breaking.checkpoint(self.site)
            shutil.copy(self.site.database, self.bases / name)
        else:
            self.wait_until_nobody_is_connected()
            breaking.psql(self._server("postgres"), f"CREATE DATABASE {self._name}_{name} TEMPLATE {self._name}")

    def set_back(self, name):
        shutil.rmtree(self.site.folder / "backups", ignore_errors=True)
        if self.site.sqlite:
            for ending in ("", "-wal", "-shm", "-journal"):
                Path(f"{self.site.database}{ending}").unlink(missing_ok=True)
            if name:
                shutil.copy(self.bases / name, self.site.database)
            return
        template = f"{self._name}_{name}" if name else "template1"
        breaking.psql(
            self._server("postgres"),
            f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)",
            f"CREATE DATABASE {self._name} TEMPLATE {template}",
        )

    def wait_until_nobody_is_connected(self):
        """PostgreSQL's own processes notice a moment later that who spoke with them is dead."""
        if self.site.sqlite:
            return
        import psycopg

        def nobody():
            with psycopg.connect(self._server("postgres"), autocommit=True) as connection:
                asked = connection.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = %s OR datname LIKE 'kb_backup%%'",
                    [self._name],
                )
                return asked.fetchone()[0] == 0

        wait_for(nobody, "PostgreSQL ends what the dead had begun")

    def left_behind(self):
        """What nobody cleared away after a kill, and nobody reads: a sentence."""
        count = sum(len(list(self.site.folder.glob(f"backups/{left}"))) for left in (".*.part", ".scratch-*"))
        if not self.site.sqlite:
            import psycopg

            with psycopg.connect(self._server("postgres"), autocommit=True) as connection:
                rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'kb_backup%'").fetchall()
            count += len(rows)
        return count

    @property
    def _name(self):
        return self.site.environment["DATABASE_URL"].rpartition("/")[2]

    def _server(self, name):
        return f"{self.site.environment['DATABASE_URL'].rpartition('/')[0]}/{name}"


def kill_all(ground, kills, seed, tell=print):
    """Kill `kills` times in all. Prints as it goes; returns sentences about every broken promise."""
    broken = []
    chance = random.Random(seed)
    sites = {"SQLite": ground.sqlite_site}
    with contextlib.suppress(breaking.Impossible):
        sites["PostgreSQL"] = lambda: ground.postgres_site()[0]
    share = [kills // 8 + (place < kills % 8) for place in range(8)]
    tell(f"KILLS: {kills} in all, at moments drawn with the seed {seed} (--seed repeats them)\n")
    for engine, make in sites.items():
        with Killing(make(), chance) as killing:
            for act in killing.acts():
                tally = killing.kill(act, share.pop(0))
                tell(f"  {engine + ', ' + str(tally)}")
                broken += [f"{engine}, {act.name}: {what}" for what in tally.broken]
            if left := killing.data.left_behind():
                tell(f"  {engine}: {left} scratch copies were left behind by what was killed")
    return broken


class Killing:
    """One site whose writers are killed."""

    def __init__(self, site, chance):
        self.site, self.chance = site, chance
        self.data = Data(site)

    def __enter__(self):
        self.actor = Actor(self.site)
        return self

    def __exit__(self, *_):
        self.actor.__exit__()

    def acts(self):
        """The four acts, each measured once: from what it starts, to what it leads, and how long that takes."""
        backup = str(self.site.folder.with_name(f"{self.site.folder.name}-backup"))
        self.data.keep("filled")
        self.actor.run("make_backup", file=backup)
        self.data.set_back(None)
        self.actor.run("migrate")
        self.data.keep("empty")
        self.data.set_back(None)
        self.actor.run("migrate_to_old")
        self.data.keep("old")
        for act in (
            Act("import_seed", "empty", {"file": str(SEED)}),
            Act("publish", "filled"),
            Act("restore", "changed", {"file": backup}),
            Act("migrate", "old"),
        ):
            self._measure(act)
            yield act

    def _measure(self, act):
        if act.base == "changed":
            self.data.set_back("filled")
            self.actor.run("publish")
            self.data.keep("changed")
        self.data.set_back(act.base)
        if act.name == "migrate":
            act.rows = self.actor.look("count")
        else:
            act.shapes = [self.actor.look()["shape"]]
        act.shapes += self.actor.run(act.name, shapes=True, **act.arguments)
        if not act.shapes or act.name != "publish":
            act.shapes.append(self.actor.look()["shape"])
        self.data.set_back(act.base)
        began = time.monotonic()
        self.actor.run(act.name, **act.arguments)
        act.seconds = time.monotonic() - began

    def kill(self, act, times):
        tally = Tally(act.name)
        for _ in range(times):
            moment = self.chance.uniform(0, act.seconds)
            self._kill_once(act, moment, tally)
        return tally

    def _kill_once(self, act, moment, tally):
        self.data.set_back(act.base)
        pid = self.actor.start(act.name, **act.arguments)
        time.sleep(moment)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # with what it had started, as when a machine goes down
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        status, steps = self.actor.end()
        self.data.wait_until_nobody_is_connected()
        tally.kills += 1
        where = f"killed after {moment:.3f} s"
        if act.name == "migrate":
            rows = self.actor.look("count")
            if rows != act.rows:
                tally.broken.append(f"{where}: other rows than before: {rows}")
            self.actor.run("migrate")  # as the next start does
        seen = self.actor.look()
        tally.broken += [f"{where}: {what}" for what in seen["broken"]]
        if seen["shape"] not in act.shapes:
            tally.broken.append(f"{where}: the data is neither as before nor as after")
            tally.ended["between"] += 1
            return
        place = act.shapes.index(seen["shape"])
        if act.name == "publish" and not len(steps) <= place <= len(steps) + 1:
            tally.broken.append(f"{where}: {len(steps)} steps were done, {place} are there")
        if status == 0 and place != len(act.shapes) - 1:
            tally.broken.append(f"{where}: it had ended, and its work is not there")
        if act.name == "migrate":
            tally.ended["in the middle" if status else "when it had ended"] += 1
        elif place == 0:
            tally.ended["as before"] += 1
        elif place == len(act.shapes) - 1:
            tally.ended["as after"] += 1
        else:
            tally.ended["after some of the steps"] += 1
