"""What foreign web pages can make a browser of this network do: nothing."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import Unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spark_audio_proxy import __main__
from spark_audio_proxy.config import SettingsError, read_settings
from spark_audio_proxy.origins import host_name, is_own_host

from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer, running
from tests.fakes.server import json as answering
from tests.helpers.proxy.healing import RESTART, hook, watched
from tests.helpers.proxy.program import serving
from tests.helpers.proxy.raw_http import ask, request
from tests.helpers.proxy.running_proxy import Proxy, StartProxy
from tests.helpers.proxy.settings import ProxySettings

CHAT = "/v1/chat/completions"
SPEAK = {"input": "Meet me at the harbour."}

READS = ["/v1/models", "/v1/audio/voices", "/v1/audio/models", "/api/status", "/api/events", "/metrics"]
WRITES = [
    "/v1/audio/speech",
    TRANSCRIPTIONS,
    CHAT,
    "/v1/embeddings",
    "/api/services/parakeet/restart",
    "/api/services/parakeet/check",
]

FOREIGN_HOSTS = [
    "evil.example",
    "evil.example:8600",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example.",
    "127.0.0.1@evil.example",
    "evil.example/127.0.0.1",
    "[::1].evil.example",
    "EVIL.Example",
    "",
    "[",
]


async def opened(start_proxy: StartProxy, **settings: Unpack[ProxySettings]) -> Proxy:
    """A proxy without a key that would serve everything that there is."""
    usual: ProxySettings = {"metrics": True, "watch": True, "llm_url": "http://127.0.0.1:9"}
    return await start_proxy(**usual | settings)


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
async def test_a_name_that_was_made_to_point_here_is_not_served(start_proxy: StartProxy, host: str) -> None:
    """DNS rebinding: to the browser the page and the proxy are one origin, and the answers could be read."""
    proxy = await opened(start_proxy)
    for method, paths in ("GET", READS), ("POST", WRITES):
        for path in paths:
            text = request(method, path, "Content-Length: 0").replace(b"Host: 127.0.0.1", b"Host: " + host.encode())
            answer = await ask(proxy.url, text)
            assert (answer.status, json.loads(answer.body)["error"]["code"]) == (403, "foreign_host"), path


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8600",
        "localhost",
        "LOCALHOST:8600",
        "[::1]:8600",
        "192.168.1.20:8600",
        "[fd00::7]",
        "spark-audio-proxy:8600",
        "spark.local",
        "spark.home.arpa:8600",
        "host.docker.internal:8600",
        "proxy.default.svc.cluster.local",
        "app.localhost",
        "speech.example.com",
    ],
)
async def test_local_names_are_served(start_proxy: StartProxy, host: str) -> None:
    """Addresses, names that cannot be registered, and those of the settings."""
    proxy = await opened(start_proxy, allowed_hosts=("speech.example.com",))
    async with proxy.client.post(f"{proxy.url}/v1/audio/speech", json=SPEAK, headers={"Host": host}) as response:
        assert response.status == 200


async def test_a_request_without_a_host_is_served(start_proxy: StartProxy) -> None:
    """HTTP/1.0, as simple probes and devices speak it: no browser sends it."""
    proxy = await opened(start_proxy)
    assert (await ask(proxy.url, b"GET /v1/models HTTP/1.0\r\n\r\n")).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "OWN"},
    ],
    ids=lambda headers: " ".join(headers.values()),
)
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_page_of_another_origin_sends_nothing(
    start_proxy: StartProxy, tmp_path: Path, headers: dict[str, str], content_type: str
) -> None:
    """What browsers send without asking first (a form, a fetch of mode no-cors) reaches neither service nor hook."""
    restarts = hook()
    async with running(restarts), running(FakeServer({("POST", CHAT): answering({})})) as llm:
        restart_url = restarts.url + RESTART
        proxy = await watched(start_proxy, tmp_path, llm_url=llm.url, parakeet_restart_url=restart_url)
        before = len(proxy.parakeet.asked), len(proxy.magpie.asked)
        sent = {name: value.replace("OWN", proxy.url) for name, value in headers.items()}
        for path in WRITES:
            async with proxy.client.post(
                proxy.url + path, data=json.dumps(SPEAK), headers=sent | {"Content-Type": content_type}
            ) as response:
                code = (await response.json())["error"]["code"]
                assert (response.status, code) == (403, "foreign_origin"), path
                assert "Access-Control-Allow-Origin" not in response.headers
        assert (restarts.asked, llm.asked) == ([], [])
        assert (len(proxy.parakeet.asked), len(proxy.magpie.asked)) == before


async def test_our_own_page_and_programs_send(start_proxy: StartProxy) -> None:
    """Same origin, typed by hand, no browser at all, or named in the settings."""
    proxy = await start_proxy(cors_origins=("https://chat.example",))
    for headers in (
        {"Origin": proxy.url, "Sec-Fetch-Site": "same-origin"},
        {"Origin": proxy.url},
        {"Sec-Fetch-Site": "none"},
        {},
        {"Origin": "https://chat.example", "Sec-Fetch-Site": "cross-site"},
    ):
        async with proxy.client.post(f"{proxy.url}/v1/audio/speech", json=SPEAK, headers=headers) as response:
            assert response.status == 200


async def test_with_a_key_the_key_decides(start_proxy: StartProxy) -> None:
    """A foreign page has none: there are no cookies, and browsers do not add it by themselves."""
    proxy = await start_proxy(api_key=("first",))
    headers = {"Host": "speech.example.com", "Origin": "https://chat.example", "Authorization": "Bearer first"}
    async with proxy.client.post(f"{proxy.url}/v1/audio/speech", json=SPEAK, headers=headers) as response:
        assert response.status == 200
        assert "Set-Cookie" not in response.headers
    del headers["Authorization"]
    async with proxy.client.post(
        f"{proxy.url}/v1/audio/speech",
        json=SPEAK,
        headers=headers | {"Cookie": "key=first; Authorization=Bearer first"},
    ) as response:
        assert response.status == 401


@pytest.mark.parametrize("path", WRITES)
async def test_a_preflight_from_an_origin_that_is_not_named_is_not_granted(start_proxy: StartProxy, path: str) -> None:
    """Restart and check have no other rule than the rest."""
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization"
    each: list[ProxySettings] = [{}, {"api_key": ("first",)}, {"cors_origins": ("https://chat.example",)}]
    for settings in each:
        proxy = await start_proxy(**settings | {"llm_url": "http://127.0.0.1:9"})
        async with proxy.client.options(proxy.url + path, headers=asked) as response:
            assert response.status >= 400
            assert not [name for name in response.headers if name.startswith("Access-Control-")]


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-For: 203.0.113.9",
        "Forwarded: for=203.0.113.9",
        "X-Real-IP: 203.0.113.9",
        "via: 1.1 squid",
        "X-Forwarded-Proto: https",
        "CF-Connecting-IP: 203.0.113.9",
        "True-Client-IP: 203.0.113.9",
        "X-Cluster-Client-IP: 203.0.113.9",
        "Tailscale-User-Login: a@example.com",
        "X-Envoy-External-Address: 203.0.113.9",
    ],
)
async def test_what_another_proxy_passes_on_does_not_come_from_here(start_proxy: StartProxy, header: str) -> None:
    """nginx in front of a proxy without a key: every caller would be on loopback."""
    proxy = await opened(start_proxy)
    for path in ("/api/status", "/api/events", "/metrics"):
        answer = await ask(proxy.url, request("GET", path, header))
        assert (answer.status, "loopback_only" in answer.body) == (403, True)


async def test_the_language_model_server_opens_nothing(start_proxy: StartProxy) -> None:
    """Many allow every origin to read their answers, and some set cookies: neither goes further."""
    headers = {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Credentials": "true",
        "Set-Cookie": "a=b",
        "Content-Security-Policy": "default-src *",
        "X-Model": "kept",
    }
    async with running(FakeServer({("POST", CHAT): answering({}, headers=headers)})) as llm:
        proxy = await start_proxy(llm_url=llm.url)
        async with proxy.client.post(proxy.url + CHAT, json={}) as response:
            assert response.headers["X-Model"] == "kept"
            assert not [name for name in response.headers if name.startswith("Access-Control-")]
            assert "Set-Cookie" not in response.headers
            assert "*" not in response.headers["Content-Security-Policy"]


async def test_a_packed_request_to_the_language_model_arrives_whole(start_proxy: StartProxy) -> None:
    """It was unpacked on its way in: its old length and coding would be wrong."""
    async with running(FakeServer({("POST", CHAT): answering({})})) as llm:
        proxy = await start_proxy(llm_url=llm.url)
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        body = gzip.compress(json.dumps({"model": "x" * 500}).encode())
        async with proxy.client.post(proxy.url + CHAT, data=body, headers=headers) as response:
            assert response.status == 200
        assert llm.asked[0].fields == {"model": "x" * 500}


@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [
        ("GET", "/", True, 200),
        ("GET", "/web/app.js", True, 200),
        ("GET", "/web/none.js", True, 404),
        ("GET", "/healthz", True, 200),
        ("GET", "/api/status", True, 200),
        ("GET", "/api/events", True, 200),
        ("GET", "/metrics", True, 200),
        ("GET", "/v1/models", True, 200),
        ("POST", "/v1/audio/speech", True, 200),
        ("POST", "/v1/audio/speech", False, 401),
        ("POST", TRANSCRIPTIONS, True, 400),
        ("DELETE", "/v1/models", True, 405),
        ("GET", "/none", True, 404),
        ("OPTIONS", "/v1/models", True, 405),
    ],
)
async def test_every_answer_is_safe_to_show(
    start_proxy: StartProxy,
    method: str,
    path: str,
    status: int,
    *,
    key: bool,
) -> None:
    """Whatever a browser takes it for: not guessed at, not framed, no script, kept in no cache."""
    proxy = await start_proxy(api_key=("first",), metrics=True)
    headers = {"Authorization": "Bearer first"} if key else {}
    data = json.dumps(SPEAK) if path.endswith("speech") else None
    async with proxy.client.request(method, proxy.url + path, headers=headers, data=data) as response:
        assert response.status == status
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        own = status == 200 and (path == "/" or path.startswith("/web/"))
        assert response.headers["Cache-Control"] == ("no-cache" if own else "no-store")


@pytest.mark.parametrize(
    "path",
    [
        "/web/..%5capp.py",
        "/web/..\\app.py",
        "/web/%2e%2e/app.py",
        "/web/%252e%252e%252fapp.py",
        "/web//etc/passwd",
        "/web/%2fetc%2fpasswd",
        "/web/index.html%00.js",
        "/web/C:%5cindex.html",
        "/web/file:%2f%2f%2fetc%2fpasswd",
        "/web/INDEX.HTML",
        "/web/index.html/",
        "/web/__init__.py",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
    ],
)
async def test_no_path_leads_out_of_the_page(proxy: Proxy, path: str) -> None:
    """Backslashes, absolute paths, coded once and twice."""
    answer = await ask(proxy.url, request("GET", path))
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (404, "unknown_url")


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "])
async def test_a_connection_on_which_no_request_comes_is_closed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sent: bytes
) -> None:
    """It needs no key, so no caller may hold many of them for long."""
    monkeypatch.setattr(__main__, "IDLE", 0.05)
    async with serving(monkeypatch, tmp_path, zeroconf=False) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(sent)
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Spark.Local:80", "spark.local"),
        ("[::1]:80", "::1"),
        ("spark.", "spark"),
        ("a b", None),
        ("a@b", None),
        ("a:b", None),
        ("[::1", None),
        ("::1", None),
        ("", None),
    ],
)
def test_the_name_in_a_host_header(header: str, name: str | None) -> None:
    """Read as a whole or not at all."""
    assert host_name(header) == name


@given(st.text(max_size=30))
def test_no_header_is_a_crash_and_no_website_is_ours(text: str) -> None:
    """Whatever stands in front of a registered name."""
    assert not is_own_host(f"{text}.example.com", ())
    is_own_host(text, ())


def test_names_are_set_as_they_stand_in_a_url() -> None:
    usual = ["--magpie-url", "http://spark:9000"]
    settings = read_settings([*usual, "--allowed-hosts", "Speech.Example.com., *"], {})
    assert settings.allowed_hosts == ("speech.example.com", "*")
    assert is_own_host("evil.example", settings.allowed_hosts)
    for wrong in ("https://speech.example.com", "speech.example.com:8600"):
        with pytest.raises(SettingsError, match="without http:// and without a port"):
            read_settings([*usual, "--allowed-hosts", wrong], {})
