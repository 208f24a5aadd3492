"""Tests of the digest chains: sealing, verification, retention and erasure."""
