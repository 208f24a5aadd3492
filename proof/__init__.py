"""Proof that the record is whole: digest chains, signed checkpoints, verification, tombstones, holds and erasure."""
