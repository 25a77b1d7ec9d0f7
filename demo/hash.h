/* hash.h: a fast 64-bit hash, to compare what thousands of readers got without keeping what they got.
 *
 * Not against an attacker: it must notice accidents. Fields are chained: hash_add() of "ab","c" differs from "a","bc",
 * because each step mixes in the length. */
#ifndef CONFAB_DEMO_HASH_H
#define CONFAB_DEMO_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HASH_START UINT64_C(0x243F6A8885A308D3)

static inline uint64_t hash_mix(uint64_t h)
{
    h ^= h >> 32;
    h *= UINT64_C(0xD6E8FEB86659FD93);
    h ^= h >> 29;
    return h;
}

static inline uint64_t hash_add(uint64_t h, const void *data, size_t len)
{
    const unsigned char *at = data;
    size_t left = len;
    h ^= (uint64_t)len * UINT64_C(0x9E3779B97F4A7C15);
    while (left >= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        h = hash_mix(h ^ word);
        at += sizeof word;
        left -= sizeof word;
    }
    uint64_t tail = 0;
    if (left > 0) {
        memcpy(&tail, at, left);
    }
    return hash_mix(h ^ tail);
}

#endif
