"""``ctx.actions``: how the implementation of a rule says what is to be done."""
