# cython: language_level=3
"""What Cython has no words for: prefetch, bit scans, a wide product, memory that grows without copying."""

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t


cdef extern from *:
    """
    #ifndef DEPTHCAST_NATIVE
    #define DEPTHCAST_NATIVE
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <stdint.h>
    #include <stdlib.h>
    #include <string.h>

    #define dc_prefetch(p) __builtin_prefetch((p), 1, 3)
    #define dc_likely(x) __builtin_expect(!!(x), 1)
    #define dc_unlikely(x) __builtin_expect(!!(x), 0)

    static inline uint64_t dc_mulhi(uint64_t a, uint64_t b) {
        return (uint64_t)(((unsigned __int128)a * b) >> 64);
    }
    /* (a if yes else b) without a branch: for conditions that are as good as random */
    static inline uint32_t dc_pick(int yes, uint32_t a, uint32_t b) {
        return b ^ ((a ^ b) & (0u - (uint32_t)!!yes));
    }
    static inline uint64_t dc_load64(const void *p) { uint64_t x; memcpy(&x, p, 8); return x; }
    static inline int dc_highest_bit(uint64_t x) { return 63 - __builtin_clzll(x); }

    /* Blocks from DC_HUGE on are whole huge pages from the operating system: a deep book is bound by cache
       and TLB misses, and growing one moves page tables, not bytes. The size says which kind a block is. */
    #define DC_HUGE ((size_t)2 << 20)

    #if defined(__linux__) && !defined(DEPTHCAST_SANITIZE)
    #include <sys/mman.h>

    static inline size_t dc_round(size_t bytes) {
        return bytes < DC_HUGE ? bytes : (bytes + DC_HUGE - 1) & ~(DC_HUGE - 1);
    }
    static void *dc_map(size_t bytes) {  /* aligned to DC_HUGE; the address space around it is given back */
        char *raw = (char *)mmap(NULL, bytes + DC_HUGE, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (raw == (char *)MAP_FAILED) return NULL;
        char *at = (char *)(((uintptr_t)raw + DC_HUGE - 1) & ~(uintptr_t)(DC_HUGE - 1));
        if (at > raw) munmap(raw, (size_t)(at - raw));
        size_t tail = (size_t)(raw + bytes + DC_HUGE - (at + bytes));
        if (tail) munmap(at + bytes, tail);
        madvise(at, bytes, MADV_HUGEPAGE);
        return at;
    }
    static void dc_free(void *p, size_t bytes) {
        if (!p) return;
        if (bytes < DC_HUGE) free(p); else munmap(p, dc_round(bytes));
    }
    static void *dc_zalloc(size_t bytes) {
        return bytes < DC_HUGE ? calloc(1, bytes) : dc_map(dc_round(bytes));
    }
    static void *dc_grow(void *p, size_t old_bytes, size_t new_bytes) {  /* NULL: p is still whole */
        if (new_bytes < DC_HUGE) return realloc(p, new_bytes);
        void *at = dc_map(dc_round(new_bytes));
        if (!at) return NULL;
        if (old_bytes >= DC_HUGE) {
            int how = MREMAP_MAYMOVE | MREMAP_FIXED;
            void *moved = mremap(p, dc_round(old_bytes), dc_round(new_bytes), how, at);
            if (moved == MAP_FAILED) { munmap(at, dc_round(new_bytes)); return NULL; }
            madvise(moved, dc_round(new_bytes), MADV_HUGEPAGE);
            return moved;
        }
        if (p) { memcpy(at, p, old_bytes); free(p); }
        return at;
    }
    #else
    static void dc_free(void *p, size_t bytes) { (void)bytes; free(p); }
    static void *dc_zalloc(size_t bytes) { return calloc(1, bytes); }
    static void *dc_grow(void *p, size_t old_bytes, size_t new_bytes) {
        (void)old_bytes;
        return realloc(p, new_bytes);
    }
    #endif
    #endif
    """
    void prefetch "dc_prefetch"(const void *p) noexcept nogil
    bint likely "dc_likely"(bint x) noexcept nogil
    bint unlikely "dc_unlikely"(bint x) noexcept nogil
    uint64_t mulhi "dc_mulhi"(uint64_t a, uint64_t b) noexcept nogil
    uint32_t pick "dc_pick"(bint yes, uint32_t a, uint32_t b) noexcept nogil
    uint64_t load64 "dc_load64"(const void *p) noexcept nogil
    int highest_bit "dc_highest_bit"(uint64_t x) noexcept nogil
    void *zalloc "dc_zalloc"(size_t nbytes) noexcept nogil
    void *grow "dc_grow"(void *p, size_t old_bytes, size_t new_bytes) noexcept nogil
    void release "dc_free"(void *p, size_t nbytes) noexcept nogil


cdef inline uint32_t roomier(uint32_t capacity, uint32_t used, uint32_t room) noexcept nogil:
    """A pool's capacity, doubled until there is room for so many more; 0 where indexes would run out."""
    cdef uint64_t larger = capacity if capacity else 64
    while larger - used < room + 1:         # one for index 0, which is nobody's
        larger *= 2
    return <uint32_t>larger if larger <= 0x80000000U else 0
