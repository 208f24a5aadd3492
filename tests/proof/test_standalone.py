"""The verifier's own Ed25519 says what the library says."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from proof.keys import public_of
from proof.standalone import verify


def test_signatures_are_judged_as_the_library_does() -> None:
    for number in range(8):
        key, message = Ed25519PrivateKey.generate(), b"m" * number
        public, signature = public_of(key), key.sign(message)
        answer = (int.from_bytes(signature[32:], "little") + verify.ORDER).to_bytes(32, "little")
        flipped = bytes([signature[0] ^ 1]) + signature[1:]
        assert verify.is_signed(public, message, signature)
        assert not verify.is_signed(public, message + b"!", signature)
        assert not verify.is_signed(public, message, flipped)
        assert not verify.is_signed(
            public, message, signature[:32] + answer
        )  # the same answer, written otherwise
        assert not verify.is_signed(public, message, signature[:-1])
        assert not verify.is_signed(b"\xff" * 32, message, signature)
