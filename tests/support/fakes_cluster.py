"""A Dask scheduler with workers as separate processes on the loopback address, and an S3 server for a cache."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import psutil
from fakes_installed import environment

SECRETS = {"key": "AKIATESTONLY", "secret": "abc/def+ghi/SECRETVALUE"}


class Cluster:
    """One scheduler, and workers that come and go."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = environment(folder) | {"DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "error"}
        self._scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        self.workers: list[subprocess.Popen[str]] = []
        self.address = self._said("scheduler", "Scheduler at:")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self.workers, self._scheduler):
            process.kill()
            process.wait()

    def add_worker(self, *, nanny: bool) -> subprocess.Popen[str]:
        """Starts a worker: with a nanny it is a daemon, which may have no processes of its own but for ours; without, nobody replaces it."""
        options = ["--nthreads", "1", f"--{'' if nanny else 'no-'}nanny", "--no-dashboard", "--name", uuid.uuid4().hex[:6]]
        self.workers.append(self._start("worker", self.address, *options))
        return self.workers[-1]

    def kill(self, worker: subprocess.Popen[str]) -> list[int]:
        """Ends a worker as a lost machine would, and gives the processes it had."""
        own = [process.pid for process in psutil.Process(worker.pid).children(recursive=True)]
        worker.kill()
        worker.wait()
        return own

    def _start(self, kind: str, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments]
        with (self._folder / f"{kind}.log").open("a", encoding="utf-8") as log:
            variables = self._environment | {"DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "info"}
            return subprocess.Popen(command, env=variables, stdout=log, stderr=log, text=True, cwd=self._folder)

    def _said(self, kind: str, what: str) -> str:
        for _ in range(300):
            for line in (self._folder / f"{kind}.log").read_text(encoding="utf-8").splitlines():
                if what in line:
                    return line.partition(what)[2].strip()
            time.sleep(0.1)
        raise AssertionError((self._folder / f"{kind}.log").read_text(encoding="utf-8"))


@contextmanager
def s3_server() -> Iterator[dict[str, Any]]:
    """Options for a cache at `s3://cache/…`, served by moto."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id=SECRETS["key"],
            aws_secret_access_key=SECRETS["secret"],
            region_name="us-east-1",
        )
        client.create_bucket(Bucket="cache")
        client.close()
        yield {**SECRETS, "endpoint_url": endpoint, "client_kwargs": {"region_name": "us-east-1"}}
    finally:
        server.stop()


def ended(pids: list[int], seconds: float = 20.0) -> bool:
    """Whether all of these processes end in time."""
    deadline = time.monotonic() + seconds
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
