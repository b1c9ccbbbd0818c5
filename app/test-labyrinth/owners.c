/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Owners: transfer, pools bound to lcores, and the report of who has what.
 */
#include <pthread.h>

#include "shared.h"

TestSuite(owners, .timeout = 60, .init = shared_begin);

static void wait_for_frame(struct lab_pool *pool, struct other *other)
{
	(void)pool;
	(void)other;
}

Test(owners, a_frame_passes_to_another_process)
{
	struct lab_pool *pool = shared_pool(0);
	struct other *other = other_start(wait_for_frame);
	void *frames[40];
	uint32_t number;

	cr_assert_eq(lab_alloc_bulk(pool, frames, 40, LAB_GFP_ATOMIC), 0);
	cr_assert_eq(lab_transfer(pool, lab_owner_process(other->process), frames, 40), 40, "%s",
		     lab_error_text());
	number = lab_frame_index(pool, frames[0]);
	cr_assert_eq(lab_frame_owner(pool, number).kind, LAB_OWNER_PROCESS);
	cr_assert_eq(lab_frame_owner(pool, number).id, other->process);
	/* It is not this process's any more. */
	cr_assert_eq(lab_free(pool, frames[0]), -EPERM);
	text_has("held by process", NULL);
	cr_assert_eq(lab_transfer(pool, lab_owner_process(other->process), frames, 1), 0);
	cr_assert_eq(lab_accept(pool, frames, 1), 0);
	conserved(pool, 40, 0);
	other_kill(other);
	cr_assert_geq(lab_pool_reap(pool), 40);
	conserved(pool, 0, 0);
	/* And to one that is gone. */
	cr_assert_eq(lab_alloc_bulk(pool, frames, 1, LAB_GFP_ATOMIC), 0);
	cr_assert_eq(lab_transfer(pool, lab_owner_process(other->process), frames, 1), 0);
	cr_assert_eq(errno, ESRCH);
	text_has("no process", "has left, or died", NULL);
	cr_assert_eq(lab_free(pool, frames[0]), 0);
	end_whole(pool);
	shared_end();
}

static struct lab_pool *mine, *yours;

Test(owners, what_is_transferred_is_accepted_once)
{
	void *frames[3], *there[3];

	mine = shared_pool(0);
	yours = attach_as("shared");
	cr_assert_not_null(yours, "%s", lab_error_text());
	cr_assert_eq(lab_alloc_bulk(mine, frames, 3, 0), 0);
	cr_assert_eq(lab_transfer(mine, lab_owner_process(lab_process_id(yours)), frames, 3), 3);
	for (unsigned i = 0; i < 3; i++)
		there[i] = lab_frame_at(yours, lab_frame_index(mine, frames[i]));
	cr_assert_eq(lab_accept(yours, there, 2), 2);
	cr_assert_eq(lab_accept(yours, there, 1), 0);
	text_has("accepting of frame", "refused", NULL);
	/* Without being accepted it can be freed, too. */
	cr_assert_eq(lab_free_bulk(yours, there, 3), 0);
	conserved(mine, 0, 0);
	cr_assert_eq(lab_pool_destroy(yours), 0);
	end_whole(mine);
	shared_end();
}

static void give_and_say_nothing(struct lab_pool *pool, struct other *other)
{
	uint32_t to = 0;
	void *frames[8];

	for (unsigned slot = 0; slot < 8 && !to; slot++) { /* the first process of the pool */
		if (lab_process_is_active(pool, 32 + slot) && 32 + slot != lab_process_id(pool))
			to = 32 + slot;
	}
	lab_alloc_bulk(pool, frames, 8, 0);
	other->number[63] = lab_transfer(pool, lab_owner_process(to), frames, 8);
	for (unsigned i = 0; i < 8; i++)
		other->number[i] = lab_frame_index(pool, frames[i]);
}

Test(owners, what_the_dead_did_not_tell_of_is_reclaimed)
{
	struct lab_pool *pool = shared_pool(0);
	struct other *other = other_start(give_and_say_nothing);
	void *told;

	cr_assert_eq(other->number[63], 8);
	cr_assert_eq(lab_reclaim(pool), 0, "its giver lives");
	told = lab_frame_at(pool, other->number[0]);
	cr_assert_eq(lab_accept(pool, &told, 1), 1);
	other_kill(other);
	cr_assert_eq(lab_reclaim(pool), 7);
	conserved(pool, 1, 0);
	cr_assert_eq(lab_free(pool, told), 0);
	end_whole(pool);
	shared_end();
}

/* ---- threads ---- */

static struct {
	struct lab_pool *pool;
	void *frames[64];
	unsigned n, done;
	int lcore, result;
	pthread_barrier_t barrier;
} work;

static void *free_there(void *unused)
{
	(void)unused;
	work.lcore = lab_lcore_register(work.pool, "other");
	pthread_barrier_wait(&work.barrier);
	work.result = lab_free(work.pool, work.frames[0]);
	pthread_barrier_wait(&work.barrier);
	pthread_barrier_wait(&work.barrier);
	work.done = 0;
	for (unsigned i = 0; i < work.n; i++)
		work.done += lab_free(work.pool, work.frames[i]) == 0;
	return NULL;
}

static void bound_test(struct lab_pool *pool, int bound)
{
	pthread_t thread;

	work.pool = pool;
	work.n = 33;
	pthread_barrier_init(&work.barrier, NULL, 2);
	cr_assert_eq(lab_alloc_bulk(pool, work.frames, work.n, 0), 0);
	pthread_create(&thread, NULL, free_there, NULL);
	pthread_barrier_wait(&work.barrier);
	pthread_barrier_wait(&work.barrier);
	if (bound) {
		struct lab_owner other = lab_owner_lcore((unsigned)work.lcore);

		cr_assert_eq(work.result, -EPERM);
		cr_assert_eq(lab_transfer(pool, other, work.frames, work.n), work.n, "%s",
			     lab_error_text());
		cr_assert_eq(lab_free(pool, work.frames[0]), -EPERM);
		cr_assert_eq(lab_transfer(pool, lab_owner_lcore(31), work.frames, 1), 0);
	} else {
		cr_assert_eq(work.result, 0);
		work.frames[0] = lab_alloc(pool, 0);
	}
	pthread_barrier_wait(&work.barrier);
	pthread_join(thread, NULL);
	cr_assert_eq(work.done, work.n);
	end_whole(pool);
}

Test(owners, a_bound_frame_is_one_lcores)
{
	bound_test(small_pool(FRAMES, LAB_POOL_BOUND), 1);
	bound_test(small_pool(FRAMES, 0), 0);
	bound_test(shared_pool(LAB_POOL_BOUND), 1);
	shared_end();
}

Test(owners, to_a_device_is_to_lend)
{
	struct lab_pool *pool = small_pool(FRAMES, 0);
	int device = lab_device_register(pool, "nic");
	void *frames[4];

	cr_assert_eq(lab_alloc_bulk(pool, frames, 4, 0), 0);
	cr_assert_eq(lab_transfer(pool, lab_owner_device(device), frames, 4), 4);
	conserved(pool, 0, 4);
	cr_assert_eq(lab_frame_owner(pool, lab_frame_index(pool, frames[0])).kind,
		     LAB_OWNER_DEVICE);
	cr_assert_eq(lab_take_back(pool, device, frames, 4), 4);
	cr_assert_eq(lab_free_bulk(pool, frames, 4), 0);
	cr_assert_eq(lab_frame_owner(pool, 0).kind, LAB_OWNER_NONE);
	cr_assert_eq(lab_device_release(pool, device), 0);
	end_whole(pool);
	shared_end();
}

Test(owners, another_processs_device_is_not_lent_to)
{
	void *frame;
	int device;

	mine = shared_pool(0);
	yours = attach_as("shared");
	device = lab_device_register(yours, "nic");
	frame = lab_alloc(mine, 0);
	cr_assert_eq(lab_lend(mine, device, &frame, 1), 0);
	cr_assert_eq(errno, EPERM);
	text_has("nic", "another process's", NULL);
	cr_assert_eq(lab_device_release(mine, device), -EPERM);
	cr_assert_eq(lab_free(mine, frame), 0);
	cr_assert_eq(lab_pool_destroy(yours), 0);
	end_whole(mine);
	shared_end();
}

/* ---- reports ---- */

static char *report_of(const struct lab_pool *pool, enum lab_report_format format)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	cr_assert_eq(lab_pool_report(pool, out, format), 0, "%s", lab_error_text());
	fclose(out);
	return text;
}

static void report_has(const struct lab_pool *pool, enum lab_report_format format, const char *part)
{
	char *text = report_of(pool, format);

	cr_assert(strstr(text, part), "\"%s\" is not in: %s", part, text);
	free(text);
}

Test(owners, the_report_names_who_holds_what)
{
	struct lab_pool *pool = shared_pool(0), *seen;
	struct other *other = other_start(other_holds);
	struct lab_holder holder[LAB_HOLDERS_MAX];
	char part[64];
	void *frame;
	int n;

	lab_lcore_register(pool, "rx \"0\"");
	frame = lab_alloc(pool, 0);
	n = lab_pool_holders(pool, holder, LAB_HOLDERS_MAX);
	cr_assert_eq(n, 5, "%d", n); /* two processes, an lcore each, a device */
	cr_assert_eq(holder[0].owner.kind, LAB_OWNER_PROCESS);
	cr_assert_eq(holder[0].held, 1);
	cr_assert_eq(holder[0].pid, (uint32_t)getpid());
	cr_assert_str_eq(holder[1].name, "rx \"0\"");
	cr_assert_eq(holder[3].held, 40);
	cr_assert_eq(holder[3].pid, (uint32_t)other->pid);
	cr_assert_eq(holder[4].owner.kind, LAB_OWNER_DEVICE);
	cr_assert_eq(holder[4].lent, 8);
	cr_assert_leq(time(NULL) - (time_t)holder[4].since, 5);
	snprintf(part, sizeof(part), "process %d", other->pid);
	report_has(pool, LAB_REPORT_TEXT, part);
	report_has(pool, LAB_REPORT_TEXT, "device 0 (device), since");
	report_has(pool, LAB_REPORT_TEXT, ": 8 lent, 5 to receive into, 3 to send\n");
	report_has(pool, LAB_REPORT_JSON, "\"lent\":8,\"receiving\":5,\"sending\":3}");
	cr_assert_eq(lab_note_sending(pool, 0, 1), -EPERM); /* it is the other's device */
	report_has(pool, LAB_REPORT_JSON, "\"name\":\"rx \\\"0\\\"\"");
	report_has(pool, LAB_REPORT_JSON, "\"held\":41");
	seen = lab_pool_observe("shared", NULL);
	report_has(seen, LAB_REPORT_TEXT, part);
	report_has(seen, LAB_REPORT_TEXT, "5 to receive into, 3 to send");
	lab_pool_destroy(seen);
	other_kill(other);
	lab_pool_reap(pool);
	report_has(pool, LAB_REPORT_TEXT, "1 processes died");
	report_has(pool, LAB_REPORT_TEXT, "in quarantine");
	lab_device_absolve(pool, "device");
	cr_assert_eq(lab_pool_report(pool, NULL, LAB_REPORT_TEXT), -EINVAL);
	cr_assert_eq(lab_free(pool, frame), 0);
	end_whole(pool);
	shared_end();
}

static __attribute__((noinline)) void leak(struct lab_pool *pool, void **frames, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		frames[i] = lab_alloc(pool, LAB_GFP_ATOMIC);
}

static __attribute__((noinline)) void leak_in_bulk(struct lab_pool *pool, void **frames)
{
	cr_assert_eq(lab_alloc_bulk(pool, frames, 48, LAB_GFP_ATOMIC), 0);
}

/* 1 for leak(), 2 for leak_in_bulk(), by addr2line, which also names what was inlined into them. */
static unsigned function_of(const struct lab_site_stats *site)
{
	char command[400], line[256];
	unsigned found = 0;
	FILE *names;

	snprintf(command, sizeof(command), "addr2line -f -i -e %s 0x%llx", site->module,
		 (unsigned long long)site->offset);
	names = popen(command, "r");
	while (fgets(line, sizeof(line), names)) {
		if (strncmp(line, "leak_in_bulk", 12) == 0)
			found |= 2;
		else if (strncmp(line, "leak", 4) == 0)
			found |= 1;
	}
	pclose(names);
	return found;
}

static void sites_of(uint32_t flags)
{
	struct lab_pool_config config = {.name = "sampled",
					 .frames = FRAMES,
					 .page_size = LAB_PAGE_4K,
					 .sample = 16,
					 .lcores = flags ? 2 : 0,
					 .flags = flags | LAB_POOL_FALLBACK};
	struct lab_pool *pool = pool_of(&config);
	struct lab_site_stats site[4];
	void *frames[1024], *bulk[48];
	unsigned found = 0;
	int n;

	/* What is freed again is no leak. */
	for (unsigned i = 0; i < 1000; i++) {
		cr_assert_eq(lab_alloc_bulk(pool, frames, 48, 0), 0);
		cr_assert_eq(lab_free_bulk(pool, frames, 48), 0);
	}
	cr_assert_eq(lab_pool_sites(pool, site, 4), 0);
	leak(pool, frames, 1024);
	leak_in_bulk(pool, bulk);
	conserved(pool, 1024 + 48, 0);
	n = lab_pool_sites(pool, site, 4);
	cr_assert_eq(n, 2);
	/* One when a block was split or a magazine had come, the latter with 256 frames at most. */
	cr_assert_geq(site[0].samples, 3);
	for (int i = 0; i < n; i++) {
		found |= function_of(&site[i]);
		cr_assert(strstr(site[i].module, "test-owners"), "%s", site[i].module);
	}
	cr_assert_eq(found, 3);
	report_has(pool, LAB_REPORT_TEXT, "one in 16 was sampled");
	/* Sampled frames are freed, lent and passed on as others are. */
	for (unsigned i = 0; i < 1024; i++)
		cr_assert_eq(lab_free(pool, frames[i]), 0, "%s", lab_error_text());
	cr_assert_eq(lab_free_bulk(pool, bulk, 48), 0);
	cr_assert_eq(lab_pool_sites(pool, site, 4), 0);
	cr_assert_eq(lab_pool_validate(pool), 0, "%s", lab_error_text());
	end_whole(pool);
}

Test(owners, a_leak_names_its_line)
{
	sites_of(0);
	sites_of(LAB_POOL_SHARED);
	shared_end();
}

Test(owners, what_is_held_at_the_end_is_reported)
{
	char file[] = "/tmp/labyrinth-leaks.XXXXXX.json", line[4096];
	struct lab_pool *pool;
	FILE *in;
	int fd = mkstemps(file, 5);

	close(fd);
	setenv("LABYRINTH_LEAKS", file, 1);
	pool = small_pool(FRAMES, 0);
	lab_alloc(pool, 0);
	cr_assert_eq(lab_pool_destroy(pool), 1);
	pool = shared_pool(0);
	lab_alloc(pool, 0);
	lab_alloc(pool, 0);
	cr_assert_eq(lab_pool_destroy(pool), 2);
	end_whole(small_pool(FRAMES, 0)); /* nothing is said of this one */
	unsetenv("LABYRINTH_LEAKS");
	in = fopen(file, "r");
	cr_assert(fgets(line, sizeof(line), in) && strstr(line, "\"held\":1,"), "%s", line);
	cr_assert(fgets(line, sizeof(line), in) && strstr(line, "\"held\":2,"), "%s", line);
	cr_assert_null(fgets(line, sizeof(line), in));
	fclose(in);
	unlink(file);
	shared_end();
}
