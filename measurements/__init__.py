"""Speed and fault scripts that print figures; each builds its own inputs and leaves nothing behind."""
