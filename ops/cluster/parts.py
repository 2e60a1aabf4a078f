"""The parts of a small cluster on this machine: PostgreSQL primary and replica, two web nodes, nginx in front.

Each is a process of its own in a folder of its own, which can be stopped, killed and started again.
"""

import contextlib
import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ops.with_postgres import find_programs, free_port, other_user, reachable_folder

ROOT = Path(__file__).resolve().parents[2]
WAIT = 30
"""Seconds after which a part that does not come up is given up."""

PRIMARY = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 60
wal_level = replica
hot_standby = on
max_replication_slots = 4
# A part that is gone is noticed within seconds.
wal_sender_timeout = 5s
wal_receiver_timeout = 5s
wal_retrieve_retry_interval = 500ms
"""

# Only passive health checks are free in nginx: a node that fails is left out for a while, and what it failed is asked
# of the other one, unless it may have been carried out already.
NGINX = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    # What cannot be sent twice gets a connection of its own: a node may be closing a kept one at that very moment.
    upstream reading {{
        {servers}
        keepalive 32;
    }}
    upstream writing {{
        {servers}
    }}
    map $request_method $nodes {{
        GET     reading;
        HEAD    reading;
        default writing;
    }}
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header Connection "";
        proxy_connect_timeout 1s;
        proxy_read_timeout 20s;
        proxy_next_upstream error timeout http_502;
        location / {{
            proxy_pass http://$nodes;
        }}
        # While nodes have different releases, one may not have yet what a page of the other one names.
        location /static/ {{
            proxy_pass http://$nodes;
            proxy_next_upstream error timeout http_502 http_404;
        }}
        error_page 502 504 = @gone;
        location @gone {{
            default_type "text/html; charset=utf-8";
            return 503 "<h1>{gone}</h1>";
        }}
    }}
}}
"""
GONE = "The site did not answer in time. If you were saving: look whether it is there, then save again."
ONLY_ONE_HAS = "newer.css"


class Failed(Exception):
    """A part could not be made or started."""


class Part:
    """A process in a session of its own, so that it is ended with all that it started, and nothing else is."""

    name = ""

    def __init__(self, folder):
        self.folder, self.process = folder, None

    def start(self):
        with (self.folder / f"{self.name}.log").open("a") as log:
            how = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "start_new_session": True}
            self.process = subprocess.Popen(self.command(), **(self.how() | how))
        until = time.monotonic() + WAIT
        while not self.is_up():
            if self.process.poll() is not None or time.monotonic() > until:
                raise Failed(f"{self.name} did not start:\n{self.last_words()}")
            time.sleep(0.05)
        return self

    def command(self):
        raise NotImplementedError

    def how(self):
        return {"cwd": self.folder}

    def is_up(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self):
        """At once, as when the power fails."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.kill()

    def _signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def last_words(self):
        log = self.folder / f"{self.name}.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-20:]) if log.exists() else ""


class Postgres(Part):
    def __init__(self, name, folder, port, programs):
        super().__init__(folder / name)
        self.name, self.port, self.programs = name, port, programs
        self.folder.mkdir()
        self.data = self.folder / "data"
        self.user = other_user()
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)

    def make(self):
        self._run("initdb", "--no-sync", "--username=kb", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8",
                  "--pgdata", self.data)  # fmt: skip
        lines = [f"host {what} all 127.0.0.1/32 trust\n" for what in ("all", "replication")]
        (self.data / "pg_hba.conf").write_text("".join(lines))
        (self.data / "postgresql.auto.conf").write_text(PRIMARY.format(port=self.port))
        self._run("postgres", "--single", "-D", self.data, "postgres", input="CREATE DATABASE kb\n")
        return self

    def make_replica_of(self, primary):
        """A copy of a running primary that follows it from now on, also after it was away for a while."""
        self._run("pg_basebackup", "--host=127.0.0.1", f"--port={primary.port}", "--username=kb", "--no-sync",
                  "--checkpoint=fast", "--write-recovery-conf", "--create-slot", "--slot=replica",
                  "--pgdata", self.data)  # fmt: skip
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.write(f"port = {self.port}\n")
        return self

    def lag(self, seconds):
        """Apply what the primary did only so much later."""
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.write(f"recovery_min_apply_delay = '{seconds}s'\n")
        self.process.send_signal(signal.SIGHUP)

    def promote(self):
        self._run("pg_ctl", "promote", "--wait", "--timeout=20", "-D", self.data)

    def command(self):
        return [self.programs / "postgres", "-D", self.data]

    def how(self):
        # PG* variables of this shell speak of other servers.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        how = {"cwd": self.folder, "env": environment | {"LC_ALL": "C.UTF-8"}}
        if self.user:
            how |= {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        return how

    def is_up(self):
        with contextlib.suppress(OSError):
            return "ready" in (self.data / "postmaster.pid").read_text().split()
        return False

    def kill(self):
        """The server and its processes, each of which is in a session of its own."""
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True)
        for pid in [self.process.pid, *map(int, listed.stdout.split())]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """Without waiting for those who are connected. What was committed goes to the replica first."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.kill()

    def start(self):
        with contextlib.suppress(FileNotFoundError):
            (self.data / "postmaster.pid").unlink()  # of one that was killed: else it may be taken for being up
        return super().start()

    def _run(self, program, *arguments, input=""):
        done = subprocess.run(
            [self.programs / program, *map(str, arguments)], input=input, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False, timeout=60, **self.how(),
        )  # fmt: skip
        if done.returncode:
            raise Failed(f"{program} failed:\n{done.stdout}")


class Node(Part):
    """A web node as `make run` has it, with a VAR_DIR of its own."""

    def __init__(self, name, folder, port, settings):
        super().__init__(folder / name)
        self.name, self.port, self.settings = name, port, settings
        self.folder.mkdir()

    def environment(self):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "DATABASE_"))}
        for name in ("CACHE_URL", "ALLOWED_HOSTS", "TLS", "PROXY", "SECOND_FACTOR", "DEBUG"):
            kept.pop(name, None)
        return kept | self.settings | {"VAR_DIR": str(self.folder)}

    def command(self):
        options = (
            f"--interface wsgi --host 127.0.0.1 --port {self.port} --workers 2 --blocking-threads 1 --no-ws "
            "--workers-kill-timeout 10 --log-level warning"
        )
        return [Path(sys.executable).with_name("granian"), *options.split(), "kb_site.wsgi:application"]

    def how(self):
        return {"cwd": ROOT, "env": self.environment()}

    def is_up(self):
        """Whether it answers: granian takes connections before its workers do."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def manage(self, *arguments):
        """Run a command of the site with this node's settings; returns what it prints."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment(), capture_output=True,
            text=True, check=False, timeout=120,
        )  # fmt: skip
        if done.returncode:
            raise Failed(f"manage.py {arguments[0]} failed:\n{done.stdout}{done.stderr}")
        return done.stdout


class Nginx(Part):
    name = "nginx"

    def __init__(self, folder, port, nodes):
        super().__init__(folder / "nginx")
        self.port, self.program = port, shutil.which("nginx") or "/usr/sbin/nginx"
        self.folder.mkdir()
        servers = [f"server 127.0.0.1:{node.port} max_fails=1 fail_timeout=2s;" for node in nodes]
        user = "user root;" if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(
            NGINX.format(folder=self.folder, user=user, port=port, servers="\n        ".join(servers), gone=GONE)
        )

    def command(self):
        return [self.program, "-c", self.folder / "nginx.conf", "-e", self.folder / "error.log"]


class Cluster:
    """All parts, in one temporary folder. `with Cluster() as cluster:` starts them, and ends and removes them."""

    def __init__(self, first_port=0):
        self.programs = find_programs()
        if not self.programs:
            raise Failed("There is no PostgreSQL server here. On Debian: apt-get install postgresql")
        if not (shutil.which("nginx") or Path("/usr/sbin/nginx").exists()):
            raise Failed("There is no nginx here. On Debian: apt-get install nginx-light")
        self.folder = Path(tempfile.mkdtemp(prefix="kb-cluster-", dir=reachable_folder()))
        self.folder.chmod(0o755)
        ports = [first_port + place if first_port else free_port() for place in range(5)]
        self.primary = Postgres("primary", self.folder, ports[0], self.programs)
        self.replica = Postgres("replica", self.folder, ports[1], self.programs)
        both = f"127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}"
        settings = {
            # Whichever of the two takes writes is the primary.
            "DATABASE_URL": f"postgres://kb@{both}/kb?target_session_attrs=read-write",
            "DATABASE_REPLICA_URLS": f"postgres://kb@127.0.0.1:{ports[1]}/kb",
            "SECRET_KEY": secrets.token_urlsafe(50),
        }
        self.nodes = [Node(f"node{n}", self.folder, ports[1 + n], settings) for n in (1, 2)]
        self.nginx = Nginx(self.folder, ports[4], self.nodes)
        self.address = f"127.0.0.1:{ports[4]}"

    def __enter__(self):
        try:
            self.primary.make().start()
            self.nodes[0].manage("migrate", "-v0")
            self.replica.make_replica_of(self.primary).start()
            for node in self.nodes:
                node.manage("collectstatic", "--no-input", "-v0")
            # As while one node has a newer release than the other.
            (self.nodes[1].folder / "static" / ONLY_ONE_HAS).write_text("/* a newer release */")
            for node in self.nodes:
                node.start()
            self.nginx.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        for part in (self.nginx, *self.nodes, self.replica, self.primary):
            part.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
