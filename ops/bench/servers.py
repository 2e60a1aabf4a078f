"""Starts what is compared, each on a port of its own on this machine, and stops it.

All Python servers are granian as `make run` starts it: two workers of one thread, connections that stay open.
"""

import http.client
import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from getpass import getuser
from pathlib import Path

from . import processes
from .places import HERE, PYTHON, ROOT, VAR, environment
from .sets import Failed

FIRST_PORT = int(os.environ.get("BENCH_PORT", "18500"))
WORKERS = 2


@dataclass
class Server:
    """A running server. `paths` is what is asked of it; `also` are pids of others that work for it, as a database."""

    name: str
    port: int
    process: subprocess.Popen
    paths: list = field(default_factory=list)
    also: list = field(default_factory=list)

    def workers(self):
        """The processes that answer: those of its family that have taken most memory."""
        children = [pid for pid in processes.family(self.process.pid) if pid != self.process.pid]
        return sorted(children, key=lambda pid: processes.memory(pid)["resident"], reverse=True)[:WORKERS]

    def cpu(self):
        """Seconds of processor time of the server alone."""
        return processes.cpu(processes.family(self.process.pid))

    def cpu_of_others(self):
        return processes.cpu(pid for root in self.also for pid in processes.family(root))

    def get(self, path, **headers):
        """One request, on a connection of its own: (status, headers, body)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()


_next_port = FIRST_PORT


def free_port():
    """The next port that nobody has. The last hundred of them stay free for other tools."""
    global _next_port
    for _ in range(100):
        port, _next_port = _next_port, FIRST_PORT + (_next_port + 1 - FIRST_PORT) % 100
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Failed(f"No port is free between {FIRST_PORT} and {FIRST_PORT + 99}. Set BENCH_PORT to another first one.")


@contextmanager
def _running(name, port, command, ask, cwd=ROOT, env=None):
    log = VAR / "logs" / f"{name.replace(' ', '-').replace(',', '')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        # In a session of its own: Ctrl-C is for the benchmark, which then stops its servers itself.
        process = subprocess.Popen(
            list(map(str, command)), cwd=cwd, env=env, stdout=output, stderr=output, start_new_session=True
        )
    server = Server(name, port, process)
    try:
        _wait(server, ask, log)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(server, path, log):
    until = time.monotonic() + 60
    status = None
    while time.monotonic() < until and server.process.poll() is None:
        try:
            status = server.get(path, Host="127.0.0.1")[0]
        except OSError:
            time.sleep(0.05)
            continue
        if status == 200:
            return
        break
    raise Failed(
        f"The server “{server.name}” did not answer {path} ({status or 'nothing'}):\n{log.read_text()[-2000:]}"
    )


def granian(name, application, ask="/", python=PYTHON, cwd=ROOT, workers=WORKERS, **settings):
    """A context with granian serving a WSGI application, as `make run` would."""
    port = free_port()
    command = [
        Path(python).parent / "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", port,
        "--workers", workers, "--blocking-threads", "1", "--no-ws", "--workers-kill-timeout", "10",
        "--log-level", "warning", application,
    ]  # fmt: skip
    return _running(name, port, command, ask, cwd, environment(**settings))


def raw():
    return granian("raw WSGI", "peers.raw:application", cwd=HERE)


def hello():
    return granian("Django hello", "peers.hello:application", cwd=HERE)


def site(name, ask="/healthz", **settings):
    """Our site. `settings` are its environment."""
    return granian(name, "kb_site.wsgi:application", ask, **settings)


def nginx(body):
    """nginx with one file that has `body` in it, at /."""
    folder = VAR / "nginx"
    (folder / "html").mkdir(parents=True, exist_ok=True)
    (folder / "html" / "index.html").write_bytes(body)
    port = free_port()
    (folder / "nginx.conf").write_text(
        f"""
        daemon off; worker_processes {WORKERS}; pid {folder}/pid; error_log {folder}/error.log warn;
        {f"user {getuser()};" if os.geteuid() == 0 else ""}
        events {{ worker_connections 512; }}
        http {{
            access_log off; keepalive_requests 1000000000; default_type text/html; sendfile on;
            open_file_cache max=100; client_body_temp_path {folder}/t; proxy_temp_path {folder}/t;
            fastcgi_temp_path {folder}/t; uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;
            server {{ listen 127.0.0.1:{port}; root {folder}/html; }}
        }}
        """
    )
    command = ["/usr/sbin/nginx", "-c", folder / "nginx.conf", "-p", folder, "-e", folder / "error.log"]
    return _running("nginx", port, command, "/")
