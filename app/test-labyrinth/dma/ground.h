/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What the rooms of domains and devices share: the made-up machine switched on, and at the end the
 * proof that nothing is left of all that happened on it.
 */
#ifndef GROUND_H
#define GROUND_H

#include "process.h"
#include "test.h"

#include "dma/fake.h"

static inline unsigned threads_now(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned n = 0;

	while (tasks && (entry = readdir(tasks)))
		n += entry->d_name[0] != '.';
	if (tasks)
		closedir(tasks);
	return n;
}

/** struct ground - what there was before. */
struct ground {
	unsigned descriptors;
	unsigned threads;
};

static inline struct ground level_ground(void)
{
	fake_power_on();
	return (struct ground){holdings_now().descriptors, threads_now()};
}

/* The kernel wakes who joins a thread a moment before it forgets the thread. */
static inline void threads_are(unsigned wanted)
{
	for (int i = 0; i < 1000 && threads_now() > wanted; i++)
		usleep(1000);
	cr_assert_eq(threads_now(), wanted, "%u threads, not %u", threads_now(), wanted);
}

static inline void nothing_wrong(void)
{
	cr_assert_eq(fake.wrong, 0, "%u times, first: %s", fake.wrong, fake.first_wrong);
}

static inline void as_before(const struct ground *g)
{
	nothing_wrong();
	cr_assert_eq(fake_entries(NULL), 0, "%u mappings are left", fake_entries(NULL));
	cr_assert_eq(holdings_now().descriptors, g->descriptors, "%u descriptors, not %u",
		     holdings_now().descriptors, g->descriptors);
	threads_are(g->threads);
}

static inline struct lab_domain *domain_on(const struct lab_iommu_ops *ops,
					   enum lab_domain_mode mode, const char *name)
{
	struct lab_domain_config config = {.name = name, .mode = mode};
	struct lab_domain *domain = lab_domain_create_on(&config, ops, NULL);

	cr_assert_not_null(domain, "%s", lab_error_text());
	return domain;
}

static inline struct lab_device *opened(struct lab_domain *domain, const char *address)
{
	struct lab_device *dev = lab_device_open(domain, address);

	cr_assert_not_null(dev, "%s", lab_error_text());
	return dev;
}

static inline struct lab_pool *named_pool(const char *name, uint64_t frames, uint32_t flags)
{
	struct lab_pool_config config = {.name = name,
					 .frames = frames,
					 .page_size = LAB_PAGE_4K,
					 .flags = flags | LAB_POOL_FALLBACK};

	return pool_of(&config);
}

/* A call that must be 0. */
#define OK(call)                                                                    \
	do {                                                                        \
		long long ok_ = (call);                                             \
		cr_assert_eq(ok_, 0, "%s: %lld: %s", #call, ok_, lab_error_text()); \
	} while (0)

/* A call that must be refused with this error, by its value, by errno, and in these words. */
#define REFUSED(err, call, ...)                                                            \
	do {                                                                               \
		long long got_;                                                            \
		errno = 0;                                                                 \
		got_ = (call);                                                             \
		cr_assert_eq(got_, -(err), "%s: %lld: %s", #call, got_, lab_error_text()); \
		cr_assert_eq(errno, (err), "%s: errno %d", #call, errno);                  \
		text_has(__VA_ARGS__, NULL);                                               \
	} while (0)

/* The same of a call that returns NULL, or a count that falls short of what was asked. */
#define FELL_SHORT(err, expected, call, ...)                                                   \
	do {                                                                                   \
		long long got_;                                                                \
		errno = 0;                                                                     \
		got_ = (long long)(intptr_t)(call);                                            \
		cr_assert_eq(got_, (expected), "%s: %lld: %s", #call, got_, lab_error_text()); \
		cr_assert_eq(errno, (err), "%s: errno %d", #call, errno);                      \
		text_has(__VA_ARGS__, NULL);                                                   \
	} while (0)

static inline struct lab_domain_stats domain_stats(struct lab_domain *domain)
{
	struct lab_domain_stats stats;

	lab_domain_stats(domain, &stats);
	return stats;
}

/* What a domain says of itself is what the machine has. */
static inline void says_the_truth(struct lab_domain *domain)
{
	struct lab_domain_stats stats = domain_stats(domain);

	cr_assert_eq(stats.entries, fake_entries(domain), "%llu entries, not %u",
		     (unsigned long long)stats.entries, fake_entries(domain));
	cr_assert_eq(stats.bytes, fake_bytes(domain));
	nothing_wrong();
}

/* Every frame of a mapped pool has one address, as far from the first as the frame itself. */
static inline void translates(struct lab_domain *domain, struct lab_pool *pool)
{
	uint64_t first = lab_domain_iova(domain, pool, lab_frame_at(pool, 0));
	uint64_t bytes = lab_pool_frames(pool) * LAB_FRAME_SIZE;
	char *base = lab_pool_memory(pool, NULL);

	cr_assert_neq(first, LAB_ADDR_NONE);
	for (uint32_t i = 0; i < lab_pool_frames(pool); i++) {
		char *frame = lab_frame_at(pool, i);

		cr_assert_eq(lab_domain_iova(domain, pool, frame),
			     first + (uint64_t)i * LAB_FRAME_SIZE);
		cr_assert_eq(lab_domain_iova(domain, pool, frame + 4095),
			     first + (uint64_t)i * LAB_FRAME_SIZE + 4095);
	}
	cr_assert_eq(lab_domain_iova(domain, pool, base - 1), LAB_ADDR_NONE);
	cr_assert_eq(lab_domain_iova(domain, pool, base + bytes), LAB_ADDR_NONE);
	cr_assert_eq(lab_domain_iova(domain, pool, &first), LAB_ADDR_NONE);
}

static inline void translates_nothing(struct lab_domain *domain, struct lab_pool *pool)
{
	for (uint32_t i = 0; i < lab_pool_frames(pool); i++)
		cr_assert_eq(lab_domain_iova(domain, pool, lab_frame_at(pool, i)), LAB_ADDR_NONE);
}

/* A device reaches each frame in its place, and nothing beside the pool. */
static inline void reaches(struct lab_domain *domain, struct lab_pool *pool, unsigned access)
{
	uint64_t first = lab_domain_iova(domain, pool, lab_frame_at(pool, 0));
	uint64_t bytes = lab_pool_frames(pool) * LAB_FRAME_SIZE;
	char *base = lab_pool_memory(pool, NULL);

	for (uint32_t i = 0; i < lab_pool_frames(pool); i++)
		cr_assert_eq(fake_reach(domain, first + (uint64_t)i * LAB_FRAME_SIZE,
					LAB_FRAME_SIZE, access),
			     lab_frame_at(pool, i));
	/* There may be another mapping beside it, of other memory. */
	cr_assert_neq(fake_reach(domain, first - 1, 1, access), base - 1);
	cr_assert_neq(fake_reach(domain, first + bytes, 1, access), base + bytes);
	if (access != LAB_DMA_BOTH)
		cr_assert_null(fake_reach(domain, first, 1, LAB_DMA_BOTH));
}

#endif
