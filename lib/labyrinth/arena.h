/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * An arena: one contiguous virtual reservation made of populated segments on one NUMA node. Knows
 * hugepages and NUMA; knows nothing of frames' owners, caches or pools.
 */
#ifndef ARENA_H
#define ARENA_H

#include <stddef.h>
#include <stdint.h>

/**
 * struct lab_arena - memory in segments.
 * @base: first byte, aligned to the segment size.
 * @bytes: length, a multiple of it.
 * @seg_shift: log2 of the segment size; 12 for ordinary pages.
 * @node: the NUMA node of its first segment.
 * @fd: of a shared one's memory, the caller's to close; else -1.
 * @inside: 1 if its addresses are part of a reservation that goes on after it.
 */
struct lab_arena {
	char *base;
	size_t bytes;
	unsigned seg_shift;
	int node;
	int fd;
	int inside;
};

/**
 * struct lab_arena_request - what is wanted.
 * @owner: the pool's name, for messages.
 * @bytes: a multiple of @page_size.
 * @page_size: of the segments; LAB_PAGE_4K means ordinary pages.
 * @node: LAB_NODE_ANY (prefer the caller's node) or LAB_NODE(n) (that node or not at all).
 * @dump: leave it in core dumps.
 * @shared: keep the memory's descriptor, sealed, so that another process can map it.
 * @address: where it shall be, a multiple of @page_size; NULL: anywhere.
 * @inside: 1: the caller has reserved that place, and keeps it when the arena goes.
 */
struct lab_arena_request {
	const char *owner;
	size_t bytes;
	size_t page_size;
	int node;
	int dump;
	int shared;
	void *address;
	int inside;
};

/**
 * lab_arena_create() - reserve, place and populate.
 *
 * The mapping has no name, no file descriptor, and is not inherited over fork. Populating is by
 * madvise, so that a shortage is an error here and never a SIGBUS later.
 *
 * Return: 0; or -errno with a sentence, and nothing is left mapped.
 */
int lab_arena_create(struct lab_arena *arena, const struct lab_arena_request *request);

/**
 * lab_arena_attach() - map another process's arena.
 * @fd: its descriptor, of a file as long as @request says; stays the caller's.
 *
 * Return: 0; or -errno with a sentence, and nothing is left mapped. May sleep.
 */
int lab_arena_attach(struct lab_arena *arena, const struct lab_arena_request *request, int fd);

/**
 * lab_arena_reserve() - addresses alone, with nothing behind them: reading or writing there is a
 * SIGSEGV. Of the request, @owner, @bytes and @page_size count.
 *
 * Return: 0; or -errno with a sentence.
 */
int lab_arena_reserve(struct lab_arena *arena, const struct lab_arena_request *request);

/** lab_arena_destroy() - give the memory back to the kernel, and the addresses, too, unless they
 * are inside the caller's reservation. */
void lab_arena_destroy(struct lab_arena *arena);

/**
 * lab_arena_phys() - the physical address of each segment.
 * @arena: the arena, on hugepages.
 * @phys: receives one address a segment.
 *
 * Return: 0, or -errno if the kernel does not tell (it tells root only); no sentence is set.
 */
int lab_arena_phys(const struct lab_arena *arena, uint64_t *phys);

/**
 * lab_metadata_map() - zeroed, populated memory for tables that no device ever sees.
 * @owner: the pool's name, for messages.
 * @bytes: length; rounded up to pages.
 * @must_lock: fail if it cannot be locked in memory; otherwise only try.
 * @fd: of a file of that length, see lab_metadata_memfd(); or -1 for private memory.
 *
 * Not inherited over fork. Return: 0 with *@mem set, or -errno with a sentence.
 */
int lab_metadata_map(const char *owner, size_t bytes, int must_lock, int fd, void **mem);

/** lab_arena_memory_available() - of the machine, in bytes; or all there is if it does not tell. */
uint64_t lab_arena_memory_available(void);

/** lab_arena_fail_short() - the sentence for what a request cannot have. Return: -ENOMEM or -@err.
 */
int lab_arena_fail_short(const struct lab_arena_request *request, int err);

/** lab_metadata_memfd() - a sealed file of @bytes, for tables that processes share. Return: its
 * descriptor, or -errno with a sentence. */
int lab_metadata_memfd(const char *owner, size_t bytes);

/**
 * lab_arena_before_fork(), lab_arena_after_fork() - handlers for fork(): no fork falls between the
 * mapping of memory and its exclusion from children. The second one is for parent and child.
 */
void lab_arena_before_fork(void);
void lab_arena_after_fork(void);

/** lab_metadata_unmap() - the reverse. */
void lab_metadata_unmap(void *mem, size_t bytes);

#endif
