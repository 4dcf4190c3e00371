"""Tests of hermes.programs."""
