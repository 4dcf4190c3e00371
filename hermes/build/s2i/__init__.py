"""Source-to-Image: one build of an application, and targets that are one."""
