"""Random streams: the same from the same key, others from any other, on every machine."""

from __future__ import annotations

import hashlib
import itertools

import torch

from partimento.seeds import generator, seed_global, stream_seed


def test_a_stream_is_named_by_the_hash_of_its_key():
    """Fixed for good: a change would give every published seed other weights."""
    digest = hashlib.sha256(b"7/order/3/1").digest()
    assert stream_seed(7, "order", 3, 1) == int.from_bytes(digest[:8], "big") // 2
    # printf 0/init/0/0 | sha256sum, the first 16 digits without the lowest bit.
    assert stream_seed(0, "init") == 0x4706CA168BBB1217 >> 1


def test_no_two_keys_share_a_stream():
    purposes = ("init", "order", "latent", "noise", "sampling", "diagnostics")
    keys = itertools.product(range(12), purposes, range(20), range(4))
    seeds = [stream_seed(*key) for key in keys]
    assert len(set(seeds)) == len(seeds) == 12 * 6 * 20 * 4
    assert all(0 <= seed < 2**63 for seed in seeds)
    # 11 of seed 1 must not run into 1 of seed 11.
    assert stream_seed(1, "order", 11) != stream_seed(11, "order", 1)


def test_generators_begin_at_the_beginning_and_leave_the_global_stream_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = torch.rand(4, generator=generator(3, "latent", 2))
    assert torch.equal(first, torch.rand(4, generator=generator(3, "latent", 2)))
    assert not torch.equal(first, torch.rand(4, generator=generator(3, "latent", 3)))
    assert torch.equal(before, torch.get_rng_state())


def test_the_global_stream_can_be_put_at_a_place():
    seed_global(3, "noise", 8)
    first = torch.rand(4)
    torch.rand(100)
    seed_global(3, "noise", 8)
    assert torch.equal(first, torch.rand(4))
    assert torch.equal(first, torch.rand(4, generator=generator(3, "noise", 8)))
