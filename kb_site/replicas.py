"""Which database answers: public reads go to streaming replicas, everything else to the primary.

A replica is asked only if it has everything that this node has answered from before. So nobody is shown something
older than somebody was shown already, and nobody reads what was before a publication or a withdrawal once that was
confirmed: while the primary can be asked, its content version is what a replica must have. While it cannot, nothing
can be published, and the replicas that have all that this node has seen go on answering.

A database that failed is left alone until it answers again, which a thread finds out and no reader waits for; and what
it failed is repeated on the next.
"""

import fcntl
import mmap
import os
import threading
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count
from time import monotonic, sleep

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django.http import HttpResponse

from faq import version

PRIMARY = "default"
PAUSE = 1
"""Seconds between two attempts to reach a database that is gone."""
WAIT = 2
"""Seconds for which a database is waited for that takes the question and says nothing."""
PATIENCE = 2
"""Seconds, from when the primary was lost, in which readers wait for a replica that is still to catch up with it."""

Gone = (DatabaseError, InterfaceError)
"""What Django raises where a database cannot be asked."""

_gone: set[str] = set()  # aliases
_turns = count()
_lost_at = None  # when the primary was last found to be gone


class Newest:
    """The highest content version that this node has answered from, in eight bytes that its workers share.

    Where there can be no such file, each worker has its own: a full disk is no reason not to answer."""

    def __init__(self, path):
        self._one_at_a_time, self._file = threading.Lock(), None
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            if os.fstat(self._file).st_size < 8:
                os.pwrite(self._file, bytes(8), 0)  # what is mapped and finds no room later ends the process
            self._bytes = mmap.mmap(self._file, 8)
        except OSError:
            self._bytes = mmap.mmap(-1, 8)

    def get(self):
        return int.from_bytes(self._bytes[:8], "little")

    def follow(self, ask):
        """What `ask()` says. Where that is news it is asked again, one worker at a time, so that the last word is kept.

        It may be less than before: what the primary holds is right, also after a backup was put back."""
        number = ask()
        if number is not None and number != self.get():
            with self._alone():
                number = ask()
                if number is not None:
                    self._bytes[:8] = number.to_bytes(8, "little")
        return number

    def raise_to(self, number):
        """Make it at least `number`, which a replica has. Returns the highest."""
        if number > self.get():
            with self._alone():
                self._bytes[:8] = max(number, self.get()).to_bytes(8, "little")
        return self.get()

    @contextmanager
    def _alone(self):
        with self._one_at_a_time:
            if self._file is None:
                yield
                return
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)


@cache
def newest():
    return Newest(settings.VAR_DIR / "newest-version")


def names():
    """The replicas' aliases."""
    return [alias for alias in connections if alias.startswith("replica")]


def content_version():
    """The content version that an answer to a reader must have at least. Asks the primary, and while that is gone the
    replicas; raises `DatabaseError` where none of them can be asked."""
    number = newest().follow(lambda: _ask(PRIMARY))
    if number is not None:
        return number
    numbers = [number for alias in names() if (number := _ask(alias)) is not None]
    if not numbers:
        raise _unanswered("Neither the primary nor a replica can be asked.")
    return newest().raise_to(max(numbers))


def states():
    """What `/readyz` says of each replica: ``{alias: "ok", "late" or "gone"}``."""
    needed = newest().follow(lambda: _ask(PRIMARY)) or newest().get()
    numbers = {alias: _ask(alias) for alias in names()}
    return {
        alias: "gone" if number is None else "late" if number < needed else "ok" for alias, number in numbers.items()
    }


def ready(request):
    """What `faq.views.ready` says, and how the replicas are. Without its primary the site is ready for readers."""
    from faq import views  # not for commands, which only need the router

    response = views.ready(request)
    if found := states():
        response.content += "".join(f"{alias}: {state}\n" for alias, state in found.items()).encode()
        if "ok" in found.values() and not response.content.startswith(b"database: ok\n"):
            response.content += b"readers: ok\n"
            response.status_code = 200
    return response


class Reading:
    """Where one attempt to answer a request reads from.

    For as long as it lasts, what the code calls the default database is the one that was chosen: so a page is read from
    one database as a whole, by whatever it is made, and cannot write."""

    def __init__(self, failed):
        self.failed = failed  # aliases that have failed this request before
        self.alias, self.again, self._before = None, False, None

    def begin(self):
        """Choose. Raises `OperationalError` where no database has what readers were shown before."""
        while self.alias is None:
            try:
                self.alias = _choose(self.failed)
            except OperationalError:
                if not _lost_lately():
                    raise
                sleep(0.05)  # a replica is about to have all that the primary had
                self.failed.clear()
        if self.alias != PRIMARY:
            self._before, connections[PRIMARY] = connections[PRIMARY], connections[self.alias]

    def end(self):
        if self._before:
            connections[PRIMARY] = self._before

    def is_failed_by(self, error):
        """Whether another database may do what this one did not. (On the primary, a mistake of ours is one.)"""
        if self.alias is None or not isinstance(error, Gone):
            return False
        usable = _is_usable(self.alias)
        if not usable:
            _leave_alone(self.alias)
        self.failed.add(self.alias)
        self.again = not usable or self.alias != PRIMARY
        return self.again


class Readers:
    """Middleware that lets public reads be answered by a replica, and repeats on the next database what one failed."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.method not in ("GET", "HEAD") or settings.SESSION_COOKIE_NAME in request.COOKIES:
            return self.get_response(request)
        failed = set()
        while True:
            request.reading = Reading(failed)
            try:
                response = self.get_response(request)
            finally:
                request.reading.end()
            if not request.reading.again:
                return response

    def process_view(self, request, view, args, kwargs):
        """Only what says of itself that it is the same for every reader may come from a replica."""
        if hasattr(request, "reading") and getattr(view, "is_public", False):
            request.reading.begin()

    def process_exception(self, request, exception):
        if hasattr(request, "reading") and request.reading.is_failed_by(exception):
            return HttpResponse(status=503)  # nobody sees it: the request is repeated
        return None


def is_gone(alias):
    """Whether this database did not answer when it was last asked."""
    return alias in _gone


def _choose(failed):
    """The alias of a database that has everything which this node has answered from: a replica if there is one."""
    needed = content_version()
    aliases, turn = names(), next(_turns)
    for place in range(len(aliases)):
        alias = aliases[(turn + place) % len(aliases)]
        number = None if alias in failed else _ask(alias)
        # One that is ahead (the primary is about to answer with the same) would make the next reader's page seem older.
        if number is not None and (number == needed or (number > needed and content_version() >= number)):
            return alias
    if PRIMARY in failed or PRIMARY in _gone:
        raise _unanswered("No database that can be asked has everything that readers were shown before.")
    return PRIMARY


def _unanswered(words):
    """As Django raises what its driver says, so that nobody takes it for a mistake of ours."""
    error = OperationalError(words)
    error.__cause__ = connections[PRIMARY].Database.OperationalError(words)
    return error


def _ask(alias):
    """The content version in a database, or None if it cannot be asked now."""
    if alias in _gone:
        return None
    try:
        return version.current(using=alias, wait=WAIT)
    except Gone:
        _leave_alone(alias)
        return None


def _leave_alone(alias):
    global _lost_at
    with suppress(*Gone):
        connections[alias].close()
    if alias not in _gone:
        _gone.add(alias)
        if alias == PRIMARY:
            _lost_at = monotonic()
        _watch(alias)


def _watch(alias):
    threading.Thread(target=_wait_for, args=[alias], daemon=True).start()


def _wait_for(alias):
    """Ask a database until it answers. To find that a machine is gone can take seconds, each time."""
    while alias in _gone:
        sleep(PAUSE)
        with suppress(*Gone):
            version.current(using=alias, wait=WAIT)
            _gone.discard(alias)
        version.close()


def _lost_lately():
    return _lost_at is not None and monotonic() - _lost_at < PATIENCE


def _is_usable(alias):
    """Whether the connection lives: what failed on one that does was the question, such as one that took too long."""
    connection = connections[alias]
    try:
        return connection.connection is not None and connection.is_usable()
    except Gone:
        return False
