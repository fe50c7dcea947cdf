"""A satellite: streams from its microphone until `stt-vad-end`, `error` or `run-end`, as ESPHome's firmware does.

https://github.com/esphome/esphome/blob/2026.10.0/esphome/components/voice_assistant/voice_assistant.cpp
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

from homeassistant.components import stt
from homeassistant.components.assist_pipeline import PipelineEvent, async_pipeline_from_audio_stream
from homeassistant.components.assist_pipeline.pipeline import PipelineStage
from homeassistant.core import Context, HomeAssistant

from .microphone import FRAME

STOPS_THE_MICROPHONE = ("stt-vad-end", "error", "run-end")


class Satellite:
    """One device with one microphone. It can speak to Home Assistant once."""

    def __init__(self, hass: HomeAssistant, name: str) -> None:
        """Be `assist_satellite.NAME`."""
        self._hass = hass
        self._name = name
        self._stopped = asyncio.Event()
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.frames = 0
        """Frames of 10 ms that the microphone has sent."""

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    def data(self, name: str) -> dict[str, Any]:
        """Return what the one event of that name told."""
        [data] = [data for event, data in self.events if event == name]
        return data

    async def say(
        self,
        spoken: bytes,
        pipeline: str,
        watch: Callable[[str], None] = lambda _: None,
        end_stage: PipelineStage = PipelineStage.STT,
    ) -> None:
        """Say this (16 kHz s16le mono) and be silent then. Returns when the run is over; `watch` sees each event.

        The run has a task of its own, as those of Home Assistant's satellites do.
        """

        def on_event(event: PipelineEvent) -> None:
            watch(event.type)
            self.events.append((str(event.type), event.data or {}))
            if event.type in STOPS_THE_MICROPHONE:
                self._stopped.set()

        run = async_pipeline_from_audio_stream(
            self._hass,
            context=Context(),
            event_callback=on_event,
            stt_metadata=stt.SpeechMetadata(
                language="",
                format=stt.AudioFormats.WAV,
                codec=stt.AudioCodecs.PCM,
                bit_rate=stt.AudioBitRates.BITRATE_16,
                sample_rate=stt.AudioSampleRates.SAMPLERATE_16000,
                channel=stt.AudioChannels.CHANNEL_MONO,
            ),
            stt_stream=self._microphone(spoken),
            pipeline_id=pipeline,
            conversation_id=self._name,
            device_id=self._name,
            satellite_id=f"assist_satellite.{self._name}",
            end_stage=end_stage,
        )
        await self._hass.async_create_task(run)

    async def _microphone(self, spoken: bytes) -> AsyncGenerator[bytes]:
        while not self._stopped.is_set():
            at = self.frames * len(FRAME)
            self.frames += 1
            yield spoken[at : at + len(FRAME)].ljust(len(FRAME), b"\0")
            await asyncio.sleep(0)
