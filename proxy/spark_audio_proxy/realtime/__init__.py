"""Speech to text while it is spoken: OpenAI's realtime transcription sessions over a WebSocket."""
