"""Tests of the organization, on every store."""
