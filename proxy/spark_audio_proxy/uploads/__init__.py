"""Recordings on their way in: the form, what is admitted, and what is passed on while it arrives."""
