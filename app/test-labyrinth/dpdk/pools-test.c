/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Mempools whose objects are one frame each, in Labyrinth's memory and in EAL's: where the objects
 * lie, what devices are told of them, that all their bytes can be had, and that nothing is left of
 * them.
 *
 *	pools-test --in-memory -m 32 -l 0 --no-pci --iova-mode=va (or pa)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_memory.h>
#include <rte_mempool.h>

#include <labyrinth/lab_rte.h>
#include <labyrinth/labyrinth.h>

#include "../net/tap.h"
#include "census.h"
#include "ground.h"

#define N         1500
#define FRAME     4096u
#define TIMES     50
#define PRIV_SIZE 72

/* What is made. */
struct kind {
	const char *name;
	unsigned flags;
	bool mbufs;
	unsigned cache;
	uint16_t priv_size;
};

static const struct kind kinds[] = {
	{"objects in Labyrinth's memory", 0, false, 256, 0},
	{"objects in EAL's memory", LAB_RTE_EAL_MEMORY, false, 256, 0},
	{"objects without cache", 0, false, 0, 0},
	{"mbufs in Labyrinth's memory", 0, true, 256, 0},
	{"mbufs in EAL's memory", LAB_RTE_EAL_MEMORY, true, 256, 0},
	{"mbufs with private area", 0, true, 512, PRIV_SIZE},
	{"mbufs with private area in EAL's memory", LAB_RTE_EAL_MEMORY, true, 0, PRIV_SIZE},
};

static struct rte_mempool *make(const struct kind *k, const char *name, unsigned n)
{
	return k->mbufs ? lab_rte_pktmbuf_pool_create(name, n, k->cache, k->priv_size,
						      SOCKET_ID_ANY, k->flags)
			: lab_rte_mempool_create(name, n, k->cache, SOCKET_ID_ANY, k->flags);
}

static bool check(bool good, const struct kind *k, const char *what)
{
	char name[128];

	snprintf(name, sizeof(name), "%s: %s", k->name, what);
	return tap_ok(good, name);
}

/* ---- where objects lie ---- */

/* As the kernel says, or as IOVA mode VA does. */
static uint64_t truth(const void *address)
{
	static int fd = -1;
	uint64_t entry = 0;

	if (rte_eal_iova_mode() == RTE_IOVA_VA)
		return (uintptr_t)address;
	if (fd < 0)
		fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pread(fd, &entry, 8, (off_t)((uintptr_t)address / FRAME * 8)) != 8 || !(entry >> 63))
		return RTE_BAD_IOVA;
	return (entry & ((1ull << 55) - 1)) * FRAME + (uintptr_t)address % FRAME;
}

struct places {
	uintptr_t lowest, highest;
	unsigned unaligned, wrong_iova, outside;
	const struct kind *kind;
};

static void look_at_mbuf(const struct rte_mbuf *m, uintptr_t frame, struct places *p)
{
	uintptr_t data = (uintptr_t)m->buf_addr;

	p->wrong_iova +=
		rte_mbuf_iova_get(m) != truth(m->buf_addr) ||
		rte_mbuf_data_iova_default(m) != truth((char *)m->buf_addr + RTE_PKTMBUF_HEADROOM);
	p->outside += data < frame + LAB_RTE_HEADER + sizeof(*m) + p->kind->priv_size ||
		      data + m->buf_len != frame + FRAME ||
		      m->buf_len != LAB_RTE_DATA_ROOM - p->kind->priv_size ||
		      rte_mbuf_to_priv((struct rte_mbuf *)(uintptr_t)m) != (const void *)(m + 1) ||
		      m->priv_size != p->kind->priv_size;
}

static void look_at(struct rte_mempool *mp, void *places, void *object, unsigned i)
{
	struct places *p = places;
	uintptr_t frame = (uintptr_t)object - LAB_RTE_HEADER;

	p->lowest = RTE_MIN(p->lowest, frame);
	p->highest = RTE_MAX(p->highest, frame);
	p->unaligned += frame % FRAME != 0;
	p->wrong_iova += rte_mempool_virt2iova(object) != truth(object) ||
			 rte_mem_virt2iova(object) != truth(object);
	if (p->kind->mbufs)
		look_at_mbuf(object, frame, p);
}

static void test_places(struct rte_mempool *mp, const struct kind *k)
{
	struct places p = {.lowest = UINTPTR_MAX, .kind = k};

	rte_mempool_obj_iter(mp, look_at, &p);
	check(mp->populated_size >= N && mp->size == mp->populated_size &&
		      rte_mempool_avail_count(mp) == mp->populated_size,
	      k, "at least as many as were wanted, all of them free");
	check(!p.unaligned, k, "each in a frame at a multiple of 4096");
	check(p.highest - p.lowest == (uintptr_t)(mp->populated_size - 1) * FRAME, k,
	      "one frame behind the other");
	check(!p.wrong_iova, k, "devices are told the right addresses");
	check(!p.outside, k, "header, mbuf, private area and data lie inside the frame");
	if (p.highest - p.lowest != (uintptr_t)(mp->populated_size - 1) * FRAME)
		tap_note("from %#lx to %#lx: %u objects", (long)p.lowest, (long)p.highest,
			 mp->populated_size);
}

/* ---- what can be done with them ---- */

static uint8_t *bytes_of(void *object, const struct kind *k, unsigned *n)
{
	struct rte_mbuf *m = object;

	*n = k->mbufs ? m->buf_len : LAB_RTE_ELEMENT;
	return k->mbufs ? m->buf_addr : object;
}

/* All bytes of all objects: were two to share some, the later one's would be found. */
static void test_bytes(struct rte_mempool *mp, const struct kind *k)
{
	unsigned all = mp->populated_size, wrong = 0, n, taken = 0;
	void **object = calloc(all + 1, sizeof(*object));

	while (taken <= all && rte_mempool_get(mp, &object[taken]) == 0)
		taken++;
	for (unsigned i = 0; i < taken; i++) {
		uint8_t *bytes = bytes_of(object[i], k, &n);

		for (unsigned b = 0; b < n; b++)
			bytes[b] = (uint8_t)(i * 37 + b * 11 + b / 256);
	}
	for (unsigned i = 0; i < taken; i++) {
		uint8_t *bytes = bytes_of(object[i], k, &n);

		for (unsigned b = 0; b < n; b++)
			wrong += bytes[b] != (uint8_t)(i * 37 + b * 11 + b / 256);
		wrong += rte_mempool_from_obj(object[i]) != mp;
	}
	check(taken == all && !wrong, k, "all can be taken, and all their bytes written");
	check(taken == all && rte_mempool_get(mp, &object[all]) == -ENOBUFS &&
		      rte_mempool_avail_count(mp) == 0,
	      k, "then there is none left, and that is said");
	rte_mempool_put(mp, object[0]);
	check(rte_mempool_get_bulk(mp, object, 2) == -ENOBUFS && rte_mempool_get(mp, object) == 0,
	      k, "a burst of two is refused where there is one, and one is had");
	rte_mempool_put_bulk(mp, object, taken);
	check(census_whole(mp) && lab_pool_validate(lab_rte_mempool_pool(mp)) == 0, k,
	      "given back, each comes out once");
	free(object);
}

static void test_kind(const struct kind *k)
{
	struct rte_mempool *mp = make(k, "frames", N);
	void *object = NULL;

	if (!check(mp != NULL, k, "made")) {
		tap_note("%s", lab_error_text());
		return;
	}
	test_places(mp, k);
	test_bytes(mp, k);
	rte_mempool_get(mp, &object);
	check(lab_rte_mempool_free(mp) == 1, k, "freed: it is said that one was in use");
}

/* ---- errors ---- */

static bool fails(struct rte_mempool *mp, int err, const char *about)
{
	const char *text = lab_error_text();
	bool good = !mp && rte_errno == err && strstr(text, about) && strlen(text) > 20 &&
		    !strchr(text, '\n');

	if (!good)
		tap_note("%s (%s), not %s about %s", mp ? "it was made" : rte_strerror(rte_errno),
			 text, strerror(err), about);
	if (mp)
		lab_rte_mempool_free(mp);
	rte_errno = 0;
	lab_rte_dma_unmap(NULL, NULL); /* another sentence */
	return good;
}

static void test_errors(void)
{
	static const char long_name[] = "a-name-that-is-longer-than-dpdk-will-have-it";
	struct rte_mempool *mp = make(&kinds[0], "taken", 100);
	unsigned all = LAB_RTE_EAL_MEMORY;

	tap_ok(fails(lab_rte_mempool_create(NULL, 10, 0, 0, 0), EINVAL, "name"), "no name");
	tap_ok(fails(lab_rte_mempool_create("x", 0, 0, 0, 0), EINVAL, "number"), "no objects");
	tap_ok(fails(lab_rte_mempool_create("x", 10, 0, 0, 0x80), EINVAL, "0x80"), "unknown flags");
	tap_ok(fails(lab_rte_mempool_create("x", 10, 513, 0, 0), EINVAL, "513"), "a large cache");
	tap_ok(fails(lab_rte_pktmbuf_pool_create("x", 10, 0, 7, 0, 0), EINVAL, "priv_size is 7"),
	       "a private area of 7 bytes");
	tap_ok(fails(lab_rte_pktmbuf_pool_create("x", 10, 0, 3912, 0, 0), EINVAL, "3912"),
	       "a private area larger than a frame has");
	tap_ok(fails(lab_rte_pktmbuf_pool_create("x", 10, 0, LAB_RTE_DATA_ROOM, 0, 0), EINVAL,
		     "priv_size"),
	       "a private area that leaves no data");
	tap_ok(fails(lab_rte_mempool_create("x", UINT32_MAX, 0, SOCKET_ID_ANY, 0), EINVAL,
		     "4294967295"),
	       "more objects than can be");
	for (unsigned flags = 0; flags <= all; flags += all) {
		tap_ok(fails(lab_rte_mempool_create("taken", 100, 0, SOCKET_ID_ANY, flags), EEXIST,
			     "taken"),
		       "a name that another mempool has");
		tap_ok(fails(lab_rte_mempool_create(long_name, 100, 0, SOCKET_ID_ANY, flags),
			     ENAMETOOLONG, long_name),
		       "a name too long for DPDK");
		tap_ok(fails(lab_rte_mempool_create("x", 100, 0, 7, flags),
			     flags && rte_eal_has_hugepages() ? ENOMEM : EINVAL, flags ? "x" : "7"),
		       "a NUMA node that the machine has not");
	}
	/* not of EAL's, which would take all hugepages before it gives up */
	tap_ok(fails(lab_rte_mempool_create("x", 1u << 28, 256, SOCKET_ID_ANY, 0), ENOMEM, "x"),
	       "more memory than there is");
	tap_ok(mp && census_whole(mp) && lab_rte_mempool_free(mp) == 0,
	       "the mempool whose name was asked for is whole");
	tap_ok(lab_rte_dma_map(NULL, NULL) == -EINVAL && lab_rte_dma_unmap(NULL, NULL) == -EINVAL &&
		       !lab_rte_extbufs_create(NULL, "x") && lab_rte_mempool_pool(NULL) == NULL &&
		       lab_rte_mempool_free(NULL) == 0 && lab_rte_extbufs_destroy(NULL) == 0,
	       "nothing at all");
}

/* ---- what is left ---- */

struct left {
	uint64_t heap, heap_blocks, huge, files, threads, lists;
};

static unsigned entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static int count_list(const struct rte_memseg_list *list, void *n)
{
	++*(uint64_t *)n;
	return 0;
}

static struct left look(void)
{
	struct left l = {.files = entries("/proc/self/fd"), .threads = entries("/proc/self/task")};
	FILE *f = fopen("/proc/self/smaps", "re");
	struct rte_malloc_socket_stats stats;
	unsigned long kib;
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Shared_Hugetlb: %lu", &kib) == 1 ||
		    sscanf(line, "Private_Hugetlb: %lu", &kib) == 1)
			l.huge += kib;
	}
	if (f)
		fclose(f);
	rte_malloc_get_socket_stats(0, &stats);
	l.heap = stats.heap_allocsz_bytes;
	l.heap_blocks = stats.alloc_count;
	rte_memseg_list_walk(count_list, &l.lists);
	return l;
}

static void test_leaks(const struct kind *k)
{
	struct left before = {0}, after;
	unsigned failed = 0;

	for (unsigned i = 0; i <= TIMES; i++) {
		struct rte_mempool *mp = make(k, "again", 600);

		/* one that fails, beside it */
		failed += !mp || make(k, "again", 600);
		failed += lab_rte_mempool_free(mp) != 0;
		/* the first one leaves what all have in common */
		if (i == 0)
			before = look();
	}
	after = look();
	check(!failed, k, "made and freed 50 times");
	if (!check(memcmp(&before, &after, sizeof(after)) == 0, k, "nothing is left of that"))
		tap_note("before: heap %" PRIu64 " in %" PRIu64 " pieces, hugepages %" PRIu64
			 " KiB, files %" PRIu64 ", threads %" PRIu64 ", lists of EAL's %" PRIu64
			 "; after: %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64
			 ", %" PRIu64,
			 before.heap, before.heap_blocks, before.huge, before.files, before.threads,
			 before.lists, after.heap, after.heap_blocks, after.huge, after.files,
			 after.threads, after.lists);
}

/* In a process of its own: a crash is not the end of the others. */
static void test_unpopulated(void)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		struct rte_mempool *mp =
			rte_mempool_create_empty("empty", 100, 2048, 0, 0, SOCKET_ID_ANY, 0);

		if (!mp || rte_mempool_set_ops_byname(mp, LAB_RTE_OPS, NULL))
			_exit(1);
		rte_mempool_free(mp);
		_exit(rte_mempool_lookup("empty") != NULL);
	}
	if (child > 0)
		waitpid(child, &status, 0);
	tap_ok(status == 0, "a mempool that was never populated can be freed");
}

int main(int argc, char **argv)
{
	ground_init(argc, argv, 120);
	tap_note("IOVA as %s", rte_eal_iova_mode() == RTE_IOVA_VA ? "VA" : "PA");
	for (unsigned i = 0; i < RTE_DIM(kinds); i++)
		test_kind(&kinds[i]);
	test_errors();
	for (unsigned i = 0; i < RTE_DIM(kinds); i++)
		test_leaks(&kinds[i]);
	test_unpopulated();
	return tap_done();
}
