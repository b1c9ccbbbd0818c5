/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What the test programs of the VM lab share: patterns, the guest kernel's counts and its log.
 * Knows files of /proc, /sys and /dev, and pools, domains and the edu device only to make them.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include <labyrinth/edu.h>
#include <labyrinth/labyrinth.h>

/** The addresses that these programs let edu reach: all, in a VM where it is not narrowed. */
#define EDU_BITS 0

/** guest_must() - @p; or "Bail out!", what was wanted and why there is none. */
void *guest_must(void *p, const char *what) __attribute__((returns_nonnull));
/** guest_must_be() - ends the program likewise unless @value is @wanted. */
void guest_must_be(int64_t value, int64_t wanted, const char *what);

/** guest_pool() - a pool of @frames on hugepages of 2 MiB, wherever they are. */
struct lab_pool *guest_pool(const char *name, uint64_t frames) __attribute__((returns_nonnull));
/** guest_domain() - a domain on the backend that LABYRINTH_IOMMU names. */
struct lab_domain *guest_domain(const char *name, enum lab_domain_mode mode)
	__attribute__((returns_nonnull));
/** guest_mode_name() - "guarded", "premapped" or "strict". */
const char *guest_mode_name(enum lab_domain_mode mode);

/** guest_refused() - 1 if @err is @wanted and the error sentence contains @needle; else says so. */
bool guest_refused(int64_t err, int wanted, const char *needle);

/** guest_fill() - a pattern that differs with every byte's place and with @seed. */
void guest_fill(void *at, size_t bytes, uint64_t seed);
/** guest_is_filled() - 1 if it is still there. */
bool guest_is_filled(const void *at, size_t bytes, uint64_t seed);
/** guest_is_zero() - 1 if all bytes are 0. */
bool guest_is_zero(const void *at, size_t bytes);

/** guest_transfer() - one whole transfer of edu: started, waited for; 0 or -errno. */
int guest_transfer(struct lab_edu *edu, unsigned flags, uint64_t iova, uint32_t bytes);
/** guest_load() - put a pattern into edu's buffer, by way of a frame that is lent for it. */
void guest_load(struct lab_edu *edu, struct lab_pool *pool, uint64_t seed);
/** guest_put() - let edu write its buffer into a frame that the caller holds, lent for it. */
void guest_put(struct lab_edu *edu, struct lab_pool *pool, void *frame);

/** guest_all_home() - 1 if every frame is free or cached, by the counters and by the census. */
bool guest_all_home(const struct lab_pool *pool);

/** guest_lies_on() - 1 if all of a pool's frames are on that node, by move_pages(2); else says how
 * many are not. */
bool guest_lies_on(const struct lab_pool *pool, int node);

/** guest_fds() - how many descriptors this process has open. */
unsigned guest_fds(void);
/** guest_status_kib() - a line of /proc/self/status, "VmLck" or "VmPin". */
uint64_t guest_status_kib(const char *line);
/** guest_mapping_of() - the range of /proc/self/maps in which @addr lies. */
void guest_mapping_of(const void *addr, char **start, size_t *bytes);
/** guest_sysfs_number() - the number in a file, or @missing. */
int64_t guest_sysfs_number(const char *path, int64_t missing);

/** struct guest_log - the kernel's log, from the moment of guest_log_open(). */
struct guest_log {
	int fd;
};

void guest_log_open(struct guest_log *log);
/**
 * guest_log_fault() - the next report of the IOMMU.
 * @log: the log.
 * @device: receives "00:05.0".
 * @page: receives the address of the page that was refused.
 *
 * Return: 1, or 0 if there is none (any more).
 */
bool guest_log_fault(struct guest_log *log, char device[16], uint64_t *page);
void guest_log_close(struct guest_log *log);

#endif
