/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A device reaches its own frames and nothing else. Several edu devices are told to write where
 * they must not, and where they may, in every mode; everything that they could have hit is compared
 * with what it was.
 *
 *	isolation-test EDU EDU...
 *
 * The last one serves a second domain; the others attack.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../net/tap.h"
#include "guest.h"

#define DEVICES_MAX 16u
#define FRAMES      512u /* of each pool: one hugepage */
#define PER_MODE    340u /* forbidden transfers, and as many permitted ones: 1020 in three modes */
#define EXTRA       800u /* more, until the kernel's log has shown a fault of each kind */
#define POISON      0x777u

enum kind {
	NEVER_LENT,  /* strict: a frame of the domain's pool */
	NEIGHBOUR,   /* strict: the frame behind one that is lent */
	TAKEN_BACK,  /* strict: a frame that the device has just written, lent then */
	OTHER_IOVA,  /* another pool, where another domain has it */
	OTHER_ADDR,  /* another pool, by its virtual address */
	OTHER_PHYS,  /* another pool, by its physical address */
	TABLES_ADDR, /* the allocator's tables, by their virtual address */
	TABLES_PHYS, /* the same, physical */
	HANDLE_ADDR, /* the pool's handle */
	BESIDE,      /* the addresses before and behind the pool's */
	KINDS
};

static const char *const kind_names[KINDS] = {
	"a frame that was never lent",
	"the frame behind a lent one",
	"a frame after it was taken back",
	"another pool, by its address in another domain",
	"another pool, by virtual address",
	"another pool, by physical address",
	"the allocator's tables, virtually",
	"the allocator's tables, physically",
	"the pool's handle",
	"the addresses beside the pool's",
};

/* Memory and what it was. */
struct watched {
	const char *what;
	char *at;
	char *copy;
	size_t bytes;
};

struct attempt {
	unsigned device;
	uint64_t page;
	enum kind kind;
};

struct bench {
	enum lab_domain_mode mode;
	unsigned n; /* attackers */
	struct lab_edu *edu[DEVICES_MAX];
	struct lab_pool *pool, *other;
	struct lab_domain *domain, *second;
	struct lab_edu *servant; /* the second domain's */
	void *frame[FRAMES];     /* all of pool's; the first n are lent, each to one attacker */
	uint64_t first;          /* pool's address in the domain */
	uint64_t bytes;          /* and its size */
	struct watched watched[4];
	unsigned watching;
	unsigned forbidden, permitted, arrived;
	uint64_t seen[KINDS], tried[KINDS];
	struct attempt attempts[PER_MODE + EXTRA + 2 * DEVICES_MAX];
	unsigned n_attempts;
	struct guest_log log;
};

static void watch(struct bench *b, const char *what, void *at, size_t bytes)
{
	struct watched *w = &b->watched[b->watching++];

	*w = (struct watched){.what = what,
			      .at = at,
			      .bytes = bytes,
			      .copy = guest_must(malloc(bytes), "memory")};
}

static void remember(struct bench *b)
{
	for (unsigned i = 0; i < b->watching; i++)
		memcpy(b->watched[i].copy, b->watched[i].at, b->watched[i].bytes);
}

static bool unchanged(const struct bench *b)
{
	bool same = true;

	for (unsigned i = 0; i < b->watching; i++) {
		const struct watched *w = &b->watched[i];
		size_t at = 0;

		if (!memcmp(w->at, w->copy, w->bytes))
			continue;
		while (w->at[at] == w->copy[at])
			at++;
		tap_note("%s: %s changed at byte %#zx", guest_mode_name(b->mode), w->what, at);
		same = false;
	}
	return same;
}

/* The physical address of this process's memory, as root reads it (Documentation/admin-guide/mm).
 */
static uint64_t physical(const void *addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (fd < 0 || pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)addr / 4096 * 8)) != 8 ||
	    !(entry & (uint64_t)1 << 63))
		guest_must(NULL, "the physical address of a page");
	close(fd);
	return (entry & (((uint64_t)1 << 55) - 1)) * 4096 + (uintptr_t)addr % 4096;
}

/* 1 if the domain's devices may reach any of LAB_EDU_MAX bytes at @at, in non-strict modes. */
static bool inside(const struct bench *b, uint64_t at)
{
	return at + LAB_EDU_MAX > b->first && at < b->first + b->bytes;
}

/* A place of a kind, a different one each time; 0 if there is none just now. */
static uint64_t place(struct bench *b, enum kind kind)
{
	const struct watched *tables = &b->watched[2];
	size_t i = (size_t)random(), off = (size_t)random() % 2 * LAB_EDU_MAX;
	char *in_other = b->other->base + i % FRAMES * LAB_FRAME_SIZE + off;
	char *in_tables = tables->at + i % (tables->bytes / LAB_EDU_MAX) * LAB_EDU_MAX;

	if (kind <= TAKEN_BACK && b->mode != LAB_DOMAIN_STRICT)
		return 0;
	switch (kind) {
	case NEVER_LENT:
		return lab_domain_iova(b->domain, b->pool, b->frame[b->n + i % (FRAMES - b->n)]) +
		       off;
	case NEIGHBOUR: {
		/* Attackers of even number have their frame still; none has the one behind it. */
		size_t even = i % b->n & ~(size_t)1;
		char *next = (char *)b->frame[even] + LAB_FRAME_SIZE;
		uint64_t at;

		for (unsigned d = 0; d < b->n; d += 2) {
			if (b->frame[d] == next)
				return 0;
		}
		at = lab_domain_iova(b->domain, b->pool, b->frame[even]) + LAB_FRAME_SIZE;
		return at < b->first + b->bytes ? at + off : 0;
	}
	case TAKEN_BACK:
		return lab_domain_iova(b->domain, b->pool, b->frame[i % b->n | 1]) + off;
	case OTHER_IOVA:
		return lab_domain_iova(b->second, b->other, in_other);
	case OTHER_ADDR:
		return (uintptr_t)in_other;
	case OTHER_PHYS:
		return lab_frame_phys(b->other, in_other);
	case TABLES_ADDR:
		return (uintptr_t)in_tables;
	case TABLES_PHYS:
		return physical(in_tables);
	case HANDLE_ADDR:
		return (uintptr_t)b->pool;
	default:
		return i % 2 ? b->first + b->bytes + off : b->first - LAB_FRAME_SIZE + off;
	}
}

/*
 * What attacker @d is told this time. VT-d keeps one fault in QEMU, that of the first device, and
 * Linux reports three in five seconds: so the first one does what the log has not shown yet.
 */
static struct attempt choose(struct bench *b, unsigned d)
{
	unsigned kind = (unsigned)random() % KINDS;

	for (unsigned i = 0; i < KINDS && d == 0; i++) {
		unsigned k = (kind + i) % KINDS;

		if (!b->seen[k] && (k > TAKEN_BACK || b->mode == LAB_DOMAIN_STRICT)) {
			kind = k;
			break;
		}
	}
	for (;; kind = (kind + 1) % KINDS) {
		uint64_t at = place(b, kind);

		/* Numbers are reused: what is another thing's address may be the pool's as well. */
		if (at && (kind <= TAKEN_BACK || !inside(b, at))) {
			b->tried[kind]++;
			return (struct attempt){.device = d, .page = at, .kind = kind};
		}
	}
}

static void wait_all(struct bench *b)
{
	for (unsigned d = 0; d < b->n; d++)
		guest_must_be(lab_edu_wait(b->edu[d]), 0, "a transfer");
}

/* Every attacker writes into the frame that it was lent. */
static void permitted(struct bench *b)
{
	for (unsigned d = 0; d < b->n; d++) {
		uint64_t at;

		memset(b->frame[d], 0, LAB_FRAME_SIZE);
		guest_must_be(
			lab_device_lend(lab_edu_device(b->edu[d]), b->pool, &b->frame[d], 1, &at),
			1, "lend");
		guest_must_be(lab_edu_start(b->edu[d], LAB_EDU_TO_MEMORY, at, LAB_EDU_MAX), 0,
			      "start");
	}
	wait_all(b);
	for (unsigned d = 0; d < b->n; d++) {
		b->permitted++;
		b->arrived += guest_is_filled(b->frame[d], LAB_EDU_MAX, POISON + d) &&
			      guest_is_zero((char *)b->frame[d] + LAB_EDU_MAX,
					    LAB_FRAME_SIZE - LAB_EDU_MAX);
	}
}

static void take_back(struct bench *b, unsigned d)
{
	guest_must_be(lab_device_take_back(lab_edu_device(b->edu[d]), b->pool, &b->frame[d], 1), 1,
		      "take back");
}

/* Every attacker writes where it must not. Return: 1 if nothing changed. */
static bool forbidden(struct bench *b)
{
	bool same;

	remember(b);
	for (unsigned d = 0; d < b->n; d++) {
		struct attempt a = choose(b, d);

		guest_must_be(lab_edu_start(b->edu[d], LAB_EDU_TO_MEMORY, a.page, LAB_EDU_MAX), 0,
			      "start");
		a.page &= ~(uint64_t)(LAB_FRAME_SIZE - 1);
		b->attempts[b->n_attempts++] = a;
		b->forbidden++;
	}
	wait_all(b);
	same = unchanged(b);
	return same;
}

static void read_log(struct bench *b, char **address)
{
	char device[16];
	uint64_t page;

	while (guest_log_fault(&b->log, device, &page)) {
		for (unsigned i = 0; i < b->n_attempts; i++) {
			const struct attempt *a = &b->attempts[i];

			/* The log leaves "0000:" out. */
			if (a->page == page && !strcmp(address[a->device] + 5, device)) {
				b->seen[a->kind]++;
				break;
			}
		}
	}
}

static bool all_seen(const struct bench *b)
{
	for (int k = 0; k < KINDS; k++) {
		if (b->tried[k] && !b->seen[k])
			return false;
	}
	return true;
}

/* A frame moves to a new place in the array, so that the next round lends others. */
static void shuffle(struct bench *b)
{
	for (unsigned d = 0; d < b->n; d++) {
		unsigned with = (unsigned)random() % FRAMES;
		void *frame = b->frame[d];

		b->frame[d] = b->frame[with];
		b->frame[with] = frame;
	}
}

static void set_up(struct bench *b, char **address, unsigned n)
{
	struct lab_pool *spacer;
	char *tables;
	size_t bytes;

	b->n = n;
	b->pool = guest_pool("attacked", FRAMES);
	b->domain = guest_domain("attackers", b->mode);
	for (unsigned d = 0; d < n; d++)
		b->edu[d] = guest_must(lab_edu_open(b->domain, address[d]), address[d]);
	if (b->mode != LAB_DOMAIN_PREMAPPED)
		guest_must_be(lab_domain_map_pool(b->domain, b->pool, LAB_DMA_BOTH), 0, "map");
	/* Made now, a premapped domain does not have it. Addresses apart by the spacer. */
	spacer = guest_pool("spacer", 4 * FRAMES);
	b->other = guest_pool("other", FRAMES);
	b->second = guest_domain("second", LAB_DOMAIN_GUARDED);
	b->servant = guest_must(lab_edu_open(b->second, address[n]), address[n]);
	guest_must_be(lab_domain_map_pool(b->second, spacer, LAB_DMA_BOTH), 0, "map");
	guest_must_be(lab_domain_map_pool(b->second, b->other, LAB_DMA_BOTH), 0, "map");
	guest_must_be(lab_domain_unmap_pool(b->second, spacer), 0, "unmap");
	guest_must_be(lab_pool_destroy(spacer), 0, "destroy");

	b->first = lab_domain_iova(b->domain, b->pool, b->pool->base);
	b->bytes = b->pool->bytes;
	guest_must_be(lab_alloc_bulk(b->pool, b->frame, FRAMES, LAB_GFP_EXCLUSIVE), 0, "frames");
	for (unsigned d = 0; d < n; d++) {
		uint64_t at;

		guest_fill(b->frame[d], LAB_EDU_MAX, POISON + d);
		guest_must_be(
			lab_device_lend(lab_edu_device(b->edu[d]), b->pool, &b->frame[d], 1, &at),
			1, "lend");
		guest_must_be(lab_edu_start(b->edu[d], LAB_EDU_FROM_MEMORY, at, LAB_EDU_MAX), 0,
			      "start");
	}
	wait_all(b);
	for (unsigned d = 0; d < n; d++)
		take_back(b, d);
	guest_fill(b->pool->base, b->pool->bytes, 1);
	guest_fill(b->other->base, b->other->bytes, 2);

	/* One mapping holds frame table, caches, depot, bundles and magazines. */
	guest_mapping_of(b->pool->state, &tables, &bytes);
	guest_must((char *)b->pool->home >= tables && (char *)b->pool->home < tables + bytes
			   ? tables
			   : NULL,
		   "the allocator's tables in one mapping");
	b->watching = 0;
	watch(b, "the domain's pool", b->pool->base, b->pool->bytes);
	watch(b, "the other pool", b->other->base, b->other->bytes);
	watch(b, "the allocator's tables", tables, bytes);
	watch(b, "the pool's handle", b->pool, sizeof(*b->pool));
	guest_log_open(&b->log);
	tap_note("%s, %s: pool at %#" PRIx64 ", %zu KiB of tables", guest_mode_name(b->mode),
		 lab_domain_backend(b->domain), b->first, bytes / 1024);
}

static void tear_down(struct bench *b)
{
	guest_must_be(lab_free_bulk(b->pool, b->frame, FRAMES), 0, "free");
	for (unsigned d = 0; d < b->n; d++)
		guest_must_be(lab_edu_close(b->edu[d]), 0, "close");
	guest_must_be(lab_edu_close(b->servant), 0, "close");
	guest_must_be(lab_domain_destroy(b->domain), 0, "destroy");
	guest_must_be(lab_domain_destroy(b->second), 0, "destroy");
	guest_must_be(lab_pool_destroy(b->pool), 0, "destroy");
	guest_must_be(lab_pool_destroy(b->other), 0, "destroy");
	for (unsigned i = 0; i < b->watching; i++)
		free(b->watched[i].copy);
	guest_log_close(&b->log);
}

/* With the pool taken away, its addresses lead nowhere, in any mode. */
static bool after_unmap(struct bench *b)
{
	guest_must_be(lab_domain_unmap_pool(b->domain, b->pool), 0, "unmap");
	remember(b);
	for (unsigned d = 0; d < b->n; d++) {
		guest_must_be(lab_edu_start(b->edu[d], LAB_EDU_TO_MEMORY,
					    b->first + d * LAB_FRAME_SIZE, LAB_EDU_MAX),
			      0, "start");
		b->forbidden++;
	}
	wait_all(b);
	return unchanged(b);
}

static void ok_in(bool pass, const struct bench *b, const char *what)
{
	char name[200];

	snprintf(name, sizeof(name), "%s: %s", guest_mode_name(b->mode), what);
	tap_ok(pass, name);
}

static unsigned attack(enum lab_domain_mode mode, char **address, unsigned n)
{
	static struct bench bench;
	struct bench *b = &bench;
	bool same = true, unmapped;
	char what[160];
	unsigned done;

	memset(b, 0, sizeof(*b));
	b->mode = mode;
	set_up(b, address, n);
	while (b->forbidden < PER_MODE || (!all_seen(b) && b->forbidden < PER_MODE + EXTRA)) {
		permitted(b);
		for (unsigned d = 1; d < n; d += 2)
			take_back(b, d);
		same &= forbidden(b);
		for (unsigned d = 0; d < n; d += 2)
			take_back(b, d);
		read_log(b, address);
		shuffle(b);
	}
	snprintf(what, sizeof(what), "%u forbidden transfers changed no byte", b->forbidden);
	ok_in(same, b, what);
	snprintf(what, sizeof(what), "%u permitted transfers all arrived", b->permitted);
	ok_in(b->arrived == b->permitted, b, what);
	for (int k = 0; k < KINDS; k++) {
		snprintf(what, sizeof(what), "fault reported (%" PRIu64 " of %" PRIu64 "): %s",
			 b->seen[k], b->tried[k], kind_names[k]);
		if (b->tried[k])
			ok_in(b->seen[k] > 0, b, what);
	}
	unmapped = after_unmap(b);
	ok_in(unmapped, b, "a pool that was unmapped is out of reach");
	done = b->forbidden;
	tear_down(b);
	return done;
}

int main(int argc, char **argv)
{
	static const enum lab_domain_mode modes[] = {LAB_DOMAIN_STRICT, LAB_DOMAIN_GUARDED,
						     LAB_DOMAIN_PREMAPPED};
	unsigned done = 0;

	/* An even number of attackers: every second one has its frame taken back. */
	if (argc < 4 || argc % 2 || (unsigned)argc - 2 > DEVICES_MAX) {
		fprintf(stderr, "usage: isolation-test EDU EDU EDU...: an odd number of them\n");
		return EXIT_FAILURE;
	}
	srandom(20261123);
	for (int i = 0; i < 3; i++)
		done += attack(modes[i], argv + 1, (unsigned)argc - 2);
	tap_note("%u forbidden transfers in all", done);
	tap_ok(done >= 1000, "at least 1000 forbidden transfers");
	return tap_done();
}
