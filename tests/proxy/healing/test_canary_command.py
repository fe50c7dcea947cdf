"""`spark-audio-proxy canary`: what it says and how it ends, against real servers."""

import asyncio
import os
import sys

import pytest
from aiohttp import web
from spark_audio_proxy.canary_command import CanaryOptions, ask, read_options
from spark_engine.servers.deadlines import Deadlines

from tests.fakes import faults, magpie, parakeet
from tests.fakes.faults import Fault, refused, serving
from tests.fakes.server import Handler, json, running, text

pytestmark = pytest.mark.slow

URL = "http://127.0.0.1:8000"


async def run(*arguments: str, **environment: str) -> tuple[int | None, str, str]:
    """(status, output, errors) of the program as Kubernetes runs it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "spark_audio_proxy", "canary", *arguments),
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


class TestProgram:
    async def test_parakeet(self) -> None:
        """One sentence and status 0; when it is wedged, one sentence and status 1."""
        async with running(parakeet.openai()) as fake:
            status, output, errors = await run("parakeet", "--url", fake.url)
            assert (status, errors) == (0, "")
            assert output.startswith(f"Parakeet at {fake.url} is healthy (openai, ")
            assert output.endswith("): The canary was transcribed right.\n")
            fake.answers["POST", parakeet.TRANSCRIPTIONS] = json({"detail": parakeet.CUDA}, status=500)
            status, output, errors = await run("parakeet", "--url", fake.url)
        assert (status, errors) == (1, "")
        assert output.startswith(f"Parakeet at {fake.url} is not healthy: The server reports a CUDA failure (500)")
        assert output.count("\n") == 1

    async def test_magpie(self) -> None:
        """The token comes from the environment, and is not shown."""
        async with running(magpie.nim()) as fake:
            status, output, errors = await run("magpie", "--url", fake.url, SPARK_AUDIO_MAGPIE_TOKEN="hunter2\n")
            assert (status, errors) == (0, "")
            assert output.startswith(f"Magpie at {fake.url} is healthy (nim, ")
            assert output.endswith("): The canary was spoken.\n")
            (asked,) = fake.posts(magpie.SYNTHESIZE_ONLINE)
            assert asked.headers["Authorization"] == "Bearer hunter2"
            fake.answers["POST", magpie.SYNTHESIZE_ONLINE] = text("Internal Server Error", status=500)
            status, output, errors = await run("magpie", "--url", fake.url, "--token", "hunter2")
        assert (status, errors) == (1, "")
        assert "is not healthy: The server failed (500)" in output
        assert "hunter2" not in output

    async def test_wrong_use_is_status_2_and_no_settings_are_needed(self) -> None:
        status, output, errors = await run("parakeet", "--url", "spark.local:8000")
        assert (status, output) == (2, "")
        assert "argument --url: one URL, which starts with http://" in errors


def parakeet_at(
    url: str, token: str | None = None, *, deadline: float = Deadlines().canary, any_words: bool = False
) -> CanaryOptions:
    """Options for a Parakeet."""
    return CanaryOptions(service="parakeet", url=url, token=token, deadline=deadline, any_words=any_words)


@pytest.mark.parametrize(
    ("answer", "healthy", "said"),
    [
        (json({"text": "turn on a kitchen light"}), True, "transcribed right"),
        (json({"text": "the of and to in"}), False, "wrong words"),
        (json({"text": ""}), False, "wrong words"),
        (json({"detail": "queue full"}, status=429), True, "too busy to tell"),
        (json({"detail": "loading"}, status=503), False, "busy (503): loading"),
        (json({"detail": "no"}, status=401), False, "refuses the key (401)"),
        (json({"detail": "no"}, status=404), False, "refuses the request (404)"),
        (json({"detail": parakeet.CUDA}, status=422), False, "CUDA failure (422)"),
        (json({"detail": parakeet.CUDA}, status=429), False, "CUDA failure (429)"),
        (text("Internal Server Error", status=500), False, "failed (500)"),
        (text("<html>It works!</html>", content_type="text/html"), False, "JSON was expected"),
    ],
)
async def test_what_an_answer_of_parakeet_means(answer: Handler, said: str, *, healthy: bool) -> None:
    """Busy is alive; everything else that is no transcript of the clip is not healthy."""
    fake = parakeet.openai()
    fake.answers["POST", parakeet.TRANSCRIPTIONS] = answer
    async with running(fake):
        verdict = await ask(parakeet_at(fake.url))
    assert verdict.healthy is healthy
    assert said in verdict.sentence
    # A model may insist on a language: what is refused is asked for with one.
    assert len(fake.posts(parakeet.TRANSCRIPTIONS)) == (2 if "refuses the request" in said else 1)


@pytest.mark.parametrize(
    ("answer", "healthy"),
    [
        (json({"text": "schalte das licht in der küche ein"}), True),
        (json({"text": ""}), True),
        (json({"detail": parakeet.CUDA}, status=500), False),
        (json({"detail": "loading"}, status=503), False),
    ],
)
async def test_any_words_asks_for_no_more_than_a_transcript(answer: Handler, *, healthy: bool) -> None:
    """For a server of another language. A fault stays a fault."""
    fake = parakeet.openai()
    fake.answers["POST", parakeet.TRANSCRIPTIONS] = answer
    async with running(fake):
        assert (await ask(parakeet_at(fake.url, any_words=True))).healthy is healthy


async def silence(request: web.Request) -> web.Response:
    """Two seconds of nothing."""
    return web.Response(body=bytes(88_200))


@pytest.mark.parametrize(
    ("answer", "said"), [(silence, "silence"), (text(""), "0.00 s of audio"), (json({}, status=503), "busy (503)")]
)
async def test_what_magpie_answers_is_listened_to(answer: Handler, said: str) -> None:
    """A 200 is not enough."""
    fake = magpie.nim()
    fake.answers["POST", magpie.SYNTHESIZE_ONLINE] = answer
    async with running(fake):
        verdict = await ask(CanaryOptions(service="magpie", url=fake.url))
    assert verdict.healthy is False
    assert said in verdict.sentence


async def test_a_server_that_hangs_is_not_healthy() -> None:
    """After the deadline, which is an option."""

    async def hang(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    fake = parakeet.openai()
    fake.answers["POST", parakeet.TRANSCRIPTIONS] = hang
    async with running(fake):
        verdict = await ask(parakeet_at(fake.url, deadline=0.5))
    assert (verdict.healthy, verdict.sentence) == (
        False,
        f"Parakeet at {fake.url} is not healthy: No answer within 0.5 s.",
    )


@pytest.mark.parametrize("fault", [faults.silent, faults.reset_before_answer, faults.not_http, faults.html])
async def test_a_server_that_is_no_parakeet_is_not_healthy(fault: Fault) -> None:
    async with serving(fault) as url:
        assert (await ask(parakeet_at(url, deadline=1.0))).healthy is False


async def test_a_server_that_is_off_is_not_healthy() -> None:
    """Within a container that is as good as dead."""
    verdict = await ask(parakeet_at(refused()))
    assert verdict.healthy is False
    assert "No connection to 127.0.0.1" in verdict.sentence


class TestOptions:
    """How it is called."""

    def test_all_of_them(self) -> None:
        """The option wins over the environment."""
        given = ["parakeet", "--url", URL, "--token", "mine", "--deadline", "20", "--any-words"]
        options = read_options(given, {"SPARK_AUDIO_PARAKEET_TOKEN": "other"})
        assert options == parakeet_at(URL, token="mine", deadline=20.0, any_words=True)
        assert "mine" not in repr(options)

    def test_the_other_services_token_is_left_alone(self) -> None:
        """It is not its business."""
        assert read_options(["parakeet", "--url", URL], {"SPARK_AUDIO_MAGPIE_TOKEN": "x"}).token is None

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "the following arguments are required"),
            (["parakeet"], "--url"),
            (["whisper", "--url", URL], "invalid choice: 'whisper'"),
            (["parakeet", "--url", f"{URL}/a,b"], "one URL"),
            (["parakeet", "--url", f"{URL},{URL}"], "not a URL"),
            (["parakeet", "--url", "http://[::1"], "not a URL"),
            (["parakeet", "--url", URL, "--deadline", "soon"], "a number of seconds above 0"),
            (["parakeet", "--url", URL, "--deadline", "nan"], "a number of seconds above 0"),
            (["parakeet", "--url", URL, "--token", "a\nb"], "not one line of printable ASCII"),
            (["magpie", "--url", URL, "--any-words"], "--any-words is for parakeet"),
        ],
    )
    def test_wrong_use(self, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            read_options(arguments, {})
        assert ended.value.code == 2
        assert message in capsys.readouterr().err
