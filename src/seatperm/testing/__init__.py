"""Conformance kits, a manual clock and hypothesis strategies, for tests of hosts and stores."""
