"""Chapters and README: how pages are executed, rendered and kept up to date."""
