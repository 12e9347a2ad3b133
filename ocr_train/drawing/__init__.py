"""Fonts and pages for people."""
