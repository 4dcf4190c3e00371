"""Tests of images: what a test asks for, what decides it, and what is reported. It knows no sandbox and no store."""
