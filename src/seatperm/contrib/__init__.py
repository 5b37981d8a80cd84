"""Adapters for web frameworks and object mappers: a flat module each, behind an extra of its own.

They use public names of seatperm only, and so can a module for any other framework: `docs/web.md` tells how.
"""
