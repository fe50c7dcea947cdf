"""The Home Assistant app: what Supervisor asks of it, and what it makes of the app's options."""

import importlib.util
import re
import struct
import subprocess
from pathlib import Path
from types import ModuleType
from typing import TypedDict

import pytest
import voluptuous as vol
import yaml
from spark_audio_proxy.config import OPTIONS, PREFIX, SettingsError, read_settings

from tests.helpers.proxy import dockerfile
from tests.helpers.repository import ROOT

APP = ROOT / "proxy/deploy/home-assistant-app"
LANGUAGES = ["de", "en", "es", "fr", "it"]

ELEMENT = re.compile(
    r"(bool|email|url|port|device(\(subsystem=[a-z]+\))?|(str|password)(\(\d*,\d*\))?|int(\(-?\d*,-?\d*\))?"
    r"|float(\([-\d.]*,[-\d.]*\))?|match\(.*\)|list\(.+\))\??"
)
"""How an option's type is written in an app's schema."""

MAPPED = [
    "all_app_configs",
    "app_config",
    "backup",
    "data",
    "homeassistant_config",
    "local_apps",
    "media",
    "share",
    "ssl",
]
"""The folders of Home Assistant that an app can be given."""

LISTENING = r"(https?|\[PROTO:\w+\])://\[HOST\]:\[PORT:\d+\].*"

CONFIG = vol.Schema(
    {
        vol.Required("name"): str,
        vol.Required("version"): vol.Match(r"^\d+\.\d+\.\d+$"),
        vol.Required("slug"): vol.Match(r"^[-_.A-Za-z0-9]+$"),
        vol.Required("description"): str,
        vol.Required("arch"): vol.All([vol.In(["aarch64", "amd64"])], vol.Length(min=1), vol.Unique()),
        "url": vol.Url(),
        # No tag: that is the version.
        "image": vol.Match(r"^[a-z0-9.-]+(/[a-z0-9_-]+)+$"),
        "startup": vol.In(["initialize", "system", "services", "application", "once"]),
        "webui": vol.Match(rf"^{LISTENING}$"),
        "host_network": True,
        "init": False,
        "tmpfs": True,
        "timeout": vol.All(int, vol.Range(min=11, max=300)),
        "map": [
            {
                vol.Required("type"): vol.In(MAPPED),
                "read_only": bool,
                "path": str,
            }
        ],
        "options": dict,
        "schema": {str: vol.Match(rf"^{ELEMENT.pattern}$")},
    }
)
"""The keys that this app uses, as Supervisor 2026.08 and the documentation describe them; others are not expected. What
would only repeat a default (`host_network: false`) is not allowed, as the linters of app repositories want it."""

TRANSLATION = vol.Schema({vol.Required("configuration"): {str: {vol.Required("name"): str, "description": str}}})

type Options = dict[str, str | int | bool]


class AppConfig(TypedDict):
    """What the tests read of the app's config.yaml."""

    slug: str
    webui: str
    host_network: bool
    options: Options
    schema: dict[str, str]


@pytest.fixture(scope="module")
def config() -> AppConfig:
    """The app's config.yaml."""
    found: AppConfig = yaml.safe_load((APP / "config.yaml").read_text())
    return found


@pytest.fixture(scope="module")
def run() -> ModuleType:
    """The program that starts the proxy in the app."""
    spec = importlib.util.spec_from_file_location("run", APP / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def accepts(kind: str, value: object) -> bool:
    """Whether Supervisor lets a value pass for an option of this type; those types that the app uses."""
    kind = kind.removesuffix("?")
    name, _, limits = kind.removesuffix(")").partition("(")
    match name:
        case "bool":
            return isinstance(value, bool)
        case "password" | "str":
            return isinstance(value, str)
        case "match":
            return re.match(limits, str(value)) is not None
        case "list":
            return str(value) in limits.split("|")
        case "int":
            low, _, high = limits.partition(",")
            return isinstance(value, int) and (not low or value >= int(low)) and (not high or value <= int(high))
    raise AssertionError(f"{kind} is not known here")


class TestRepository:
    """Supervisor takes the address of this repository and looks for apps in it."""

    def test_it_is_an_app_repository(self) -> None:
        found = yaml.safe_load((ROOT / "repository.yaml").read_text())
        vol.Schema({vol.Required("name"): str, "url": vol.Url(), "maintainer": str})(found)

    def test_supervisor_finds_this_app_and_nothing_else(self) -> None:
        """It takes every config.yaml, .yml and .json for an app, in every folder whose name has no dot before it."""
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        taken = [
            path
            for path in map(Path, listed)
            if path.name in ("config.yaml", "config.yml", "config.json")
            and not any(part.startswith(".") or part == "rootfs" for part in path.parts)
        ]
        assert taken == [(APP / "config.yaml").relative_to(ROOT)]


class TestConfig:
    """What Supervisor reads."""

    def test_it_keeps_to_the_rules(self, config: AppConfig) -> None:
        CONFIG(config)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("arch", ["armv7"]),
            ("image", "ghcr.io/spark-audio/spark-audio-proxy-app:0.1.0"),
            ("schema", {"api_key": "passwort"}),
            ("watchdog", "http://[HOST]:[PORT:8600]/healthz"),
            ("webui", "http://homeassistant.local:8600/"),
        ],
    )
    def test_a_mistake_would_be_found(self, config: AppConfig, key: str, value: object) -> None:
        with pytest.raises(vol.Invalid, match=key):
            CONFIG({**config, key: value})

    def test_what_is_set_is_allowed(self, config: AppConfig) -> None:
        """The initial options fit their own schema, and all of them have a default."""
        assert all(accepts(config["schema"][name], value) for name, value in config["options"].items())
        assert {name for name, kind in config["schema"].items() if not kind.endswith("?")} == set(config["options"])

    def test_every_option_is_a_setting(self, config: AppConfig) -> None:
        """And none is one that means nothing in there."""
        assert set(config["schema"]) <= set(OPTIONS)
        assert not {"host", "port", "state_dir", "embedded"} & set(config["schema"])
        assert not [name for name in config["schema"] if name.endswith("_command")]

    def test_it_leads_to_the_port_that_the_proxy_has(self, config: AppConfig, run: ModuleType) -> None:
        """On the host's network a port cannot be mapped."""
        started = read_settings([], run.environment({"magpie_url": "http://spark.local:9000"}))
        assert config["webui"] == f"http://[HOST]:[PORT:{started.port}]/"
        assert config["host_network"] is True

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_every_option_has_a_name_and_a_description(self, config: AppConfig, language: str) -> None:
        found = yaml.safe_load((APP / f"translations/{language}.yaml").read_text())
        TRANSLATION(found)
        assert list(found["configuration"]) == list(config["schema"])
        assert all(item["description"].endswith(".") for item in found["configuration"].values())
        names = [item["name"] for item in found["configuration"].values()]
        assert len(set(names)) == len(names)

    def test_there_are_no_other_languages(self) -> None:
        """Those of the integration."""
        assert sorted(path.stem for path in (APP / "translations").iterdir()) == LANGUAGES
        integration = ROOT / "custom_components/spark_audio/translations"
        assert sorted(path.stem for path in integration.iterdir()) == LANGUAGES

    @pytest.mark.parametrize(("name", "size"), [("icon.png", (128, 128)), ("logo.png", (439, 100))])
    def test_it_has_pictures(self, name: str, size: tuple[int, int]) -> None:
        """PNG, the icon square."""
        head = (APP / name).read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", head[16:]) == size

    def test_the_documentation_names_options_that_there_are(self, config: AppConfig) -> None:
        page = (APP / "DOCS.md").read_text()
        named = {name for name in re.findall(r"`(\w+)`", page) if "_" in name}
        assert {"parakeet_restart_ssh", "auto_restart"} <= named
        assert named - {"known_hosts"} <= set(config["schema"])


class TestOptions:
    """What the proxy is started with."""

    def test_nothing_filled_in_is_a_sentence_in_the_log(self, config: AppConfig, run: ModuleType) -> None:
        with pytest.raises(SettingsError, match="nothing to serve"):
            read_settings([], run.environment(config["options"]))

    @pytest.mark.parametrize(
        ("options", "host"),
        [({}, "127.0.0.1"), ({"api_key": "the-key-of-the-house"}, "0.0.0.0"), ({"allow_anonymous": True}, "0.0.0.0")],
    )
    def test_the_network_reaches_it_with_a_key_alone(self, run: ModuleType, options: Options, host: str) -> None:
        given = {"parakeet_url": "http://spark.local:8000", "magpie_url": "", "api_key": ""} | options
        found = read_settings([], run.environment(given))
        assert (found.host, found.magpie) == (host, ())
        assert found.announced is ("api_key" in options)

    def test_every_kind_of_option_arrives(self, config: AppConfig, run: ModuleType) -> None:
        options: Options = {
            "parakeet_url": "http://spark.local:8000,http://desktop.local:8000",
            "magpie_url": "http://spark.local:9000",
            "api_key": "the-key-of-the-house,the-key-of-the-garden",
            "auto_restart": False,
            "metrics": True,
            "concurrency": 2,
            "unknown_voice": "reject",
            "magpie_restart_docker": "http://spark.local:2375#magpie",
        }
        assert all(accepts(config["schema"][name], value) for name, value in options.items())
        found = read_settings([], run.environment(options))
        assert [server.url for server in found.parakeet] == str(options["parakeet_url"]).split(",")
        assert found.api_key == ("the-key-of-the-house", "the-key-of-the-garden")
        assert (found.auto_restart, found.metrics, found.concurrency) == (False, True, 2)
        assert (found.unknown_voice, found.log_format) == ("reject", "text")
        assert found.magpie[0].restart.docker == options["magpie_restart_docker"]
        assert found.state_dir == "/data/state"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("parakeet_url", "spark.local:8000"),
            ("magpie_restart_docker", "http://spark.local:2375"),
            ("parakeet_restart_ssh", "ssh://user@spark.local/config/key"),
            ("concurrency", 0),
            ("unknown_voice", "none"),
            ("replacements", "words.txt"),
        ],
    )
    def test_what_cannot_work_is_refused_in_the_form(self, config: AppConfig, name: str, value: str | int) -> None:
        assert not accepts(config["schema"][name], value)


class TestContainer:
    """What it may do."""

    def test_it_is_the_proxys_image_with_another_start(self) -> None:
        """The HEALTHCHECK stays, and Supervisor goes by it."""
        words = [step.word for step in dockerfile.instructions(APP / "Dockerfile")]
        assert words == ["ARG", "FROM", "ARG", "LABEL", "COPY", "USER", "ENTRYPOINT"]
        assert "HEALTHCHECK" in [step.word for step in dockerfile.stages(ROOT / "proxy/Dockerfile")["base"][1]]

    def test_its_user_is_the_images(self, run: ModuleType) -> None:
        """The proxy does not stay root."""
        (user,) = (step.rest for step in dockerfile.stages(ROOT / "proxy/Dockerfile")["base"][1] if step.word == "USER")
        assert user == f"{run.USER}:{run.USER}"

    def test_its_apparmor_profile_is_its_own(self, config: AppConfig) -> None:
        """Supervisor wants one profile, named like the app; its rights are these and no more."""
        text = (APP / "apparmor.txt").read_text()
        assert re.findall(r"^profile ([^ ]+)", text, re.MULTILINE) == [config["slug"]]
        assert sorted(re.findall(r"capability (\w+),", text)) == ["chown", "setgid", "setuid"]
        writable = re.findall(r"^  (/\S*) \w*w\w*,", text, re.MULTILINE)
        assert writable == ["/data/**", "/config/**", "/tmp/**"]
        for place in ("/usr/local/bin/* ix", "/opt/spark-audio/bin/* ix", "/opt/spark-audio/** mr", "/run.py r"):
            assert f"  {place}," in text

    def test_variables_that_it_names_are_settings(self) -> None:
        named = set(re.findall(rf"{PREFIX}([A-Z_]+)", (APP / "run.py").read_text()))
        assert {"HOST", "STATE_DIR"} <= named
        assert {name.lower() for name in named} <= set(OPTIONS)
