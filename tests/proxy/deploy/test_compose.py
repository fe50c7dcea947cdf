"""compose.yaml: against the schema of the Compose specification, and against what it promises."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from aiohttp import ClientSession
from spark_audio_proxy.config import OPTIONS, PREFIX, RestartSettings, Settings, read_settings
from spark_audio_proxy.restarts.targets import create_target
from spark_engine.healing.restart import DockerTarget

from tests.helpers.documents import at, items, mapping, string
from tests.helpers.proxy import dockerfile
from tests.helpers.repository import ROOT

pytestmark = pytest.mark.build

KEY = "the-key-of-the-house"
COMPOSE = ROOT / "proxy/compose.yaml"
EXAMPLE = ROOT / "proxy/.env.example"
OURS = ["spark-audio-proxy", "embedded"]

type Node = dict[str, Node] | list[Node] | str


class MissingVariable(Exception):
    """A variable that has to be set is not; the message is the file's."""


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """`${NAME}`, `${NAME:-else}`, `${NAME:+then}` and `${NAME:?message}`, nested too, as Compose does it."""
    innermost = re.compile(r"\$\{(\w+)(?::([-+?])([^${}]*))?\}")

    def value(match: re.Match[str]) -> str:
        name, kind, other = match.groups()
        given = variables.get(name, "")
        if kind == "?" and not given:
            raise MissingVariable(other)
        if kind == "+":
            return other if given else ""
        return given or (other if kind == "-" else "")

    while (done := innermost.sub(value, text)) != text:
        text = done
    assert "$" not in text
    return text


def compose(**variables: str) -> dict[str, object]:
    """The file with these variables in .env, beside those of the example."""
    variables = example() | {"SPARK_AUDIO_API_KEY": KEY} | variables

    def fill(node: Node) -> Node:
        if isinstance(node, dict):
            return {name: fill(item) for name, item in node.items()}
        if isinstance(node, list):
            return [fill(item) for item in node]
        return interpolated(node, variables) if isinstance(node, str) else node

    return mapping(fill(yaml.safe_load(COMPOSE.read_text())))


def container_of(service: str, **variables: str) -> dict[str, object]:
    """What the file says of one service."""
    return mapping(compose(**variables), "services", service)


def networks_of(container: dict[str, object]) -> set[object]:
    """The names of its networks, which are a list, or a mapping with options for each."""
    networks = container.get("networks", [])
    return set(networks if isinstance(networks, list) else mapping(networks))


def example() -> dict[str, str]:
    """What .env.example sets; the lines that are turned off are left out."""
    lines = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def settings(service: str, **variables: str) -> Settings:
    """What the proxy in this container makes of its variables."""
    container = container_of(service, **variables)
    assert container["env_file"] == ".env"
    own = {name: str(value) for name, value in mapping(container, "environment").items()}
    return read_settings([], example() | variables | own)


def check(path: Path) -> subprocess.CompletedProcess[str]:
    """Hold a file against the schema, as the package check-jsonschema carries it."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_keeps_to_the_schema() -> None:
    done = check(COMPOSE)
    assert done.returncode == 0, done.stdout


def test_a_misspelt_field_would_be_found(tmp_path: Path) -> None:
    """The schema is there, and is strict."""
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(COMPOSE.read_text().replace("cap_drop:", "cap_dropped:"))
    done = check(wrong)
    assert done.returncode == 1
    assert "cap_dropped" in done.stdout


class TestStart:
    """What people run into first."""

    def test_without_a_key_it_says_what_to_do(self) -> None:
        """Before anything is started."""
        with pytest.raises(MissingVariable, match=r"copy \.env\.example to \.env"):
            compose(SPARK_AUDIO_API_KEY="")

    def test_the_example_starts_the_proxy_in_front_of_this_machine(self) -> None:
        """With nothing changed but the key."""
        assert example()["COMPOSE_PROFILES"] == "spark"
        found = settings("spark-audio-proxy")
        assert found.parakeet[0].url == "http://host.docker.internal:8000"
        assert found.magpie[0].url == "http://host.docker.internal:9000"
        assert found.api_key == (KEY,)
        assert found.parakeet[0].restart.docker is None
        assert found.magpie[0].restart.docker is None

    def test_one_file_is_enough_to_set_everything(self) -> None:
        """A setting in .env reaches the proxy, those included that the file touches."""
        elsewhere = "http://gpu.local:2375#parakeet"
        found = settings(
            "spark-audio-proxy", SPARK_AUDIO_CONCURRENCY="2", SPARK_AUDIO_PARAKEET_RESTART_DOCKER=elsewhere
        )
        assert found.concurrency == 2
        assert found.parakeet[0].restart.docker == elsewhere

    def test_every_variable_is_used(self) -> None:
        """The example names settings, variables of the file, and Compose's own."""
        named = set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE))
        used = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE.read_text()))
        known = {PREFIX + name.upper() for name in OPTIONS}
        assert named <= known | used | {"COMPOSE_PROFILES"}
        assert used <= named | known
        assert set(re.findall(rf"{PREFIX}\w+", COMPOSE.read_text())) <= known

    def test_the_profiles_are_those_of_the_example(self) -> None:
        """Open WebUI is always there; the two proxies are never there together by one profile."""
        profiles = {name: mapping(item).get("profiles", []) for name, item in mapping(compose(), "services").items()}
        assert profiles == {
            "spark-audio-proxy": ["spark"],
            "embedded": ["embedded"],
            "socket-proxy": ["restart"],
            "open-webui": [],
        }

    def test_embedded_needs_no_spark(self) -> None:
        """Both services are the stand-in, whatever URLs stand in .env; to Open WebUI it has the proxy's name."""
        found = settings("embedded")
        assert found.embedded
        assert [server.url for server in (*found.parakeet, *found.magpie)] == [None, None]
        container = container_of("embedded")
        assert at(container, "build", "target") == "embedded"
        assert at(container, "networks", "default", "aliases") == ["spark-audio-proxy"]

    @pytest.mark.parametrize("service", OURS)
    def test_the_images_can_be_built_from_the_repository(self, service: str) -> None:
        """Until they can be pulled."""
        build = mapping(container_of(service), "build")
        path = ROOT / string(build, "dockerfile")
        assert (COMPOSE.parent / string(build, "context")).resolve() == ROOT
        assert path.exists()
        assert build.get("target", "runtime") in dockerfile.stages(path)


class TestSecurity:
    """Little is reachable, and little can be done from there."""

    def test_only_this_machine_reaches_it(self) -> None:
        for address in ("127.0.0.1", "192.168.1.20"):
            given = {} if address == "127.0.0.1" else {"LISTEN_ADDRESS": address}
            services = {name: mapping(item) for name, item in mapping(compose(**given), "services").items()}
            ports = {name: item["ports"] for name, item in services.items() if "ports" in item}
            assert ports == {
                "spark-audio-proxy": [f"{address}:8600:8600"],
                "embedded": [f"{address}:8600:8600"],
                "open-webui": [f"{address}:3000:8080"],
            }

    @pytest.mark.parametrize("service", [*OURS, "socket-proxy"])
    def test_containers_have_no_rights_that_they_do_not_need(self, service: str) -> None:
        """And come back by themselves."""
        container = container_of(service)
        assert container["read_only"] is True
        assert container["cap_drop"] == ["ALL"]
        assert container["security_opt"] == ["no-new-privileges"]
        assert container["restart"] == "unless-stopped"
        assert {"pids_limit", "mem_limit"} <= set(container)

    @pytest.mark.parametrize("service", OURS)
    def test_the_image_is_used_as_it_is_meant(self, service: str) -> None:
        """Its folder for state is a volume, its port is the one that its HEALTHCHECK asks."""
        container = container_of(service)
        assert container["volumes"] == ["state:/state"]
        assert settings(service).state_dir == "/state"
        assert (settings(service).host, settings(service).port) == ("0.0.0.0", 8600)
        assert not settings(service).announced
        assert container["stop_grace_period"] == "45s"

    def test_only_the_proxy_reaches_the_socket_proxy(self) -> None:
        """They share a network without a way out; only the socket proxy has the socket."""
        found = compose()
        assert at(found, "networks", "restart") == {"internal": True}
        services = {name: mapping(item) for name, item in mapping(found, "services").items()}
        members = {name for name, item in services.items() if "restart" in networks_of(item)}
        assert members == {"spark-audio-proxy", "socket-proxy"}
        assert services["socket-proxy"]["networks"] == ["restart"]
        assert [name for name, item in services.items() if "docker.sock" in str(item["volumes"])] == ["socket-proxy"]

    @pytest.mark.parametrize(
        "named",
        [{"PARAKEET_CONTAINER": "parakeet"}, {"PARAKEET_CONTAINER": "hear", "MAGPIE_CONTAINER": "speak"}, {}],
        ids=len,
    )
    async def test_what_is_sent_is_let_through_and_nothing_else(self, named: dict[str, str]) -> None:
        """The restart of the containers that are named in .env."""
        found = settings("spark-audio-proxy", **named)
        sent = []
        async with ClientSession() as session:
            for docker in (server.restart.docker for server in (*found.parakeet, *found.magpie)):
                if docker:
                    target = create_target(session, RestartSettings(docker=docker))
                    assert isinstance(target, DockerTarget)
                    assert target.address == "http://socket-proxy:2375"
                    sent.append(f"/{target.api_version}/containers/{target.container}/restart")
        assert len(sent) == len(named)
        command = [string(word) for word in items(container_of("socket-proxy", **named), "command")]
        (allowed,) = (item.partition("=")[2] for item in command if item.startswith("-allowPOST"))
        assert [item.partition("=")[0] for item in command if item.startswith("-allow")] == [
            *("-allowfrom", "-allowPOST", "-allowhealthcheck"),
        ]
        assert all(re.fullmatch(allowed, path) for path in sent)
        for other in ("other/restart", "parakeet-2/restart", "hear/stop", "parakeet/kill", "create", "parakeet/../x"):
            assert not re.fullmatch(allowed, f"/v1.44/containers/{other}")


class TestOpenWebui:
    """Its audio settings are filled in."""

    def test_it_hears_and_speaks_through_the_proxy(self) -> None:
        """Each with the URL, the key and the engine that a custom URL needs."""
        environment = mapping(container_of("open-webui"), "environment")
        for direction in ("STT", "TTS"):
            assert environment[f"AUDIO_{direction}_ENGINE"] == "openai"
            assert environment[f"AUDIO_{direction}_OPENAI_API_BASE_URL"] == "http://spark-audio-proxy:8600/v1"
            assert environment[f"AUDIO_{direction}_OPENAI_API_KEY"] == KEY
            assert environment[f"AUDIO_{direction}_MODEL"]

    def test_it_waits_for_whichever_proxy_there_is(self) -> None:
        """The proxy that is not started is no error."""
        waits = container_of("open-webui")["depends_on"]
        assert waits == {name: {"condition": "service_healthy", "required": False} for name in OURS}
