"""Conformance suites for plug-ins, ours and third parties'."""
