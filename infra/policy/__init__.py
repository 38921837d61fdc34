"""Rules that every stack is held to, whoever writes it."""
