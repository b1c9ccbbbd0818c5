/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * What if it were killed here? A process joins a pool, allocates, frees, lends, pulls, transfers,
 * accepts, reclaims, absolves and leaves, and is single-stepped through all of it, while a survivor
 *does the like between its steps. After each instruction the tables are copied, as they would be
 *left, and the copy is reaped: not a frame may be lost or listed twice. Nobody dies, so that
 *hundreds of thousands of instants take seconds. Then the same with the one that reaps, from some
 *of these instants on. And once more from these on: one reaps and the survivor works; after any
 * instruction of the one, the other does all that it does.
 *
 *	sweep [SEED [PAGES [plain|bound|sampled|exact|reserve [STRIDE]]]]
 *
 * PAGES: of how many instants who reaps goes on, at most 64. STRIDE: after every so many-th of its
 * instructions the other works.
 */
#include <ucontext.h>

#include "reserve.h"
#include "stepped.h"

#define AT_ONCE 128u
#define CALLS   80u
#define RESERVE 160u /* so large that the rest is often short */
#ifndef ABSOLVE
#define ABSOLVE 1
#endif
#define PAGES     64u
#define TRAP_FLAG 0x100
#define DENSE     3000u
#define TURN      3000u /* steps of the victim to a turn of the survivor, about */

/* What a thread holds comes back singly, and in no order: all of it, or not, so that bundles are
 * left of which some frames are elsewhere. */
static unsigned scatter(void **held, unsigned n, uint64_t *random)
{
	unsigned left = random_below(random, 2) ? n / 2 : 0;

	while (n > left) {
		unsigned i = random_below(random, n);
		void *frame = held[i];

		held[i] = held[--n];
		lab_free(pool, frame);
	}
	return 0;
}

/* Calls of all kinds, of all sizes, so that caches fill and run dry. */
static void work(uint64_t random)
{
	const struct lab_owner survivor = lab_owner_process(LAB_MAX_PROCESSES + SURVIVOR);
	int device = lab_device_register(pool, "device");
	void *held[AT_ONCE + 64];
	uint32_t number;
	unsigned n = 0;

	for (unsigned i = 0; i < CALLS; i++) {
		lab_gfp_t gfp = random_below(&random, 3) ? LAB_GFP_ATOMIC : LAB_GFP_NOWAIT;
		unsigned want = 1 + random_below(&random, 40);

		if (random_below(&random, 3) == 0)
			want = 32;
		if (random_below(&random, 2) && n + want <= AT_ONCE) {
			if (random_below(&random, 4) == 0)
				n += lab_alloc_burst(pool, held + n, want, gfp);
			else if (lab_alloc_bulk(pool, held + n, want, gfp) == 0)
				n += want;
		} else if (n && random_below(&random, 4) == 0) {
			lab_free(pool, held[--n]);
		} else if (n) {
			want = want < n ? want : n;
			n -= want;
			/* From the middle, so that blocks are scattered. */
			if (n && random_below(&random, 2)) {
				void *swap = held[n];

				held[n] = held[0];
				held[0] = swap;
			}
			lab_free_bulk(pool, held + n, want);
		}
		if (random_below(&random, 12) == 0) {
			n = scatter(held, n, &random);
			/* And through the depot to others. */
			lab_lcore_unregister(pool);
		}
		if (random_below(&random, 32) == 0)
			lab_lcore_unregister(pool);
		if (n && crew_has_room(&given->to_survivor) && random_below(&random, 12) == 0 &&
		    lab_transfer(pool, survivor, held + n - 1, 1))
			crew_tell(&given->to_survivor, lab_frame_index(pool, held[--n]));
		if (n && random_below(&random, 8) == 0 && lab_lend(pool, device, held, 2 % n) &&
		    random_below(&random, 2))
			lab_take_back(pool, device, held, 2 % n);
		while (n && lab_frame_owner(pool, lab_frame_index(pool, held[0])).kind ==
				    LAB_OWNER_DEVICE)
			memmove(held, held + 1, --n * sizeof(held[0]));
		if (n < AT_ONCE && crew_hear(&given->to_victim, &number)) {
			held[n] = lab_frame_at(pool, number);
			n += lab_accept(pool, &held[n], 1);
		}
		if (n + 32 <= AT_ONCE && random_below(&random, 20) == 0)
			n += stepped_pull(held + n, &random);
		if (random_below(&random, 32) == 0)
			lab_reclaim(pool);
		if (ABSOLVE && random_below(&random, 16) == 0)
			lab_device_absolve(pool, "gone");
	}
}

static void victim(uint64_t seed)
{
	if (lab_process_join(pool->priv, 1) == 0) {
		work(seed);
		lab_process_leave(pool->priv);
	}
}

static void reaper(uint64_t unused)
{
	struct lab_process *dead = &pool->priv->shared->process[VICTIM];

	(void)unused;
	if (dead->state != LAB_PROCESS_FREE)
		lab_reap_process(pool, dead, 1);
}

/* Beside the reaper. */
static void survivor(uint64_t random)
{
	unsigned got = 1;

	beside = 1;
	stepped_turn(&random);
	/* All that it can get, again and again, and scattered, so that it forms bundles: of frames
	 * that were in the dead one's, too. It does not rest when some are broken. */
	for (unsigned i = 0; i < 2; i++, got = 1) {
		while (got)
			n_mine += got = lab_alloc_burst(pool, mine + n_mine, 32, 0);
		stepped_shuffle(mine, n_mine, &random);
		for (; n_mine >= 32; n_mine -= 32) {
			lab_store(&lab_pool_cache(pool, 2)->broken, 0u);
			lab_free_bulk(pool, mine + n_mine - 32, 32);
		}
	}
	stepped_turn(&random);
}

/* 1 if nothing is lost when the copy is reaped. */
static int reaped_well(uint64_t instant)
{
	struct lab_process *dead = &copy->priv->shared->process[VICTIM];

	memcpy(copied, tables, bytes);
	if (dead->state != LAB_PROCESS_FREE && lab_reap_process(copy, dead, 1) < 0) {
		tap_note("instant %" PRIu64 ": %s", instant, lab_error_text());
		return 0;
	}
	if (!stepped_is_whole(copy, "instant", instant))
		return 0;
	/* Now and then: what was lent comes back, too. */
	if (instant % 64)
		return 1;
	if (lab_device_absolve(copy, "device") >= 0 && lab_device_absolve(copy, "gone") >= 0 &&
	    stepped_is_whole(copy, "absolved after instant", instant) &&
	    lab_frame_table_count_state(copy->state, FRAMES, LAB_STATE_LENT(0)) == 0 &&
	    lab_frame_table_count_state(copy->state, FRAMES, LAB_STATE_LENT(1)) == 0)
		return 1;
	tap_note("absolve, instant %" PRIu64 ": %s", instant, lab_error_text());
	return 0;
}

/* What there was at some instants, for others to begin with. */
struct page {
	char *tables;
	struct crew_ring ring[2];
	void *mine[MINE];
	unsigned n_mine;
};

struct album {
	struct page page[PAGES];
	unsigned pages, most;
	uint64_t seen[2]; /* instants of either kind */
	uint64_t lacking; /* those at which the reserve lacked frames */
	uint64_t random;
};

/* Frames that have left a bundle of the victim, and are in the depot or the survivor's now. */
static unsigned left_bundles(void)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < pool->bundles->magazines; i++) {
		const struct lab_bundle *bundle = lab_bundle_at(pool, i);

		if (bundle->where != LAB_MAGAZINE_LISTED || bundle->left == LAB_BLOCK_FRAMES ||
		    bundle->state != LAB_STATE_HELD(4))
			continue;
		for (unsigned k = 0; k < LAB_BLOCK_FRAMES; k++) {
			uint8_t state = pool->state[bundle->frame[k]];

			n += state == LAB_STATE_DEPOT || state == LAB_STATE_FREED(2) ||
			     state == LAB_STATE_HELD(2);
		}
	}
	return n;
}

/* Each page is any of all instants with the same chance (reservoir sampling); the odd ones of those
 * at which frames are elsewhere that have left the victim's bundles. */
static void keep(struct album *album, uint64_t instant)
{
	unsigned odd = instant % 2 && left_bundles() > 0;
	uint64_t nth = album->seen[odd], most = album->most / 2 + (odd ? 0 : album->most % 2), at;
	struct page *page;

	if (pool->priv->shared->process[VICTIM].state == LAB_PROCESS_FREE)
		return; /* there is nothing to reap */
	album->seen[odd]++;
	at = nth < most ? nth : random_next(&album->random) % (uint32_t)(nth + 1);
	if (at >= most)
		return;
	page = &album->page[2 * at + odd];
	if (!page->tables) {
		page->tables = malloc(bytes);
		album->pages++;
	}
	memcpy(page->tables, tables, bytes);
	memcpy(page->ring, given, sizeof(page->ring));
	memcpy(page->mine, mine, sizeof(mine));
	page->n_mine = n_mine;
}

static void begin_with(const struct page *page)
{
	memcpy(tables, page->tables, bytes);
	memcpy(given, page->ring, sizeof(page->ring));
	memcpy(mine, page->mine, sizeof(mine));
	n_mine = page->n_mine;
}

static void expect_end(pid_t pid, int status, uint64_t instant, uint64_t *bad)
{
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return;
	tap_note("instant %" PRIu64 ": it did not end by itself (%#x)", instant, status);
	++*bad;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

/* Steps a program through all of it. Return: the instants; the bad ones are added to @bad. */
static uint64_t sweep(void (*body)(uint64_t), uint64_t seed, struct album *album, uint64_t *bad)
{
	pid_t pid = stepped_start(body, seed, 1);
	uint64_t instant = 0, random = seed | 1, turn = TURN;
	int status = 0;

	do {
		if (!reaped_well(instant) && ++*bad > MOST_BAD)
			break;
		if (album) {
			album->lacking += lab_reserve_count(pool) < pool->priv->plan.places;
			keep(album, instant);
		}
		instant++;
		if (album && instant == turn) {
			stepped_turn(&random);
			turn += 1 + random_below(&random, 2 * TURN);
		}
	} while (stepped_step(pid, &status));
	expect_end(pid, status, instant, bad);
	return instant;
}

/* ---- one reaps, and the survivor works ---- */

/* Two parties in one process, on tables of its own: one goes on by single steps (the processor's
 * trap flag), and after each of some steps a copy of the process is made, in which the other does
 * all that it does, and then the first all that was left. */
static struct {
	void (*first)(uint64_t), (*second)(uint64_t);
	uint64_t seed, step, clones, bad;
	unsigned stride, dense;
	int is_clone;
} stage;

static void on_trap(int number, siginfo_t *info, void *context)
{
	ucontext_t *at = context;
	unsigned stride = stage.step < stage.dense ? (stage.stride + 3) / 4 : stage.stride;
	int status = 1;
	pid_t pid;

	(void)number;
	(void)info;
	/* The lists of the dead, and its bundles, are what who reaps begins with. */
	if (++stage.step % stride)
		return;
	pid = (pid_t)syscall(SYS_fork);
	if (pid == 0) {
		stage.is_clone = 1;
		stage.second(stage.seed);
		at->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
		return;
	}
	stage.clones++;
	stage.bad += waitpid(pid, &status, 0) != pid || status;
	if (stage.bad > MOST_BAD)
		_exit(1);
}

/* What is below the stack's pointer is the compiler's. */
#define SET_FLAGS(change)                                                                   \
	__asm__ volatile("subq $128, %%rsp; pushfq; " change "; popfq; addq $128, %%rsp" :: \
				 : "memory", "cc")

/* In a child, which is all gone afterwards. */
static void play(int fd)
{
	struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	struct crew_ring ring[2];
	int good;

	/* Each clone has these as they are when it is made. */
	memcpy(ring, given, sizeof(ring));
	if (mmap(tables, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) != tables ||
	    mmap(given, sizeof(*given), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != (void *)given)
		_exit(1);
	memcpy(given, ring, sizeof(ring));
	sigaction(SIGTRAP, &action, NULL);
	SET_FLAGS("orq $0x100, (%%rsp)");
	stage.first(stage.seed);
	SET_FLAGS("andq $~0x100, (%%rsp)");
	if (!stage.is_clone)
		stage.second(stage.seed);
	good = stepped_is_whole(pool, "side by side, from step", stage.step);
	if (!stage.is_clone)
		tap_note("%" PRIu64 " steps, %" PRIu64 " of them gone on from", stage.step,
			 stage.clones);
	_exit(!good || stage.bad);
}

/* Return: 1 if it went well. */
static int side_by_side(void (*first)(uint64_t), void (*second)(uint64_t), uint64_t seed,
			unsigned stride, unsigned dense)
{
	int status = 1;
	pid_t pid;

	stage.first = first;
	stage.second = second;
	stage.seed = seed;
	stage.stride = stride;
	stage.dense = dense;
	fflush(stdout);
	pid = (pid_t)syscall(SYS_fork);
	if (pid == 0)
		play(pool->priv->fd[LAB_FD_TABLES]);
	return waitpid(pid, &status, 0) == pid && status == 0;
}

int main(int argc, char **argv)
{
	struct album album = {.random = argc > 1 ? strtoull(argv[1], NULL, 0) : random_seed()};
	const char *kind = argc > 3 ? argv[3] : "plain";
	unsigned stride = argc > 4 ? (unsigned)atoi(argv[4]) : 8;
	uint64_t bad = 0, instants, random = album.random | 1;

	album.most = argc > 2 ? (unsigned)atoi(argv[2]) % (PAGES + 1) : 3;
	if (!stepped_prepare(strcmp(kind, "bound") == 0   ? LAB_POOL_BOUND
			     : strcmp(kind, "exact") == 0 ? LAB_POOL_EXACT
							  : 0,
			     strcmp(kind, "sampled") == 0 ? 8 : 0,
			     strcmp(kind, "reserve") == 0 ? RESERVE : LAB_NONE)) {
		printf("Bail out! %s\n", lab_error_text());
		return EXIT_FAILURE;
	}
	tap_note("seed %" PRIu64 ", %s, %zu bytes of tables", album.random, kind, bytes);
	for (unsigned i = 0; i < 300; i++)
		stepped_turn(&random);
	instants = sweep(victim, album.random, &album, &bad);
	tap_ok(bad == 0 && instants > 10000 &&
		       (album.lacking > 1000 || strcmp(kind, "reserve") != 0),
	       "killed at any instruction, nothing is lost");
	tap_note("%" PRIu64 " instants, %" PRIu64 " bad; at %" PRIu64
		 " of every second frames have left its bundles, at %" PRIu64
		 " the reserve lacks some",
		 instants, bad, album.seen[1], album.lacking);
	bad = instants = 0;
	for (unsigned i = 0; i < PAGES && bad <= MOST_BAD; i++) {
		if (!album.page[i].tables)
			continue;
		begin_with(&album.page[i]);
		instants += sweep(reaper, 0, NULL, &bad);
	}
	tap_ok(bad == 0 && instants > 1000, "nor when who reaps is killed at any instruction, too");
	tap_note("%" PRIu64 " instants after %u of the first, %" PRIu64 " bad", instants,
		 album.pages, bad);
	bad = 0;
	for (unsigned i = 0; i < PAGES && bad <= MOST_BAD; i++) {
		uint64_t seed = random_next(&random) | 1;

		if (!album.page[i].tables)
			continue;
		begin_with(&album.page[i]);
		bad += !side_by_side(reaper, survivor, seed, stride, DENSE);
		bad += !side_by_side(survivor, reaper, seed, stride * 4, 0);
	}
	tap_ok(bad == 0 && album.pages, "nor when the survivor works while one reaps");
	return tap_done();
}
