"""What this home can say, and whether a sentence is one of its own: names put right, and turns that end by meaning.

Names are read as Home Assistant's own agent reads them (`components/conversation/default_agent.py`, 2026.9 to 2026.11),
and whether a sentence is one is asked of that agent, which answers within milliseconds and does nothing.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import Context, Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import floor_registry as fr
from homeassistant.helpers import intent

from .spark_engine.speech.language import base_language
from .spark_engine.speech.names import Vocabulary, corrected, vocabulary
from .spark_engine.speech.phonetics import words_of
from .spark_engine.speech.sentences import CLOSERS, STOPS
from .spark_engine.speech.turn_end import Meaning, without_hesitation

if TYPE_CHECKING:
    from hassil.recognize import RecognizeResult
    from homeassistant.components.conversation import ConversationInput
    from homeassistant.components.conversation.default_agent import DefaultAgent

LOGGER = logging.getLogger(__name__)

CONVERSATION = "conversation"

LONGEST = 0.05
"""Seconds after which a transcript goes through unchanged, however far the correction has come."""

MOST_KEPT = 10
"""Corrections that diagnostics show, where the user wants them there."""

MOST_RESTS = 4
"""Longer names that the agent is asked about, for one transcript."""

VERB_ENDS = {"de": ("an", "auf")}
"""What verbs end with behind the name, one for each kind of thing: "schalte das Licht ... an"."""

LONGEST_TRIGGER = 6
"""Words of a sentence trigger that is a name of its own: "movie night"."""

REGISTRY_EVENTS = (
    ar.EVENT_AREA_REGISTRY_UPDATED,
    fr.EVENT_FLOOR_REGISTRY_UPDATED,
    er.EVENT_ENTITY_REGISTRY_UPDATED,
    dr.EVENT_DEVICE_REGISTRY_UPDATED,
)

BROKEN = (AttributeError, LookupError, TypeError, ValueError)
"""What the agent and the registries raise where they are not as described above."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What was heard, and what it became."""

    heard: str
    corrected: str


@dataclass(slots=True)
class Corrections:
    """How often names were put right; the last ones where the user wants to see them in the diagnostics."""

    keeps: bool
    count: int = 0
    last: deque[Correction] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))

    def add(self, correction: Correction) -> None:
        """Count one."""
        self.count += 1
        if self.keeps:
            self.last.append(correction)


class HomeNames:
    """The names of this home, kept up to date, and the sentences that it understands."""

    def __init__(
        self, hass: HomeAssistant, own: Iterable[str], *, keeps: bool = False, longest: float = LONGEST
    ) -> None:
        """`own` are names that the user adds; `longest` is the deadline of a correction in seconds."""
        self.corrections = Corrections(keeps)
        self._hass = hass
        self._own = tuple(own)
        self.longest = longest
        self._names: tuple[str, ...] | None = None
        self._vocabularies: dict[str, Vocabulary] = {}

    @callback
    def listen(self) -> Iterator[Callable[[], None]]:
        """Follow the registries, and the entities that come and go. Yield what ends that."""
        from homeassistant.components.homeassistant.exposed_entities import (  # noqa: PLC0415 - loads much
            async_listen_entity_updates,
        )

        for event in REGISTRY_EVENTS:
            yield self._hass.bus.async_listen(event, self._changed)
        yield self._hass.bus.async_listen(EVENT_STATE_CHANGED, self._changed, event_filter=_came_or_went)
        yield async_listen_entity_updates(self._hass, CONVERSATION, self._changed)

    async def prepare(self, language: str) -> None:
        """Load the agent's sentences and build the names' keys, so that neither is done within a turn's last moments.

        To be called when a turn begins; takes no time where nothing has changed.
        """
        try:
            await self._vocabulary(language)
            if sentences := await sentences_of(self._hass, language):
                await sentences.warm()
        except BROKEN as err:
            LOGGER.debug("The names of the home cannot be read: %s", type(err).__name__)

    async def corrected(self, transcript: str, language: str) -> str:
        """Return the transcript with the home's names put right; unchanged where that takes too long or is not sure."""
        try:
            async with asyncio.timeout(self.longest):
                text = await corrected(
                    transcript, await self._vocabulary(language), await sentences_of(self._hass, language)
                )
        except TimeoutError:
            LOGGER.debug("The names of a transcript were not looked at: that took more than %s s", self.longest)
            return transcript
        except BROKEN as err:
            LOGGER.debug("The names of a transcript were not looked at: %s", type(err).__name__)
            return transcript
        if text != transcript:
            LOGGER.debug("A name was put right in a transcript of %s words", len(words_of(transcript)))
            self.corrections.add(Correction(transcript, text))
        return text

    async def meaning(self, transcript: str, language: str) -> Meaning:
        """Return whether the transcript is a whole sentence of this home; unknown where that takes too long."""
        try:
            async with asyncio.timeout(self.longest):
                if (sentences := await sentences_of(self._hass, language)) is None:
                    return Meaning.UNKNOWN
                said = without_hesitation(transcript, language)
                is_whole = await sentences.is_whole(said)
                rests = (await self._vocabulary(language)).rests_of(said)[:MOST_RESTS]
                if await sentences.may_go_on(said, rests, is_whole=is_whole):
                    return Meaning.MAY_GO_ON
        except (TimeoutError, *BROKEN):
            return Meaning.UNKNOWN
        return Meaning.WHOLE if is_whole else Meaning.UNKNOWN

    def known(self, language: str) -> tuple[str, ...]:
        """Return the names as far as they are prepared: hints for a server that takes them, which must not wait."""
        names = self._vocabularies.get(language)
        return names.names if names and self._names is not None else ()

    @callback
    def _changed(self, _event: Event[Any] | None = None) -> None:
        self._names = None

    async def _vocabulary(self, language: str) -> Vocabulary:
        if self._names is None:
            self._names = (*self._own, *names_of(self._hass))
            self._vocabularies.clear()
        if language not in self._vocabularies:
            names = self._names
            built = await self._hass.async_add_executor_job(vocabulary, names, language)
            if names is not self._names:
                return built
            self._vocabularies[language] = built
        return self._vocabularies[language]


@dataclass(frozen=True, slots=True)
class Sentences:
    """The sentences of Home Assistant's own agent, in a language that it knows. Asking does nothing in the home."""

    hass: HomeAssistant
    agent: DefaultAgent
    language: str

    async def warm(self) -> None:
        """Read the sentences once: the first time takes a tenth of a second."""
        await self.parses("?")

    async def parses(self, text: str) -> bool:
        """Return whether this is a sentence of the home, said in some room of it."""
        return await self.recognized(text, in_a_room(self.hass)) is not None or await self._is_trigger(text)

    async def is_about_home(self, text: str) -> bool:
        """Return whether this is a sentence, and no question or request that is asked about anything in the world.

        "What is the fan club?" and "play something about the galley" must not become ones about this home.
        """
        found = await self.recognized(text, in_a_room(self.hass))
        if found is None:
            return await self._is_trigger(text)
        is_what = found.intent.name == intent.INTENT_GET_STATE and found.entities.keys() == {"name"}
        return not is_what and not any(match.is_wildcard for match in found.entities_list)

    async def is_whole(self, text: str) -> bool:
        """Return whether this is a sentence that says all by itself, and that nothing usually follows.

        "Turn on the lights" leaves the room open, and "play some jazz" ends with words of any kind.
        """
        found = await self.recognized(text, {})
        if found is None:
            return await self._is_trigger(text)
        words = words_of(text)
        ends = (words_of(match.text) for match in found.entities_list if match.is_wildcard)
        return not words[-1].isdecimal() and not any(words[-len(end) :] == end for end in ends if end)

    async def may_go_on(self, text: str, rests: Sequence[str], *, is_whole: bool) -> bool:
        """Return whether the sentence lacks its last word, or one of these rests of a name makes another one of it.

        Nothing is missing in what is a sentence in some room: "turn on the light", although there is a light strip.
        """
        said = text.rstrip("".join((*STOPS, *CLOSERS)))
        if not is_whole and await self.parses(text):
            return False
        for rest in rests:
            if await self.is_whole(f"{said} {rest}"):
                return True
        for end in () if is_whole else VERB_ENDS.get(base_language(self.language), ()):
            if await self.parses(f"{said} {end}"):
                return True
        return False

    async def recognized(self, text: str, place: Mapping[str, str]) -> RecognizeResult | None:
        """Return what the agent makes of a sentence that is said at a place; None where it does not know it."""
        return await self.agent.async_recognize_intent(self._input(text, place), strict_intents_only=True)

    async def _is_trigger(self, text: str) -> bool:
        return await self.agent.async_recognize_sentence_trigger(self._input(text, {})) is not None

    def _input(self, text: str, place: Mapping[str, str]) -> ConversationInput:
        from homeassistant.components.conversation import ConversationInput  # noqa: PLC0415 - optional
        from homeassistant.components.conversation.const import HOME_ASSISTANT_AGENT  # noqa: PLC0415 - optional

        return ConversationInput(
            text=text,
            context=Context(),
            conversation_id=None,
            device_id=place.get("device_id"),
            satellite_id=place.get("satellite_id"),
            language=self.language,
            agent_id=HOME_ASSISTANT_AGENT,
        )


async def sentences_of(hass: HomeAssistant, language: str) -> Sentences | None:
    """Return the agent's sentences; None where it has none in this language."""
    if (agent := _agent(hass)) is None or not await agent.async_get_or_load_intents(language):
        return None
    return Sentences(hass, agent, language)


@callback
def names_of(hass: HomeAssistant) -> Iterator[str]:
    """Yield what people may call something in this home: exposed entities, areas, floors, sentences of their own."""
    if CONVERSATION not in hass.config.components:
        return
    from homeassistant.components.homeassistant.exposed_entities import async_should_expose  # noqa: PLC0415 - loads much

    entities = er.async_get(hass)
    for state in hass.states.async_all():
        if async_should_expose(hass, CONVERSATION, state.entity_id):
            yield from intent.async_get_entity_aliases(hass, entities.async_get(state.entity_id), state=state)
    for area in ar.async_get(hass).async_list_areas():
        yield from (area.name, *area.aliases)
    for floor in fr.async_get(hass).async_list_floors():
        yield from (floor.name, *floor.aliases)
    yield from _triggers(hass)


def _triggers(hass: HomeAssistant) -> Iterator[str]:
    """Yield the sentence triggers that are plain words."""
    from homeassistant.components.conversation.agent_manager import get_agent_manager  # noqa: PLC0415 - optional

    for sentence in get_agent_manager(hass).trigger_sentences:
        if not set(sentence) & set("[](){}<>|") and len(sentence.split()) <= LONGEST_TRIGGER:
            yield sentence


@callback
def in_a_room(hass: HomeAssistant) -> Mapping[str, str]:
    """Return a device or an entity of any room: "turn on the lights" is a sentence only where it is said in one."""
    devices, entities = dr.async_get(hass), er.async_get(hass)
    for area in ar.async_get(hass).async_list_areas():
        for device in dr.async_entries_for_area(devices, area.id):
            return {"device_id": device.id}
        for entity in er.async_entries_for_area(entities, area.id):
            return {"satellite_id": entity.entity_id}
    return {}


def _agent(hass: HomeAssistant) -> DefaultAgent | None:
    if CONVERSATION not in hass.config.components:
        return None
    from homeassistant.components.conversation.agent_manager import async_get_agent  # noqa: PLC0415 - optional
    from homeassistant.components.conversation.default_agent import DefaultAgent  # noqa: PLC0415 - optional

    agent = async_get_agent(hass)
    return agent if isinstance(agent, DefaultAgent) else None


@callback
def _came_or_went(event_data: EventStateChangedData) -> bool:
    return event_data["old_state"] is None or event_data["new_state"] is None
