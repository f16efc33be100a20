"""The database that a search lives in: opened by its URL, or a sentence that says why it does not open."""

from __future__ import annotations

import contextlib
import logging
import time
import warnings
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cadence._errors import SearchError
from cadence._lazy import need

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from sqlalchemy import Engine

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds that a process waits for a file that another one writes to."""

DRIVERS = {
    "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2-binary",
    "pg8000": "pg8000",
    "pymysql": "PyMySQL",
    "mysqldb": "mysqlclient",
    "mysqlconnector": "mysql-connector-python",
    "mariadbconnector": "mariadb",
    "oracledb": "oracledb",
    "pyodbc": "pyodbc",
}
"""What SQLAlchemy calls a driver -> the package that has it, for messages."""


def open_database(url: str) -> tuple[BaseStorage, Engine]:
    """Open a database, and make in it what Optuna needs.

    Args:
        url: as SQLAlchemy has them: ``sqlite:///study.db``, ``postgresql://user:password@host/name``.

    Returns:
        Optuna's storage, and the engine that it stands on.

    Raises:
        SearchError: the URL cannot be read, or the database does not open.
        MissingExtraError: Optuna is not installed.
    """
    optuna = need("optuna", extra="sweep")
    exc = need("sqlalchemy.exc", extra="sweep")
    shown = checked(url)
    kind = url.partition(":")[0].partition("+")[0]
    keywords: dict[str, Any] = {"connect_args": {"timeout": PATIENCE}} if kind == "sqlite" else {}

    def opened() -> Any:
        return optuna.storages.RDBStorage(url, engine_kwargs=keywords)

    try:
        with quiet():
            # Two that begin at one moment make the same tables; the one that comes second finds them.
            storage = again(opened, (exc.OperationalError, exc.IntegrityError, exc.ProgrammingError), tries=3)
    except (ImportError, exc.NoSuchModuleError) as fault:
        raise SearchError(
            f"the database {shown} needs a driver that is not installed ({_first(fault)}); {_remedy(url)}"
        ) from None
    except Exception as fault:
        # Drivers raise what they like.
        raise SearchError(
            f"the database {shown} does not open ({_first(fault)}); check the address, the name and the password, and "
            f"for a file that its folder exists and may be written to"
        ) from None
    return optuna.storages.get_storage(storage), storage.engine


@contextlib.contextmanager
def answering(url: str) -> Generator[None]:
    """A database that no longer answers is a sentence, whoever noticed it.

    Raises:
        SearchError: the database cannot be read or written any more.
    """
    optuna, exc = need("optuna", extra="sweep"), need("sqlalchemy.exc", extra="sweep")
    try:
        yield
    except (exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as fault:
        raise SearchError(
            f"the database {checked(url)} no longer answers ({_first(fault)}); what was written is kept, and the same "
            f"command goes on when it does"
        ) from fault


def default_url(folder: Path) -> str:
    """Of the file that a search keeps in its own folder."""
    return f"sqlite:///{folder / 'study.db'}"


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Optuna says nothing of its own: no log lines, no hints that something of it is young."""
    optuna = need("optuna", extra="sweep")
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.filterwarnings("ignore", category=FutureWarning, module="optuna")
            yield
    finally:
        optuna.logging.set_verbosity(before)


def again(do: Callable[[], T], faults: tuple[type[Exception], ...], *, tries: int) -> T:
    """Do something that may collide with another process; the last fault is raised."""
    for left in reversed(range(tries)):
        try:
            return do()
        except faults:
            if not left:
                raise
            time.sleep(0.2)
    raise AssertionError


def checked(url: str) -> str:
    """The URL as it may be shown, without its password.

    Raises:
        SearchError: it is none; a file's path is told how to become one.
    """
    sqlalchemy, exc = need("sqlalchemy", extra="sweep"), need("sqlalchemy.exc", extra="sweep")
    try:
        made = sqlalchemy.make_url(url)
    except (exc.ArgumentError, ValueError, TypeError):
        raise SearchError(
            f"{url!r:.80} is no address of a database; write e.g. sqlite:///{str(url).lstrip('/')[:40] or 'study.db'} "
            f"for a file, or postgresql://user:password@host/name"
        ) from None
    if made.get_backend_name() == "sqlite" and not made.database:
        raise SearchError("sqlite:// alone is a database in memory, which no one finds again; write sqlite:///study.db")
    return str(made.render_as_string(hide_password=True))


def _remedy(url: str) -> str:
    """What to install for an address; its kind alone means one driver, which SQLAlchemy decides and has changed."""
    sqlalchemy, exc = need("sqlalchemy", extra="sweep"), need("sqlalchemy.exc", extra="sweep")
    made = sqlalchemy.make_url(url)
    try:
        driver = str(made.get_dialect().driver)
    except exc.NoSuchModuleError:
        return "see the kinds of databases that SQLAlchemy knows"
    package = DRIVERS.get(driver, driver)
    if driver == "mysqldb":
        kind = made.get_backend_name()
        return f"pip install PyMySQL, and begin the address with {kind}+pymysql://; or pip install {package}"
    return f"pip install '{package}'" if "[" in package else f"pip install {package}"


def _first(fault: BaseException) -> str:
    """What it said, in one line, without the pages that SQLAlchemy adds."""
    said = str(getattr(fault, "orig", None) or fault.__cause__ or fault).strip()
    return " ".join(said.splitlines()[:1])[:200] or type(fault).__name__
