"""Settings: from where, checked how, and what a wrong one is told."""

from pathlib import Path

import pytest
import spark_engine
from spark_audio_proxy.config import SettingsError, is_loopback, read_settings

from tests.helpers.proxy.settings import proxy_settings

URL = "http://spark.local:9000"
KEY, OTHER = "the-key-of-the-house", "16-characters-ok"


def test_the_environment_sets_what_the_command_line_does_not() -> None:
    """The same names in both."""
    settings = read_settings(
        ["--port", "1234"],
        {"SPARK_AUDIO_MAGPIE_URL": URL, "SPARK_AUDIO_PORT": "4321", "SPARK_AUDIO_API_KEY": f"{KEY}, {OTHER}"},
    )
    assert settings == proxy_settings(magpie_url=URL, port=1234, api_key=(KEY, OTHER))


def test_sizes_and_switches_are_read_as_people_write_them() -> None:
    environment = {
        "SPARK_AUDIO_MAX_UPLOAD": "20 MiB",
        "SPARK_AUDIO_EMBEDDED": "yes",
        "SPARK_AUDIO_ALLOW_ANONYMOUS": "1",
        "SPARK_AUDIO_PROTECT_LISTS": "off",
        "SPARK_AUDIO_CORS_ORIGINS": "https://a.example,https://b.example",
    }
    settings = read_settings([], environment)
    assert settings.max_upload == 20 << 20
    assert (settings.embedded, settings.allow_anonymous, settings.protect_lists) == (True, True, False)
    assert settings.cors_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to serve: give --parakeet-url"),
        (["--magpie-url", "spark.local:9000"], r"--magpie-url \(SPARK_AUDIO_MAGPIE_URL\): a URL starts with http"),
        (["--magpie-url", "http://"], "names a host"),
        (["--magpie-url", "http://[::1"], "not a URL"),
        (["--magpie-url", URL, "--port", "70000"], "--port"),
        (["--magpie-url", URL, "--port", "http"], "--port"),
        (["--magpie-url", URL, "--host", "0.0.0.0"], "open to the network; set --api-key"),
        (["--magpie-url", URL, "--zeroconf", "perhaps"], r"--zeroconf \(SPARK_AUDIO_ZEROCONF\): expected boolean"),
        (["--magpie-url", URL, "--zeroconf", "on"], r"--zeroconf .*: 127.0.0.1 is for this machine only.* set --host"),
        (
            ["--magpie-url", URL, "--host", "0.0.0.0", "--allow-anonymous", "--zeroconf", "on"],
            r"--zeroconf .*: without a key .* set --api-key",
        ),
        (["--magpie-url", URL, "--max-upload", "10 bananas"], "a size is"),
        (["--magpie-url", URL, "--unknown-voice", "shout"], "--unknown-voice"),
    ],
)
def test_a_wrong_setting_is_named(arguments: list[str], message: str) -> None:
    """With what it should be."""
    with pytest.raises(SettingsError, match=message):
        read_settings(arguments, {})


def test_replacements_are_read_from_a_file(tmp_path: Path) -> None:
    """In the form that the integration takes, as editors on Windows save it, too."""
    file = tmp_path / "words.txt"
    file.write_bytes("\ufeffkm/h -> kilometres per hour\r\n[de]\r\nkm/h -> Kilometer pro Stunde\r\n".encode())
    replacements = read_settings(["--magpie-url", URL], {"SPARK_AUDIO_REPLACEMENTS": str(file)}).replacements
    assert replacements is not None
    assert replacements.for_language("de-DE")("30 km/h") == "30 Kilometer pro Stunde"
    assert replacements.for_language("en-US")("30 km/h") == "30 kilometres per hour"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "words.txt cannot be read: No such file or directory"),
        (b"km -> kilometres\n\nkm/h", "words.txt, line 3 is no replacement"),
        (b"a -> b\nStra\xdfe -> street", "words.txt, line 2 is not UTF-8"),
        (b"#\n" * (1 << 19) + b"#", "words.txt has more than 1 MiB"),
    ],
)
def test_replacements_that_cannot_be_read(tmp_path: Path, content: bytes | None, message: str) -> None:
    """Said at the start, with the file, the line and the cause."""
    file = tmp_path / "words.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=rf"^--replacements \(SPARK_AUDIO_REPLACEMENTS\): .*{message}"):
        read_settings(["--magpie-url", URL, "--replacements", str(file)], {})


@pytest.mark.parametrize("file", ["", "/", "a\0b"])
def test_replacements_in_no_file(file: str) -> None:
    with pytest.raises(SettingsError, match="cannot be read: "):
        read_settings(["--magpie-url", URL, "--replacements", file], {})


@pytest.mark.parametrize("more", [["--api-key", KEY], ["--allow-anonymous"]])
def test_the_network_is_served_with_a_key_or_on_demand(more: list[str]) -> None:
    """Never by accident."""
    assert read_settings(["--magpie-url", URL, "--host", "0.0.0.0", *more], {}).host == "0.0.0.0"


@pytest.mark.parametrize(
    ("arguments", "announced"),
    [
        ([], False),
        (["--api-key", KEY], False),
        (["--host", "0.0.0.0", "--api-key", KEY], True),
        (["--host", "192.0.2.7", "--api-key", KEY, "--zeroconf", "on"], True),
        (["--host", "0.0.0.0", "--api-key", KEY, "--zeroconf", "off"], False),
        (["--host", "0.0.0.0", "--allow-anonymous"], False),
        (["--zeroconf", "off"], False),
    ],
)
def test_announced_where_home_assistant_could_use_it(arguments: list[str], *, announced: bool) -> None:
    """Beyond loopback, with a key: without one the status is told to this machine only."""
    assert read_settings(["--magpie-url", URL, *arguments], {}).announced is announced


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("spark", False),
    ],
)
def test_loopback_is_told_from_the_network(host: str, *, expected: bool) -> None:
    """A name may resolve to anything."""
    assert is_loopback(host) is expected


def test_keys_stay_out_of_what_is_printed() -> None:
    """A settings object may end up in a log."""
    assert "hunter2" not in repr(proxy_settings(magpie_url=URL, api_key=("hunter2",), llm_key="hunter2"))


def test_the_version_is_printed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """It is what a report of a fault begins with."""
    with pytest.raises(SystemExit, match=r"^0$"):
        read_settings(["--version"], {})
    assert capsys.readouterr().out == f"{spark_engine.__version__}\n"


@pytest.mark.parametrize("setting", ["api_key", "admin_key"])
@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (",", "a key is empty"),
        (" ", "a key is empty"),
        (f"{KEY},", "a key is empty"),
        (f",{KEY}", "a key is empty"),
        (f"{KEY},,{OTHER}", "a key is empty"),
        ("short", "fewer than 16 characters; openssl rand -hex 24"),
        (f"{KEY},15-characters-k", "fewer than 16 characters"),
        ("half-of-a-key,and-the-other-half", "fewer than 16 characters"),
        ("the key of the house", "printable ASCII"),
        ("schlüssel-des-hauses", "printable ASCII"),
        ("the-key-of-\x7f-the-house", "printable ASCII"),
    ],
)
def test_a_key_that_is_none_is_refused_at_the_start(setting: str, keys: str, sentence: str) -> None:
    """Not silently: without a key the proxy would be open, and a short one is guessed. The key itself is not shown."""
    given = {"SPARK_AUDIO_MAGPIE_URL": URL, "SPARK_AUDIO_API_KEY": OTHER, f"SPARK_AUDIO_{setting.upper()}": keys}
    with pytest.raises(SettingsError, match=sentence) as raised:
        read_settings([], given)
    assert f"SPARK_AUDIO_{setting.upper()}" in str(raised.value)
    assert not [key for key in map(str.strip, keys.split(",")) if key and key in str(raised.value)]


def test_no_key_on_the_command_line_is_no_key_either() -> None:
    with pytest.raises(SettingsError, match="a key is empty"):
        read_settings(["--magpie-url", URL, "--api-key", ""], {})
    assert read_settings(["--magpie-url", URL], {"SPARK_AUDIO_API_KEY": ""}).api_key == ()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--admin-key", KEY], "of use only beside --api-key"),
        (["--admin-key", KEY, "--api-key", f"{OTHER},{KEY}"], "a key is also in --api-key"),
    ],
)
def test_an_admin_key_is_one_of_its_own(arguments: list[str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        read_settings(["--magpie-url", URL, *arguments], {})
