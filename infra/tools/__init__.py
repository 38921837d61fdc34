"""What is done around ``pulumi up``: looking before, comparing after, and trying what should happen when
things fail."""
