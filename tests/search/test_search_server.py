"""A study in the database of a server: several processes share it as they share a file. Skipped where none is there."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna")

from cadence._errors import SearchError
from cadence.search.claims import Claims
from cadence.search.database import answering, open_database
from cadence.search.settings import read_settings
from cadence.search.study import Study

KEYS: dict[str, Any] = {
    "task": "digits", "optimizer": {"name": "adamw", "lr": 5.0}, "total": 90,
    "search": {"space": {"lr": "log(1e-4, 1)"}, "sampler": "random"},
}  # fmt: skip
ABOUT = {"metric": "val_loss", "higher_is_better": False, "total": 90, "device": "cpu"}


def binary(name: str) -> str:
    """A server's program; PostgreSQL's lie where the path does not lead."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", *map(str, places)])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@contextmanager
def home() -> Iterator[tuple[Path, dict[str, Any]]]:
    """A folder for a server, and what makes its processes somebody's who is not root, as servers want it."""
    folder = Path(tempfile.mkdtemp(prefix="cadence-db-"))
    somebody: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            somebody |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        yield folder, somebody
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_for(server: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(300):
        if server.poll() is not None:
            pytest.skip(f"the server ended with status {server.returncode}")
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.skip("the server does not answer")


@contextmanager
def postgresql() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    pytest.importorskip("psycopg")
    make, program = binary("initdb"), binary("postgres")
    with home() as (folder, somebody):
        data, port = folder / "data", free_port()
        if subprocess.run([make, "-D", data, "-U", "me", "-A", "trust", "-N"], check=False, **somebody).returncode:
            pytest.skip("no database can be made here")
        local = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
        with subprocess.Popen([program, "-D", data, "-p", str(port), *local], **somebody) as server:
            try:
                wait_for(server, port)
                yield f"postgresql+psycopg://me:secret@127.0.0.1:{port}/postgres", server
            finally:
                server.kill()


@contextmanager
def mariadb() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    pytest.importorskip("pymysql")
    make, program = binary("mariadb-install-db"), binary("mariadbd")
    with home() as (folder, somebody):
        data, port = folder / "data", free_port()
        own = ["--no-defaults", f"--datadir={data}"]
        made = [make, *own, "--auth-root-authentication-method=normal", "--skip-test-db"]
        if subprocess.run(made, check=False, **somebody).returncode:
            pytest.skip("no database can be made here")
        begin = folder / "begin.sql"
        begin.write_text(
            "CREATE DATABASE studies;\nCREATE USER me@localhost IDENTIFIED BY 'secret';\n"
            "GRANT ALL ON studies.* TO me@localhost;\n"
        )
        begin.chmod(0o644)
        told = [*own, f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder}/s", f"--init-file={begin}"]
        with subprocess.Popen([program, *told], **somebody) as server:
            try:
                wait_for(server, port)
                yield f"mysql+pymysql://me:secret@127.0.0.1:{port}/studies", server
            finally:
                server.kill()


@pytest.fixture(scope="module", params=[postgresql, mariadb], ids=["postgresql", "mariadb"])
def served(request: pytest.FixtureRequest) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with request.param() as made:
        yield made


class Opened:
    """Databases as several processes open them, closed together."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engines: list[Any] = []

    def engine(self) -> Any:
        return self._both()[1]

    def study(self, name: str) -> Study:
        made = Study(self._both()[0], name, read_settings(KEYS, None, None, {}), self.url)
        if not made.exists():
            made.create(ABOUT)
        return made

    def _both(self) -> tuple[Any, Any]:
        storage, engine = open_database(self.url)
        self._engines.append(engine)
        return storage, engine

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        for engine in self._engines:
            engine.dispose()


JOBS = [f"trial {n}" for n in range(8)]


@pytest.mark.xdist_group("databases")
def test_processes_share_a_study_on_a_server(served: tuple[str, subprocess.Popen[bytes]], tmp_path: Path) -> None:
    with Opened(served[0]) as databases:
        one, other = databases.study("shared"), databases.study("shared")
        assert one.trial(3) == other.trial(3)
        assert len(other.trials()) == 1
        # Of several that take a job at one moment one has it.
        dead, *hands = [Claims(databases.engine(), 1, tmp_path / f"p{i}") for i in range(3)]
        got: list[str] = []
        threads = [
            threading.Thread(target=lambda h=h: got.extend(j for j in JOBS if h.take(j))) for h in (dead, *hands)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(got) == JOBS
        # What a process leaves behind is seized by one.
        dead.take("trial left")
        dead.leave()
        claim = next(c for c in hands[0].open() if c.job == "trial left")
        assert hands[0].abandoned(claim)
        assert [hand.seize(claim) for hand in hands] == [True, False]
        for hand in hands:
            hand.leave()


@pytest.mark.xdist_group("databases")
def test_a_server_that_goes_away_is_one_sentence_without_the_password(
    served: tuple[str, subprocess.Popen[bytes]],
) -> None:
    url, server = served
    with Opened(url) as databases:
        study = databases.study("gone")
        server.kill()
        server.wait()
        with pytest.raises(SearchError, match="no longer answers") as fault, answering(url):
            study.trial(0)
        with pytest.raises(SearchError, match="does not open") as again:
            open_database(url)
    for said in (str(fault.value), str(again.value)):
        assert "secret" not in said
        assert "\n" not in said
