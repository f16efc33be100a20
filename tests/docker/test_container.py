"""The images' description, as far as it can be judged without an engine: versions, files, rights, lint."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import cadence
from cadence.cli.app import run
from cadence.findings.check import CHECKS
from cadence.findings.known import DRIVERS, TORCH_CUDA
from cadence.findings.versions import within

ROOT = Path(__file__).parents[2]

# tools/ is no package, because it is not installed: the script is loaded from where it stands.
_spec = importlib.util.spec_from_file_location("container", ROOT / "tools" / "container.py")
assert _spec is not None
assert _spec.loader is not None
container = importlib.util.module_from_spec(_spec)
sys.modules["container"] = container
_spec.loader.exec_module(container)

TEXT = container.DOCKERFILE.read_text(encoding="utf-8")
FOUND = container.instructions(TEXT)
IGNORE = (ROOT / ".dockerignore").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONSTRAINTS = dict(
    re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), flags=re.M)
)
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def texts(name: str, stage: str | None = None) -> list[str]:
    return [i.text for i in FOUND if i.name == name and stage in (None, i.stage)]


# ---- versions --------------------------------------------------------------------------------------------------------


def test_pinned_packages_have_the_versions_of_the_tested_set() -> None:
    pins = container.python_pins(FOUND)
    assert {"torch", "jupyterlab"} <= set(pins)
    assert {name: pins[name] for name in pins if name in CONSTRAINTS} == {"torch": CONSTRAINTS["torch"]}
    # What is no part of the tested set is no part of an image either, unless it is asked for.
    assert set(pins) - set(CONSTRAINTS) == {"jupyterlab"}


def test_every_default_of_an_argument_is_the_same_in_each_stage() -> None:
    defaults: dict[str, set[str]] = {}
    for text in texts("ARG"):
        name, _, default = text.partition("=")
        defaults.setdefault(name, set()).add(default)
    assert [name for name, values in defaults.items() if len(values) > 1] == []
    assert container.arguments(FOUND)["EXTRAS"] in PROJECT["project"]["optional-dependencies"]
    assert container.arguments(FOUND)["VERSION"] == cadence.__version__


def test_every_package_is_installed_in_a_version_that_is_fixed() -> None:
    for stage in ("base", "cpu", "cuda"):
        for wanted in container.pip_installs(FOUND, stage):
            assert "--constraint" in wanted or "--no-deps" in wanted
            loose = [word for word in wanted if re.fullmatch(r"[a-z][\w-]*", word)]
            assert loose == []
    debian = container.debian_pins(FOUND)
    assert set(debian) == {"gcc", "git", "libc6-dev", "tini", "openssh-server"}


def test_python_is_one_that_the_tested_set_was_made_with() -> None:
    bases = {text.split()[0] for text in texts("FROM") if text.split()[0].startswith("python:")}
    (base,) = bases
    version = re.fullmatch(r"python:(\d+\.\d+)-slim-bookworm", base)
    assert version is not None
    assert within(version[1], PROJECT["project"]["requires-python"])
    assert f"CPython {version[1]}" in (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert f'base.name="docker.io/library/{base}"' in " ".join(texts("LABEL"))


def test_cuda_is_that_of_torchs_own_build() -> None:
    cuda = TORCH_CUDA[".".join(CONSTRAINTS["torch"].split(".")[:2])]
    assert container.arguments(FOUND)["CUDA"] == cuda
    assert 'NVIDIA_REQUIRE_CUDA="cuda>=${CUDA}"' in " ".join(texts("ENV", "cuda"))
    assert texts("LABEL", "cuda") == ['cadence.cuda="${CUDA}"']
    # No second CUDA from the base image or from a package of its own.
    assert not re.search(r"nvidia/cuda|nvidia-cu|cudnn", " ".join(i.text for i in FOUND))


# ---- rights and hygiene ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", container.TARGETS)
def test_a_container_does_not_run_as_root(target: str) -> None:
    assert texts("USER", target) == ["${UID}:${GID}"]
    assert FOUND[[i.stage for i in FOUND].index(target) :][-1].name == "USER"
    defaults = container.arguments(FOUND)
    assert defaults["UID"] != "0" != defaults["GID"]


def test_no_port_is_open_and_neither_jupyter_nor_ssh_is_there_unless_asked_for() -> None:
    assert texts("EXPOSE") == []
    defaults = container.arguments(FOUND)
    assert (defaults["JUPYTER"], defaults["SSH"]) == ("0", "0")
    for word, argument in (("jupyterlab", "JUPYTER"), ("openssh-server", "SSH")):
        (text,) = [text for text in texts("RUN") if word in text]
        assert f'if [ "${{{argument}}}" = 1 ]' in text[: text.index(word)]
    assert not any(word in text for text in texts("CMD") + texts("ENTRYPOINT") for word in ("jupyter", "sshd"))


def test_there_are_labels_and_a_check_of_health_that_is_a_command() -> None:
    assert {"title", "description", "licenses", "version", "revision", "base.name"} == set(
        re.findall(r"org\.opencontainers\.image\.([\w.]+)=", " ".join(texts("LABEL")))
    )
    (check,) = texts("HEALTHCHECK")
    assert 'CMD ["cadence", "env", "--at-least", "error"]' in check
    assert "--interval=" in check
    assert "--timeout=" in check


def test_the_command_of_the_health_check_is_one() -> None:
    (check,) = texts("HEALTHCHECK")
    words = re.findall(r'"([^"]*)"', check)
    assert words[0] == "cadence"
    assert run(words[1:]) in (0, 1)


# ---- what is copied --------------------------------------------------------------------------------------------------


def test_what_is_copied_exists_and_is_sent_to_the_engine() -> None:
    sources = container.copied(FOUND)
    assert {"src", "constraints.txt", "docker/sshd"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert container.sent(source, IGNORE), source
    assert container.sent("src/cadence/cli/app.py", IGNORE)
    assert container.sent("src/cadence/report/assets/page.css", IGNORE)


@pytest.mark.parametrize(
    "path",
    [
        ".git/config", "data/images/1.jpg", "runs/x/updates.jsonl", ".env", "id_rsa", "checkpoints/last.safetensors",
        ".venv/bin/python", "tests/docker/test_container.py", "docs/contract.md", "docker/Dockerfile", "compose.yaml",
        "src/cadence/__pycache__/a.pyc", "src/cadence/a.pyc", "notebook.ipynb", "dist/cadence.whl",
    ],
)  # fmt: skip
def test_nothing_else_is_sent(path: str) -> None:
    assert not container.sent(path, IGNORE)


@pytest.mark.parametrize(
    ("ignore", "kept"),
    [("a", False), ("/a", False), ("a/b", False), ("*\n!a", True), ("**/b", False), ("b", True), ("a\n!a/b", True),
     ("# a", True), ("a*", False), ("a/*/b", True), ("!a\n*", False)],
)  # fmt: skip
def test_the_last_pattern_that_matches_decides(ignore: str, kept: bool) -> None:
    assert container.sent("a/b", ignore) == kept


def test_the_wheel_can_be_built_from_what_is_copied() -> None:
    # What the build reads, by pyproject.toml.
    wanted = {"pyproject.toml", PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]}
    wanted |= {path.partition("/")[0] for path in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
    assert wanted <= set(container.copied([i for i in FOUND if i.stage == "wheel"]))


# ---- compose ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_services_are_built_from_what_is_there(name: str) -> None:
    build = COMPOSE["services"][name]["build"]
    assert (ROOT / build["context"] / build["dockerfile"]).resolve() == container.DOCKERFILE
    assert build["target"] in container.TARGETS
    assert set(build["args"]) <= set(container.arguments(FOUND))
    assert COMPOSE["services"][name]["image"].split(":")[1].split("-")[0] == build["target"]


def test_the_gpus_are_reserved_where_they_are_wanted() -> None:
    for name, service in COMPOSE["services"].items():
        devices = service.get("deploy", {}).get("resources", {}).get("reservations", {}).get("devices")
        if service["build"]["target"] == "cuda":
            assert devices == [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}], name
        else:
            assert devices is None, name


def test_only_the_service_that_is_asked_for_by_name_has_a_port_and_on_this_machine_only() -> None:
    for name, service in COMPOSE["services"].items():
        assert bool(service.get("ports")) == (name == "jupyter")
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert service["shm_size"] == "8gb"
        assert service["volumes"] == [".:/workspace"]
        assert "privileged" not in service
    assert COMPOSE["services"]["jupyter"]["profiles"] == ["jupyter"]
    assert COMPOSE["services"]["jupyter"]["build"]["args"]["JUPYTER"] == "1"


# ---- tools -----------------------------------------------------------------------------------------------------------


def test_hadolint_finds_nothing() -> None:
    beside = Path(sys.executable).with_name("hadolint")
    program = str(beside) if beside.exists() else shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run(
        [program, "--no-color", str(container.DOCKERFILE)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no shell")
def test_the_ssh_script_can_be_run_and_takes_keys_only() -> None:
    script = ROOT / "docker" / "sshd"
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0
    text = script.read_text(encoding="utf-8")
    assert all(f"-o {name}=no" in text for name in ("PasswordAuthentication", "PermitRootLogin", "UsePAM"))


def test_the_reader_joins_lines_and_knows_stages() -> None:
    found = container.instructions("# note\nFROM a AS one\nRUN x \\\n  # inside\n && y\nFROM one AS two\nUSER me\n")
    assert [(i.stage, i.name, i.text) for i in found] == [
        ("one", "FROM", "a AS one"), ("one", "RUN", "x  && y"), ("two", "FROM", "one AS two"), ("two", "USER", "me"),
    ]  # fmt: skip


def test_pins_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert container.main(["pins"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"torch {CONSTRAINTS['torch']}" in lines
    assert "gcc 4:12.2.0-*" in lines


def test_what_no_index_has_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def no_pip(command: list[str]) -> str:
        if "wheel" in command:
            Path(command[command.index("--wheel-dir") + 1], "cadence-0-py3-none-any.whl").touch()
            return ""
        if "madison" in command:
            return "gcc | 4:12.2.0-3 | bookworm/main\n" if command[-1] == "gcc" else ""
        raise LookupError("no matching distribution")

    monkeypatch.setattr(container, "_run", no_pip)
    monkeypatch.setattr(container.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert container.main(["resolve"]) == 1
    out = capsys.readouterr().out
    torch = CONSTRAINTS["torch"]
    assert f"NOT FOUND  cuda: pip install --constraint /opt/cadence/constraints.txt torch=={torch} $1[torch]" in out
    assert "ok  apt-get install gcc=4:12.2.0-*\n    4:12.2.0-3" in out
    assert "NOT FOUND  apt-get install tini=0.19.0-*\n    there is no such package" in out


# ---- guide -----------------------------------------------------------------------------------------------------------

GUIDE = ROOT / "docs" / "guide"
PAGES = {lang: (GUIDE / f"container{lang}.md").read_text(encoding="utf-8") for lang in ("", ".zh")}


def commands(page: str) -> list[str]:
    shells = re.findall(r"^```sh\n(.*?)^```$", page, flags=re.M | re.S)
    return [line.split("  #")[0].rstrip() for shell in shells for line in shell.splitlines() if line.strip()]


def test_both_pages_of_the_guide_give_the_same_commands() -> None:
    assert commands(PAGES[""])
    assert commands(PAGES[".zh"]) == commands(PAGES[""])


@pytest.mark.parametrize("lang", PAGES)
def test_what_the_guide_names_exists(lang: str) -> None:
    page = PAGES[lang]
    assert set(re.findall(r"--target (\w+)", page)) == set(container.TARGETS)
    assert {"JUPYTER", "SSH", "EXTRAS", "TORCH", "CUDA", "UID"} <= set(re.findall(r"--build-arg (\w+)=", page))
    assert set(re.findall(r"--build-arg (\w+)=", page)) <= set(container.arguments(FOUND))
    assert set(re.findall(r"\bCE\d{3}\b", page)) <= set(CHECKS)
    assert set(re.findall(r"compose run --rm ([\w-]+)", page)) <= set(COMPOSE["services"])
    assert CONSTRAINTS["torch"] in page
    assert str(DRIVERS[int(container.arguments(FOUND)["CUDA"].split(".")[0])]) in page
    # Ports are open to this machine only.
    ports = re.findall(r"docker run .* -p (\S+)", page)
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)
