"""AWS on this machine: MiniStack, in an environment of its own.

Why each setting is as it is stands here, since nobody sees it by the result:

- a clean environment: the emulator hands its own one to the functions, whole;
- `BIND_HOST`: by default it listens on all interfaces;
- `AWS_ENDPOINT_URL`: the functions learn from it where AWS is;
- `AUTH`: without it every function may do everything.

What is changed in the emulator itself, and why, stands in `emulator_process.py`.
"""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from .http import until

REGION = "eu-west-1"
PROCESS = Path(__file__).resolve().parents[1] / "emulator_process.py"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Emulator:
    """One emulator, and all processes that it has started."""

    def __init__(self, folder: Path):
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.log = folder / "emulator.log"
        home = folder / "home"
        home.mkdir()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "TMPDIR": str(folder),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
        # A group of its own, so that no function outlives it.
        self.process = subprocess.Popen(
            [sys.executable, PROCESS], env=environment, cwd=folder, stdin=subprocess.DEVNULL,
            stdout=self.log.open("wb"), stderr=subprocess.STDOUT, start_new_session=True,
        )
        try:
            until(60, "the emulator listens", self._ready)
        except BaseException:
            self.stop()
            raise

    def _ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the emulator ended at its start:\n{self.log.read_text()[-2000:]}")
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            return opener.open(f"{self.endpoint}/_ministack/health", timeout=1).status == 200
        except OSError:
            return False

    def stop(self):
        """Ends it and its functions."""
        for kind, seconds in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
            try:
                os.killpg(self.process.pid, kind)
            except ProcessLookupError:
                break
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
        self.process.wait()
