"""Tests of the delivery of findings, against real receivers."""
