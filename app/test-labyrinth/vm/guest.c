/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What the test programs of the VM lab share.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <numaif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../net/tap.h"
#include "guest.h"

void *guest_must(void *p, const char *what)
{
	if (!p) {
		printf("Bail out! %s: %s\n", what, lab_error_text());
		exit(EXIT_FAILURE);
	}
	return p;
}

void guest_must_be(int64_t value, int64_t wanted, const char *what)
{
	if (value != wanted) {
		printf("Bail out! %s: %" PRId64 ", not %" PRId64 ": %s\n", what, value, wanted,
		       lab_error_text());
		exit(EXIT_FAILURE);
	}
}

struct lab_pool *guest_pool(const char *name, uint64_t frames)
{
	const struct lab_pool_config config = {
		.name = name, .frames = frames, .page_size = LAB_PAGE_2M};

	return guest_must(lab_pool_create(&config), name);
}

struct lab_domain *guest_domain(const char *name, enum lab_domain_mode mode)
{
	const struct lab_domain_config config = {
		.name = name, .mode = mode, .address_bits = EDU_BITS};

	return guest_must(lab_domain_create(&config), name);
}

const char *guest_mode_name(enum lab_domain_mode mode)
{
	static const char *const names[] = {[LAB_DOMAIN_GUARDED] = "guarded",
					    [LAB_DOMAIN_PREMAPPED] = "premapped",
					    [LAB_DOMAIN_STRICT] = "strict"};

	return names[mode];
}

bool guest_refused(int64_t err, int wanted, const char *needle)
{
	const char *text = lab_error_text();

	if (err == -wanted && strstr(text, needle))
		return true;
	printf("# wanted %s and \"%s\"; got %" PRId64 ": %s\n", strerror(wanted), needle, err,
	       text);
	return false;
}

/* Odd multipliers: every seed and place gives another word (SplitMix64's first step). */
static uint64_t word(uint64_t seed, size_t at)
{
	return (seed * 0x9e3779b97f4a7c15ull + at) * 0xbf58476d1ce4e5b9ull;
}

void guest_fill(void *at, size_t bytes, uint64_t seed)
{
	uint64_t *w = at;

	for (size_t i = 0; i < bytes / sizeof(*w); i++)
		w[i] = word(seed, i);
}

bool guest_is_filled(const void *at, size_t bytes, uint64_t seed)
{
	const uint64_t *w = at;

	for (size_t i = 0; i < bytes / sizeof(*w); i++) {
		if (w[i] != word(seed, i))
			return false;
	}
	return true;
}

bool guest_is_zero(const void *at, size_t bytes)
{
	const char *c = at;

	return bytes == 0 || (c[0] == 0 && !memcmp(c, c + 1, bytes - 1));
}

int guest_transfer(struct lab_edu *edu, unsigned flags, uint64_t iova, uint32_t bytes)
{
	int rc = lab_edu_start(edu, flags, iova, bytes);

	return rc ? rc : lab_edu_wait(edu);
}

/* Lends a frame for one transfer. */
static void lent_transfer(struct lab_edu *edu, struct lab_pool *pool, void *frame, unsigned flags)
{
	struct lab_device *dev = lab_edu_device(edu);
	uint64_t iova;

	guest_must_be(lab_device_lend(dev, pool, &frame, 1, &iova), 1, "lend a frame");
	guest_must_be(guest_transfer(edu, flags, iova, LAB_EDU_MAX), 0, "a transfer");
	guest_must_be(lab_device_take_back(dev, pool, &frame, 1), 1, "take a frame back");
}

void guest_load(struct lab_edu *edu, struct lab_pool *pool, uint64_t seed)
{
	void *frame = guest_must(lab_alloc(pool, LAB_GFP_EXCLUSIVE), "a frame");

	guest_fill(frame, LAB_EDU_MAX, seed);
	lent_transfer(edu, pool, frame, LAB_EDU_FROM_MEMORY);
	lab_free(pool, frame);
}

void guest_put(struct lab_edu *edu, struct lab_pool *pool, void *frame)
{
	lent_transfer(edu, pool, frame, LAB_EDU_TO_MEMORY);
}

bool guest_all_home(const struct lab_pool *pool)
{
	struct lab_pool_stats s, census;

	lab_pool_stats(pool, &s);
	if (lab_pool_census(pool, &census))
		return false;
	if (s.free + s.cached == s.total && census.free + census.cached == s.total)
		return true;
	printf("# of %" PRIu64 " frames %" PRIu64 " are held and %" PRIu64
	       " lent; by the census %" PRIu64 " and %" PRIu64 "\n",
	       s.total, s.held, s.lent, census.held, census.lent);
	return false;
}

bool guest_lies_on(const struct lab_pool *pool, int node)
{
	uint64_t n = lab_pool_frames(pool), elsewhere = 0;
	void **page = guest_must(calloc(n, sizeof(*page)), "memory");
	int *status = guest_must(calloc(n, sizeof(*status)), "memory");

	for (uint64_t i = 0; i < n; i++)
		page[i] = lab_frame_at(pool, (uint32_t)i);
	/* Without nodes it moves nothing and says where each page is. */
	guest_must_be(move_pages(0, n, page, NULL, status, 0), 0, "move_pages");
	for (uint64_t i = 0; i < n; i++)
		elsewhere += status[i] != node;
	if (elsewhere)
		tap_note("%" PRIu64 " of %" PRIu64 " frames are not on node %d", elsewhere, n,
			 node);
	free(page);
	free(status);
	return elsewhere == 0;
}

unsigned guest_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	unsigned n = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n - 1; /* the folder's own */
}

uint64_t guest_status_kib(const char *line)
{
	FILE *f = fopen("/proc/self/status", "re");
	uint64_t kib = UINT64_MAX;
	size_t len = strlen(line);
	char buf[256];

	if (!f)
		return kib;
	while (fgets(buf, sizeof(buf), f)) {
		if (!strncmp(buf, line, len) && buf[len] == ':')
			kib = strtoull(buf + len + 1, NULL, 10);
	}
	fclose(f);
	return kib;
}

void guest_mapping_of(const void *addr, char **start, size_t *bytes)
{
	FILE *f = guest_must(fopen("/proc/self/maps", "re"), "/proc/self/maps");
	unsigned long from, to;
	char buf[512];

	*start = NULL;
	while (fgets(buf, sizeof(buf), f)) {
		if (sscanf(buf, "%lx-%lx", &from, &to) == 2 && from <= (uintptr_t)addr &&
		    (uintptr_t)addr < to) {
			*start = (char *)addr - ((uintptr_t)addr - from);
			*bytes = to - from;
		}
	}
	fclose(f);
	guest_must(*start, "the mapping of an address");
}

int64_t guest_sysfs_number(const char *path, int64_t missing)
{
	FILE *f = fopen(path, "re");
	int64_t value = missing;
	char buf[64];

	if (!f)
		return missing;
	if (fgets(buf, sizeof(buf), f))
		value = strtoll(buf, NULL, 0);
	fclose(f);
	return value;
}

void guest_log_open(struct guest_log *log)
{
	log->fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	guest_must(log->fd < 0 ? NULL : log, "/dev/kmsg");
	lseek(log->fd, 0, SEEK_END);
}

/* "DMAR: [DMA Write NO_PASID] Request device [00:05.0] fault addr 0x101000 [fault reason ..." */
bool guest_log_fault(struct guest_log *log, char device[16], uint64_t *page)
{
	char buf[8192];

	for (;;) {
		ssize_t n = read(log->fd, buf, sizeof(buf) - 1);
		const char *fault;

		if (n < 0 && errno == EPIPE)
			continue; /* the log ran over: some lines are lost */
		if (n <= 0)
			return false;
		buf[n] = 0;
		fault = strstr(buf, "Request device [");
		if (fault && strstr(buf, "DMAR: [DMA ") &&
		    sscanf(fault, "Request device [%15[0-9a-f:.]] fault addr %" SCNx64, device,
			   page) == 2)
			return true;
	}
}

void guest_log_close(struct guest_log *log)
{
	close(log->fd);
}
