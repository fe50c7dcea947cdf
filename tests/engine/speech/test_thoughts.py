"""Thoughts and tool calls of language models stay unsaid, however the text is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spark_engine.speech.text import utterances
from spark_engine.speech.thoughts import ThoughtReader


def read(*pieces: str) -> str:
    """What is left for the listener."""
    reader = ThoughtReader()
    return "".join(map(reader.feed, pieces)) + reader.finish()


CASES = [
    ("<think>Let me see.</think>It is sunny.", "It is sunny."),
    ("<thinking>a < b</thinking>\n\nYes.", "\n\nYes."),
    ("<THINK>LOUD</THINK>Quiet.", "Quiet."),
    ("[THINK]hm[/THINK]Good.", "Good."),
    ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Done.<|return|>", "Done."),
    ('One moment.<tool_call>{"name": "x"}</tool_call> Here it is.', "One moment. Here it is."),
    ("First<think>a</think> and<think>b</think> second", "First and second"),
    ("Thoughts that were begun before.</think>The answer.", "Thoughts that were begun before. The answer."),
    ("First<|thinking|>a<|/thinking|>second", "First second"),
    ("Fi<|eot_id|>.", "Fi."),
    ("<antThinking>hm</antThinking>Fine.", "Fine."),
    ('<function=get_weather>{"city": "Rome"}</function>Fine.', "Fine."),
    ("<|tool_calls_section_begin|><|tool_call_begin|>f:0<|tool_call_end|><|tool_calls_section_end|>Fine.", "Fine."),
    ('<details type="reasoning" done="true">\n<summary>Thought</summary>\n> hm\n</details>\nFine.', "\nFine."),
    ("<reasoning>hm</reasoning><answer>Fine.</answer>", "Fine."),
    ("<unused94>thought\nhm<unused95>Fine.", "Fine."),
    ("<think>never ended", ""),
    ("◁think▷hm◁/think▷Fine.", "Fine."),
    ("<seed:think>hm</seed:think>Fine.", "Fine."),
    ("<tool_response>{}</tool_response>Fine.", "Fine."),
    ("<|im_start|>assistant\nHello.<|im_end|>", "\nHello."),
    ("<|start_header_id|>assistant<|end_header_id|>\n\nHi.<|eot_id|>", "\n\nHi."),
    ("<start_of_turn>model\nHi.<end_of_turn><eos>", "\nHi."),
    ("[INST] Hi. [/INST]", " Hi. "),
    ("I think <b>so</b>, [1] <thin", "I think <b>so</b>, [1] <thin"),
    ("a <thinker> and [thinking]", "a <thinker> and [thinking]"),
]


@pytest.mark.parametrize(("written", "heard"), CASES)
def test_only_the_answer_is_heard(written: str, heard: str) -> None:
    """In one piece, and letter by letter."""
    assert read(written) == heard
    assert read(*written) == heard


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "[THINK]", "[/think]", "<", "th", "ink>", "|channel|>", "word "])),
    st.integers(1, 7),
)
def test_how_the_text_was_cut_makes_no_difference(parts: list[str], size: int) -> None:
    text = "".join(parts)
    assert read(*(text[at : at + size] for at in range(0, len(text), size))) == read(text)


@given(st.text())
def test_text_without_marks_is_all_there(text: str) -> None:
    """Nothing else is ever taken for a thought."""
    if not set("<[◁") & set(text):
        assert read(text) == text


async def test_thoughts_are_not_spoken() -> None:
    text = "<think>The user wants the weather. Call a tool.</think>It is sunny. [THINK]Done.[/THINK]Good night."
    assert [utterance async for utterance in utterances(text)] == ["It is sunny.", "Good night."]
