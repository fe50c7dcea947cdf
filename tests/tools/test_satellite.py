"""A voice turn as a satellite has it: what is sound and when, and turns against a scripted Home Assistant."""

from array import array

import pytest
from spark_audio_proxy.transcode.encode import FORMATS, create_encoder

from tests.helpers.tools.scripted_home import END, HANDLER, START, Scripted, playing
from tools.stack.errors import ToolError
from tools.stack.home_assistant import HomeAssistant
from tools.stack.satellite import PIECE_SECONDS, Reply, Turn, hold_turn, say, sound_start
from tools.stack.spoken import (
    AFTER,
    BEFORE,
    Command,
    decoded_seconds,
    in_a_quiet_room,
    levels,
    speech_begin,
    speech_end,
)


@pytest.mark.parametrize("name", ["wav", "flac", "mp3"])
def test_a_header_is_no_sound(name: str) -> None:
    """Sound is what comes behind it; a FLAC file begins with a sign and a block of 34 bytes, others may follow."""
    encoder = create_encoder(FORMATS[name], 24_000)
    start = sound_start(encoder.encode(bytes(48_000)) + encoder.finish())
    assert (start >= 4 + 4 + 34) if name == "flac" else start == {"wav": 44, "mp3": 0}[name]


def test_a_tag_before_mp3_is_no_sound() -> None:
    """Its size is written in sevens."""
    assert sound_start(b"ID3\x04\x00\x00\x00\x00\x01\x02" + bytes(200)) == 10 + 128 + 2


def test_the_first_sound_is_behind_the_header() -> None:
    """And an answer that is a header alone is none."""
    assert Reply(((1.0, 44), (2.0, 45)), 44).first == 2.0
    with pytest.raises(ToolError, match="empty"):
        _ = Reply(((1.0, 44),), 44).first


def test_a_player_falls_silent_where_sound_comes_too_late() -> None:
    """Counted from the first byte; what is there early fills later gaps."""
    assert Reply(((0.0, 44), (1.0, 1044), (1.5, 2044), (3.0, 3044)), 44).stall(1000) == 0.0
    assert Reply(((1.0, 1044), (2.25, 2044), (3.5, 3044)), 44).stall(1000) == 0.5


def test_silence_is_what_is_heard_between_two_sounds() -> None:
    """Silent samples, and the time for which a player waits for more of them."""
    sound, quiet = tone(10_000, 0.5).tobytes(), tone(0, 1.0).tobytes()
    audio = bytes(44) + sound + quiet + sound
    size = len(audio)
    assert Reply(((1.0, 44), (2.0, size)), 44, audio).longest_silence() == pytest.approx(1.0)
    assert Reply(((2.0, 44 + len(sound)), (4.0, size)), 44, audio).longest_silence() == pytest.approx(2.5)
    assert Reply(((2.0, size),), 44, bytes(44) + sound).longest_silence() == pytest.approx(0.0)


def test_a_reply_is_decoded_to_its_end() -> None:
    """What cannot be decoded is told."""
    encoder = create_encoder(FORMATS["mp3"], 24_000)
    assert decoded_seconds(encoder.encode(bytes(48_000)) + encoder.finish()) == pytest.approx(1.0, abs=0.1)
    with pytest.raises(ToolError, match="cannot be decoded"):
        decoded_seconds(b"no sound at all")


def tone(amplitude: int, seconds: float) -> array[int]:
    """A square wave at 16 kHz."""
    return array("h", [amplitude, -amplitude] * round(seconds * 8_000))


def test_speech_ends_with_its_last_sound() -> None:
    """Not with its recording; what is 40 dB fainter than the loudest is silence."""
    assert speech_begin(tone(90, 0.5) + tone(10_000, 0.5)) == 0.5
    assert speech_end(tone(10_000, 0.5) + tone(90, 0.5)) == 0.5
    assert speech_end(tone(10_000, 0.5) + tone(200, 0.25) + tone(0, 0.5)) == 0.75


def test_a_room_is_quiet_but_not_silent() -> None:
    """60 dB below the words, before and after them."""
    command = in_a_quiet_room(tone(10_000, 0.5).tobytes())
    heard = levels(array("h", command.pcm))
    assert command.end == BEFORE + 0.5
    assert len(heard) == round(100 * (BEFORE + 0.5 + AFTER))
    assert max(heard) - max(heard[:40]) == pytest.approx(60, abs=3)


COMMAND = Command(b"\x01\x20" * 640 + bytes(64_000), 0.0, 0.04)
"""Two pieces of sound, then silence."""


async def ask(home: HomeAssistant) -> Turn:
    """A turn that begins with what the agent is to write."""
    return await hold_turn(home, "bench_agent/answer", {"pipeline": "mine", "text": "Good night."})


async def test_a_satellite_speaks_and_fetches_the_answer_once() -> None:
    """In marked pieces at the pace of speech; as soon as the answer streams, and not again when it is complete."""
    scripted = Scripted(
        START,
        ("stt-start", None),
        ("stt-vad-end", None),
        ("stt-end", {"stt_output": {"text": "Turn on the kitchen light."}}),
        ("intent-progress", {"chat_log_delta": {"role": "assistant"}}),
        ("intent-progress", {"chat_log_delta": {"content": "Yes"}}),
        ("intent-progress", {"tts_start_streaming": True}),
        ("intent-end", {"intent_output": {"response": {"speech": {"plain": {"speech": "Turned on the light"}}}}}),
        ("tts-end", None),
        END,
        pieces=3,
    )
    async with playing(*scripted.routes) as home:
        turn = (await say(home, "mine", COMMAND)).whole()
    size = round(PIECE_SECONDS * 32_000)
    cut = [COMMAND.pcm[at : at + size] for at in range(0, 3 * size, size)]
    assert scripted.heard == [bytes([HANDLER]) + pcm for pcm in cut]
    assert scripted.fetched == 1
    assert (turn.heard, turn.answered) == ("Turn on the kitchen light.", "Turned on the light")
    assert turn.reply is not None
    assert turn.began is not None
    assert turn.spoke_until == turn.began + COMMAND.end
    assert (turn.reply.start, turn.reply.audio) == (16, b"RIFF....data----la")
    assert turn.began + 3 * PIECE_SECONDS <= turn.at("stt-end") <= turn.first_token <= turn.reply.first


@pytest.mark.parametrize(
    ("scripted", "message"),
    [
        (Scripted(START, ("error", {"code": "x", "message": "No ears."}), END), r"failed: No ears\. \(x\)"),
        (Scripted(START, END), "no spoken answer"),
        (Scripted(START, ("tts-end", None), END, sound=None), "500 instead of sound"),
    ],
)
async def test_a_turn_that_fails_says_why(scripted: Scripted, message: str) -> None:
    """What went wrong is part of the turn, which gives no figure."""
    async with playing(*scripted.routes) as home:
        turn = await ask(home)
        with pytest.raises(ToolError, match=message):
            turn.whole()
    with pytest.raises(ToolError, match="without stt-end: run-start"):
        turn.at("stt-end")
    with pytest.raises(ToolError, match="wrote nothing"):
        _ = turn.first_token


async def test_a_connection_that_breaks_is_one_sentence() -> None:
    """And so is an end of the command that is not noticed."""
    async with playing(*Scripted(START, ("stt-start", None)).routes) as home:
        with pytest.raises(ToolError, match="broke off"):
            await say(home, "mine", COMMAND)
    scripted = Scripted(START, ("stt-start", None), END, pieces=3)
    async with playing(*scripted.routes) as home:
        with pytest.raises(ToolError, match="the end of the command was not noticed"):
            await say(home, "mine", Command(bytes(1280), 0.0, 0.04))
