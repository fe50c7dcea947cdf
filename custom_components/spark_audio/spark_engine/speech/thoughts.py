"""What a language model writes for itself: thoughts and calls of tools, which no listener is to hear.

Each family of models marks them in its own way: DeepSeek and Qwen `<think>`, Mistral `[THINK]`, gpt-oss (harmony)
`<|channel|>analysis<|message|>`, Kimi `◁think▷`, tools `<tool_call>`; turns end with `<|im_end|>` and the like. The
marks may be cut anywhere when the text is streamed.
"""

import re

_NAMES = (
    *("think", "thinking", "thought", "thoughts", "antthinking", "reasoning", "reflection", "scratchpad"),
    *("seed:think", "reasoning_content", "analysis", "tool_response"),
    *("tool_call", "tool_calls", "function_call", "function_calls"),
)

_ENDS = {
    **{f"<{name}>": f"</{name}>" for name in _NAMES},
    "<function=": "</function>",
    # As Open WebUI shows it.
    '<details type="reasoning"': "</details>",
    "<|thinking|>": "<|/thinking|>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|tool_calls_section_begin|>": "<|tool_calls_section_end|>",
    "<|python_tag|>": "<|eom_id|>",
    "<unused94>": "<unused95>",
    "◁think▷": "◁/think▷",
    "[think]": "[/think]",
    "[tool_calls]": "\n",
    "<|channel|>analysis": "<|end|>",
    "<|channel|>commentary": "<|end|>",
    "<|tool_call|>": "<|/tool_call|>",
    "<｜tool▁calls▁begin｜>": "<｜tools▁calls▁end｜>",
}
"""Where what is not to be heard begins, and where it ends. Lower case."""

_MARKS = (
    *("<|channel|>final", "<|message|>", "<|start|>assistant", "<|return|>", "<|end|>"),
    *(f"</{name}>" for name in _NAMES),
    *("[/think]", "◁/think▷"),
    *(f"<{end}{name}>" for name in ("answer", "final_answer", "final") for end in ("", "/")),
    # What a chat template puts around a turn, where the server does not take it off.
    *("<|im_start|>assistant", "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|endoftext|>", "<|end_of_text|>"),
    *("<|start_header_id|>assistant<|end_header_id|>", "<|begin_of_text|>", "<|assistant|>", "<|user|>"),
    *("<start_of_turn>model", "<end_of_turn>", "<bos>", "<eos>", "<|end▁of▁sentence|>", "<｜end▁of▁sentence｜>"),
    *("[inst]", "[/inst]"),
)
"""Marks that stand alone, and go."""

_BEGIN = re.compile("|".join(map(re.escape, (*_ENDS, *_MARKS))), re.IGNORECASE)
_LONGEST_MARK = max(map(len, (*_ENDS, *_MARKS)))


class ThoughtReader:
    """Takes text in pieces, gives what is meant for the listener. How the text was cut makes no difference."""

    def __init__(self) -> None:
        """Start with no text."""
        self._held = ""
        self._in_word = self._is_parted = False
        self._end: str | None = None
        """What ends the thought that is being read, None outside."""

    def feed(self, text: str) -> str:
        """Return what can be spoken of the text so far; what may be the beginning of a mark is held back."""
        self._held += text
        out = []
        while True:
            if self._end is not None and not self._skip(self._end):
                break
            begin = _BEGIN.search(self._held)
            if begin is None:
                break
            out.append(self._given(self._held[: begin.start()]))
            self._is_parted = True
            self._held = self._held[begin.end() :]
            self._end = _ENDS.get(begin[0].lower())
        if self._end is None:
            held = _maybe_mark(self._held)
            out.append(self._given(self._held[:held]))
            self._held = self._held[held:]
        return "".join(out)

    def _given(self, text: str) -> str:
        """Return text for the listener: words on both sides of a mark are not one."""
        if not text:
            return ""
        gap = " " if self._in_word and self._is_parted and text[0].isalnum() else ""
        self._in_word, self._is_parted = not text[-1].isspace(), False
        return gap + text

    def finish(self) -> str:
        """Return what was held back when the text ends here; a thought that was never ended stays unsaid."""
        rest, self._held = "" if self._end is not None else self._held, ""
        return self._given(rest)

    def _skip(self, end: str) -> bool:
        """Drop what belongs to the thought; return whether its end was found."""
        at = self._held.lower().find(end)
        if at < 0:
            self._held = self._held[max(0, len(self._held) - len(end) + 1) :]
            return False
        self._held, self._end = self._held[at + len(end) :], None
        return True


def _maybe_mark(text: str) -> int:
    """Return where a mark may have begun whose rest is still to come, the length of the text where none has."""
    for start in range(max(0, len(text) - _LONGEST_MARK + 1), len(text)):
        if text[start] in "<[◁" and any(mark.startswith(text[start:].lower()) for mark in (*_ENDS, *_MARKS)):
            return start
    return len(text)
