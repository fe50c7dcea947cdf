"""What is deployed elsewhere: Kubernetes manifests against its schemas, and the examples in the documentation."""

import asyncio
import copy
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import kubernetes_validate
import pytest
import spark_engine
import yaml
from aiohttp import ClientSession
from spark_audio_proxy.config import OPTIONS, PREFIX, RestartSettings, read_settings
from spark_audio_proxy.restarts.targets import create_target
from spark_engine.healing.restart import DockerTarget
from spark_engine.servers.deadlines import Deadlines

from tests.fakes import parakeet
from tests.fakes.server import running, text
from tests.helpers.documents import at, items, mapping, string
from tests.helpers.proxy.running_proxy import Proxy
from tests.helpers.repository import ROOT

pytestmark = pytest.mark.build

KUBERNETES = ROOT / "proxy/deploy/kubernetes"
MANIFESTS = sorted(KUBERNETES.glob("*.yaml"))
OLDEST = "1.30"
"""The oldest Kubernetes that the manifests are checked for; the newest is the newest that has a schema here."""

type Manifest = dict[str, object]


def manifest(name: str, kind: str) -> Manifest:
    """One object of one file."""
    (found,) = [item for item in yaml.safe_load_all((KUBERNETES / name).read_text()) if item["kind"] == kind]
    return mapping(found)


def pod(name: str) -> Manifest:
    """The pod of a Deployment."""
    return mapping(manifest(name, "Deployment"), "spec", "template")


def container(name: str) -> Manifest:
    """Its only container."""
    (found,) = items(pod(name), "spec", "containers")
    return mapping(found)


def environment(name: str) -> dict[str, str]:
    """Its variables; one from a Secret gets a value of its own."""
    variables = [mapping(item) for item in items(container(name), "env")]
    return {
        string(item, "name"): string({"value": "from-a-secret-of-the-cluster"} | item, "value") for item in variables
    }


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_keep_to_the_schemas(path: Path, version: str) -> None:
    """Strictly: no field that Kubernetes does not know."""
    parts = list(yaml.safe_load_all(path.read_text()))
    assert len(parts) == 2
    for item in parts:
        kubernetes_validate.validate(item, version, strict=True)


def test_a_misspelt_field_would_be_found() -> None:
    """The schemas are there, and are strict."""
    wrong = copy.deepcopy(manifest("parakeet.yaml", "Deployment"))
    probe = mapping(wrong, "spec", "template", "spec", "containers", 0, "livenessProbe")
    probe["periodSecond"] = probe.pop("periodSeconds")
    with pytest.raises(kubernetes_validate.ValidationError, match="periodSecond"):
        kubernetes_validate.validate(wrong, OLDEST, strict=True)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_parts_of_a_manifest_find_each_other(path: Path) -> None:
    """Labels, selectors and ports by name: no schema knows about these."""
    labels = at(pod(path.name), "metadata", "labels")
    service = at(manifest(path.name, "Service"), "spec")
    assert at(manifest(path.name, "Deployment"), "spec", "selector") == {"matchLabels": labels}
    assert at(service, "selector") == labels
    ports = {at(port, "name") for port in items(container(path.name), "ports")}
    assert {at(port, "targetPort") for port in items(service, "ports")} == ports
    probes = [mapping(value) for key, value in container(path.name).items() if key.endswith("Probe")]
    assert {at(probe, "httpGet", "port") for probe in probes if "httpGet" in probe} <= ports


def test_the_proxys_variables_are_settings() -> None:
    """That it starts with; and the kubelet is the only one to restart."""
    variables = environment("proxy.yaml")
    assert {name.removeprefix(PREFIX).lower() for name in variables} <= set(OPTIONS)
    settings = read_settings([], variables)
    assert settings.auto_restart is False
    assert settings.api_key == ("from-a-secret-of-the-cluster",)
    assert settings.port == at(container("proxy.yaml"), "ports", 0, "containerPort")
    assert settings.state_dir == at(container("proxy.yaml"), "volumeMounts", 0, "mountPath")


def test_no_service_can_be_taken_for_a_setting() -> None:
    """Kubernetes would set SPARK_AUDIO_PORT=tcp://... for a Service called spark-audio."""
    assert at(pod("proxy.yaml"), "spec", "enableServiceLinks") is False


def test_the_proxy_has_no_rights_that_it_does_not_need() -> None:
    """No root, no writing but to its state, no key to the cluster."""
    spec = mapping(pod("proxy.yaml"), "spec")
    assert spec["automountServiceAccountToken"] is False
    assert at(spec, "securityContext", "runAsNonRoot") is True
    user = at(spec, "securityContext", "runAsUser")
    assert isinstance(user, int)
    assert user > 0
    assert at(spec, "securityContext", "seccompProfile") == {"type": "RuntimeDefault"}
    assert container("proxy.yaml")["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


async def test_the_proxys_probes_are_answered(proxy: Proxy) -> None:
    for name in ("livenessProbe", "readinessProbe"):
        path = string(container("proxy.yaml"), name, "httpGet", "path")
        async with proxy.client.get(proxy.url + path) as response:
            assert (path, response.status) == (path, 200)


@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe"])
async def test_parakeets_probe_is_our_canary(probe: str) -> None:
    """Run as it stands there, but for the port; the kubelet waits longer than the canary does."""
    wanted = mapping(container("parakeet.yaml"), probe)
    program, *arguments = [string(word) for word in items(wanted, "exec", "command")]
    assert program == "spark-audio-proxy"
    timeout = wanted["timeoutSeconds"]
    assert isinstance(timeout, int)
    assert timeout >= Deadlines().canary + 3
    fake = parakeet.openai()
    async with running(fake):
        statuses = []
        for answer in (fake.answers["POST", parakeet.TRANSCRIPTIONS], text(parakeet.CUDA, status=500)):
            fake.answers["POST", parakeet.TRANSCRIPTIONS] = answer
            command = [fake.url if item.startswith("http://127.0.0.1:") else item for item in arguments]
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "spark_audio_proxy", *command), stdout=asyncio.subprocess.DEVNULL
            )
            statuses.append(await process.wait())
    assert statuses == [0, 1]


def test_everything_names_this_version() -> None:
    image = r"ghcr\.io/spark-audio/spark-audio-proxy:([\d.]+)"
    app = ROOT / "proxy/deploy/home-assistant-app"
    versioned = {
        KUBERNETES / "proxy.yaml": (1, image),
        KUBERNETES / "parakeet.Dockerfile": (1, r"/v([\d.]+)\.tar\.gz"),
        ROOT / "proxy/compose.yaml": (2, image),
        app / "config.yaml": (1, r"^version: ([\d.]+)$"),
        app / "Dockerfile": (1, r"^ARG BUILD_VERSION=([\d.]+)$"),
        app / "CHANGELOG.md": (1, r"\A# Changelog\n\n## ([\d.]+)$"),
        ROOT / "docs/self-healing.md": (1, image),
        ROOT / "docs/deploy.md": (6, rf"{image}|/v([\d.]+)(?:\.tar\.gz|/)"),
    }
    for path, (times, pattern) in versioned.items():
        found = ["".join(match.groups(default="")) for match in re.finditer(pattern, path.read_text(), re.MULTILINE)]
        assert found == [spark_engine.__version__] * times, path


def blocks(name: str, language: str) -> Iterator[str]:
    """The code blocks of a page in this language."""
    yield from re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "docs" / name).read_text(), re.MULTILINE | re.DOTALL)


class TestDocumentation:
    """Examples that people copy."""

    @pytest.mark.parametrize("name", ["self-healing.md", "scaling.md"])
    def test_every_yaml_block_can_be_read(self, name: str) -> None:
        assert len([yaml.safe_load(block) for block in blocks(name, "yaml")]) == 2

    async def test_the_socket_proxy_lets_through_what_is_sent_and_nothing_else(self) -> None:
        """The path is compared with the target that the same example sets up."""
        (compose,) = (
            found for block in blocks("self-healing.md", "yaml") if "services" in (found := yaml.safe_load(block))
        )
        allowed = [
            item.partition("=")[2] for item in compose["services"]["socket-proxy"]["command"] if "allowPOST" in item
        ]
        assert [item for item in compose["services"]["socket-proxy"]["command"] if item.startswith("-allow")] == [
            "-allowfrom=spark-audio-proxy",
            f"-allowPOST={allowed[0]}",
        ]
        wanted = compose["services"]["spark-audio-proxy"]["environment"][f"{PREFIX}PARAKEET_RESTART_DOCKER"]
        async with ClientSession() as session:
            target = create_target(session, RestartSettings(docker=wanted))
        assert isinstance(target, DockerTarget)
        assert target.address == "http://socket-proxy:2375"
        path = f"/{target.api_version}/containers/{target.container}/restart"
        assert re.fullmatch(allowed[0], path)
        for other in (
            "/v1.44/containers/parakeet-2/restart",
            "/v1.44/containers/parakeet/stop",
            "/v1.43/containers/parakeet/restart",
            f"/x{path}",
            f"{path}/x",
        ):
            assert not re.fullmatch(allowed[0], other)

    async def test_the_settings_in_the_examples_are_understood(self) -> None:
        """Names and values, as written; the files that SSH needs are not here."""
        lines = [
            line
            for name in ("self-healing.md", "scaling.md")
            for block in blocks(name, "sh")
            for line in block.splitlines()
        ]
        found = [match.groups() for line in lines if (match := re.fullmatch(rf"{PREFIX}(\w+)='?(.+?)'?", line))]
        known = set(OPTIONS)
        assert {name.lower() for name, _ in found} <= known
        assert len(found) == 6
        async with ClientSession() as session:
            by_kind = {name.removeprefix("PARAKEET_RESTART_").lower(): value for name, value in found[:4]}
            assert set(by_kind) == {"url", "token", "ssh", "command"}
            hook = create_target(session, RestartSettings(url=by_kind["url"], token=by_kind["token"]))
            command = create_target(session, RestartSettings(command=by_kind["command"]))
        assert hook is not None
        assert command is not None
        assert re.fullmatch(r"ssh://spark-audio@spark\.local/\S+\?known_hosts=/\S+", by_kind["ssh"])

    def test_the_commands_of_deploy_are_understood(self) -> None:
        """Settings that there are, with values that the proxy takes, in a container and beside the unit."""
        page = (ROOT / "docs/deploy.md").read_text()
        named = set(re.findall(rf"{PREFIX}(\w+)", page))
        assert {name.lower() for name in named} <= set(OPTIONS)
        container, stand_in = (block for block in blocks("deploy.md", "sh") if block.startswith("docker run"))
        unit = next(block for block in blocks("deploy.md", "sh") if "proxy.env" in block)
        for lines, more in (
            (container, {"HOST": "0.0.0.0"}),
            (stand_in, {"HOST": "0.0.0.0", "EMBEDDED": "on"}),
            (unit, {}),
        ):
            lines = lines.replace("$(openssl rand -hex 24)", "f" * 48).replace(" -e ", "\n -e ")
            given = dict(re.findall(rf"^(?:.* -e )?{PREFIX}(\w+)=(\S+)", lines, re.MULTILINE))
            found = read_settings([], {f"{PREFIX}{name}": value for name, value in (given | more).items()})
            assert found.host == "0.0.0.0"
            assert found.embedded or (found.parakeet[0].url, found.magpie[0].url) == (
                *("http://spark.local:8000", "http://spark.local:9000"),
            )

    def test_one_unit_is_what_every_kind_starts(self) -> None:
        """The hook, the forced command and the command ask for the unit that is described, and the rule allows."""
        page = (ROOT / "docs/self-healing.md").read_text()
        asked = "systemctl start --no-ask-password restart-parakeet.service"
        assert page.count(asked) == 2
        (hook,) = next(
            found for block in blocks("self-healing.md", "yaml") if isinstance(found := yaml.safe_load(block), list)
        )
        words = [hook["execute-command"], *(item["name"] for item in hook["pass-arguments-to-command"])]
        assert " ".join(words) == f"/usr/bin/{asked}"
        assert "# /etc/systemd/system/restart-parakeet.service" in page
        (rule,) = blocks("self-healing.md", "js")
        assert 'action.lookup("unit") == "restart-parakeet.service"' in rule
