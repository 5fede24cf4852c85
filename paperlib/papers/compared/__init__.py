"""All methods on one protocol; no paper has this table."""
