"""What a text means: an image of the store, of a target, or of a transport."""
