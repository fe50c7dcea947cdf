"""Pure: audio, text, sentences, voices, languages, listening and speaking. No I/O."""
