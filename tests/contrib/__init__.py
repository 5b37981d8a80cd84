"""Tests of the modules for frameworks."""
