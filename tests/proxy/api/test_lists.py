"""Models and voices in every shape that clients look for."""

import pytest
from aiohttp import web
from yarl import URL

from tests.fakes import faults, magpie
from tests.fakes.server import FakeServer, Handler, json, running, text
from tests.helpers.documents import at, items, string
from tests.helpers.proxy.running_proxy import Proxy, StartProxy
from tests.helpers.proxy.settings import ProxySettings


async def get(proxy: Proxy, path: str, **headers: str) -> tuple[int, dict[str, object]]:
    """Status and JSON of a GET, the path sent exactly as written."""
    async with proxy.client.get(URL(proxy.url + path, encoded=True), headers=headers) as response:
        return response.status, await response.json()


async def test_both_models_are_listed(proxy: Proxy) -> None:
    status, listed = await get(proxy, "/v1/models")
    assert (status, listed["object"]) == (200, "list")
    assert [at(item, "id") for item in items(listed, "data")] == ["parakeet-tdt-0.6b", "Magpie-Multilingual"]
    assert {at(item, "object") for item in items(listed, "data")} == {"model"}


@pytest.mark.parametrize("path", ["/v1//models", "//v1/models", "/models", "/v1/v1/models", "//models"])
async def test_a_url_typed_wrong_still_works(proxy: Proxy, path: str) -> None:
    """Clients join base and path with and without slashes, with and without /v1."""
    assert (await get(proxy, path))[0] == 200


async def test_a_speaking_model_carries_its_voices(proxy: Proxy) -> None:
    """What Wyoming bridges look for."""
    _, item = await get(proxy, "/v1/models/Magpie-Multilingual")
    names = [at(voice, "name") for voice in items(item, "voices")]
    assert "Aria (en-US)" in names
    assert "Jason · Happy (de-DE)" in names


async def test_a_model_id_may_hold_a_slash(start_proxy: StartProxy) -> None:
    """Sent as %2F by OpenAI's clients."""
    hearing = FakeServer({("GET", "/v1/models"): json({"data": [{"id": "nvidia/parakeet-tdt-0.6b-v3"}]})})
    proxy = await start_proxy(hearing)
    assert (await get(proxy, "/v1/models/nvidia%2Fparakeet-tdt-0.6b-v3"))[1]["id"] == "nvidia/parakeet-tdt-0.6b-v3"


@pytest.mark.parametrize(
    ("model", "name"),
    [("whisper-1", "Parakeet"), ("gpt-4o-mini-tts", "Magpie"), ("nvidia%2Fnone", "Parakeet"), ("kokoro/", "Magpie")],
)
async def test_any_name_is_a_model(proxy: Proxy, model: str, name: str) -> None:
    """As any name is accepted where text is spoken or speech is heard; clients check theirs at the start."""
    status, item = await get(proxy, f"/v1/models/{model}")
    assert (status, item["id"], item["name"]) == (200, model.rstrip("/").replace("%2F", "/"), name)
    assert ("voices" in item) == (name == "Magpie")


async def test_any_name_is_a_model_of_the_service_that_there_is(start_proxy: StartProxy) -> None:
    for missing, model, name in (("parakeet_url", "whisper-1", "Magpie"), ("magpie_url", "tts-1", "Parakeet")):
        settings: ProxySettings = {"parakeet_url": None} if missing == "parakeet_url" else {"magpie_url": None}
        proxy = await start_proxy(**settings)
        assert (await get(proxy, f"/v1/models/{model}"))[1]["name"] == name


async def test_open_webui_gets_speaking_models_only(proxy: Proxy) -> None:
    """`data` there would give an empty list."""
    assert await get(proxy, "/v1/audio/models") == (200, {"models": [{"id": "Magpie-Multilingual", "name": "Magpie"}]})


async def test_all_voices_and_openais_names_are_listed(proxy: Proxy) -> None:
    """Each with the `id` and `name` that Open WebUI insists on."""
    _, listed = await get(proxy, "/v1/audio/voices")
    voices = {string(voice, "id"): voice for voice in items(listed, "voices")}
    assert [at(voice, "full_name") for voice in voices.values()][: len(magpie.VOICES)] == list(magpie.VOICES)
    assert len(voices) == len(magpie.VOICES) + 13
    assert all(string(voice, "name") for voice in voices.values())
    assert at(voices, "alloy", "name") == "alloy → Aria (en-US)"
    assert at(voices, "alloy", "alias_of") in voices
    assert voices["de-DE.Leo.Calm"] == {
        "id": "de-DE.Leo.Calm",
        "name": "Leo · Calm (de-DE)",
        "full_name": "Magpie-Multilingual.DE-DE.Leo.Calm",
        "language": "de-DE",
        "speaker": "Leo",
        "emotion": "Calm",
    }


async def test_a_voice_is_spoken_by_whatever_the_list_shows_of_it(proxy: Proxy) -> None:
    """Ids, names and full names."""
    _, listed = await get(proxy, "/v1/audio/voices")
    for voice in items(listed, "voices")[:3] + items(listed, "voices")[-2:]:
        for shown in ("id", "name", "full_name"):
            body = {"input": "Hello.", "voice": string(voice, shown), "response_format": "wav"}
            async with proxy.client.post(f"{proxy.url}/v1/audio/speech", json=body) as response:
                assert response.status == 200
            assert proxy.magpie.posts(magpie.SYNTHESIZE_ONLINE)[-1].fields["voice"] == string(voice, "full_name")


async def test_lists_survive_a_service_that_is_down(start_proxy: StartProxy) -> None:
    """A box that reboots must not empty a model picker."""
    proxy = await start_proxy(parakeet_url=faults.refused(), magpie_url=faults.refused())
    _, listed = await get(proxy, "/v1/models")
    assert [at(item, "id") for item in items(listed, "data")] == ["parakeet", "magpie"]


async def test_a_missing_service_is_not_listed(start_proxy: StartProxy) -> None:
    """Either may be left out."""
    proxy = await start_proxy(parakeet_url=None)
    _, listed = await get(proxy, "/v1/models")
    assert [at(item, "id") for item in items(listed, "data")] == ["Magpie-Multilingual"]


class TestRelay:
    """One identity for everything."""

    @staticmethod
    def llm() -> FakeServer:
        """A language model server."""

        async def chat(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Model": "m"})
            await response.prepare(request)
            await response.write(b"data: 1\n\n")
            await response.write(b"data: " + body + b"\n\n")
            return response

        return FakeServer(
            {
                ("POST", "/v1/chat/completions"): chat,
                ("POST", "/v1/embeddings"): json({"error": {"message": "no"}}, status=418),
                ("GET", "/v1/models"): json({"data": [{"id": "llama", "object": "model"}]}),
            }
        )

    async def test_chat_is_passed_on_byte_for_byte(self, start_proxy: StartProxy) -> None:
        """Body, query, headers, status, stream; our key stays here and theirs goes there."""
        async with running(self.llm()) as llm:
            proxy = await start_proxy(llm_url=f"{llm.url}/v1", llm_key="theirs", api_key=("ours",))
            async with proxy.client.post(
                f"{proxy.url}/v1//chat/completions?x=1",
                data=b'{"odd":  "spacing\xc3\xa9"}',
                headers={"Authorization": "Bearer ours", "Content-Type": "application/json", "X-Custom": "kept"},
            ) as response:
                assert await response.read() == b'data: 1\n\ndata: {"odd":  "spacing\xc3\xa9"}\n\n'
                assert response.headers["X-Model"] == "m"
            asked = llm.posts("/v1/chat/completions")[0]
            assert (asked.headers["Authorization"], asked.headers["X-Custom"]) == ("Bearer theirs", "kept")

    async def test_its_errors_are_passed_on(self, start_proxy: StartProxy) -> None:
        async with running(self.llm()) as llm:
            proxy = await start_proxy(llm_url=llm.url)
            async with proxy.client.post(f"{proxy.url}/v1/embeddings", json={}) as response:
                assert (response.status, await response.json()) == (418, {"error": {"message": "no"}})

    async def test_its_models_join_ours(self, start_proxy: StartProxy) -> None:
        """One list for one identity."""
        async with running(self.llm()) as llm:
            proxy = await start_proxy(llm_url=llm.url)
            _, listed = await get(proxy, "/v1/models")
            assert [at(item, "id") for item in items(listed, "data")][-1] == "llama"
            assert (await get(proxy, "/v1/models/llama"))[0] == 200

    @pytest.mark.parametrize("models", [text("<html>"), json({"data": "none"}), json({}, status=500)])
    async def test_our_models_are_listed_whatever_it_answers(self, start_proxy: StartProxy, models: Handler) -> None:
        """Speech must not depend on it."""
        async with running(FakeServer({("GET", "/v1/models"): models})) as llm:
            proxy = await start_proxy(llm_url=llm.url)
            assert len(items((await get(proxy, "/v1/models"))[1], "data")) == 2

    async def test_a_server_that_is_down_is_a_503(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(llm_url=faults.refused())
        async with proxy.client.post(f"{proxy.url}/v1/responses", json={}) as response:
            assert response.status == 503
            assert "cannot be reached" in (await response.json())["error"]["message"]

    async def test_a_broken_answer_is_cut(self, start_proxy: StartProxy) -> None:
        """Never ended as if it were whole."""
        async with faults.serving(faults.reset_within_body) as url:
            proxy = await start_proxy(llm_url=url)
            async with proxy.client.post(f"{proxy.url}/v1/completions", json={}) as response:
                with pytest.raises(Exception, match=r"payload|closed|reset"):
                    await response.read()

    async def test_without_a_server_there_is_no_chat(self, proxy: Proxy) -> None:
        async with proxy.client.post(f"{proxy.url}/v1/chat/completions", json={}) as response:
            assert response.status == 404
