"""Labels, target patterns and the target graph. It does not know how targets come to be."""
