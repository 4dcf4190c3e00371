"""Actions that another machine executes: those of this build there, and those of other builds here."""
