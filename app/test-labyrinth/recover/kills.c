/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Two to eight processes share a pool, and do to it all that a process can: allocate, free,
 * transfer, lend, attach, leave, reap. One after the other is killed (SIGKILL), whatever it is just
 * doing; in half of the cases the others go on until it is reaped, by a keeper or by several at
 * once, and now and then another is killed meanwhile. After each kill all frames must be accounted
 * for and the tables be in order. And before that the same load without kills, to see whether
 * survivors ever waited.
 *
 * A wait would be seen in one of two ways: as the CPU's time of a call, if it spins, or as a switch
 * of the thread's own will, if it sleeps. The time on a clock says nothing where processes share
 * two CPUs, but for calls in which the thread was not switched out.
 *
 *	kills KILLS [SEED]
 */
#include <errno.h>
#include <inttypes.h>

#include "../net/tap.h"
#include "../work.h"
#include "bundle.h"
#include "error.h"
#include "member.h"
#include "share/process.h"

#define FRAMES   2048u
#define MOST_BAD 5u
#define SPIN_NS  30000000u

/* A call of a survivor that takes more of the CPU's time than this, and than so many times what it
 * takes without kills, has waited for somebody. */
#define WORST_NS    5000000u
#define WORST_RATIO 20u

/* ---- in the one that kills ---- */

/* All stop where nothing is under way: first of working, then with what was passed on taken in. */
static int halt(uint32_t kind)
{
	uint32_t order = (crew->order & ~3u) + 4 + kind;

	__atomic_store_n(&crew->order, order, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < crew->members; i++) {
		for (unsigned tries = 0;
		     __atomic_load_n(&crew->member[i].paused, __ATOMIC_ACQUIRE) != order; tries++) {
			if (!crew_pid[i])
				break;
			if (tries > 200000 || waitpid(crew_pid[i], NULL, WNOHANG)) {
				tap_note("process %u does not obey, or has ended: %s", i,
					 crew->member[i].said);
				return 0;
			}
			usleep(50);
		}
	}
	return 1;
}

static void go_on(void)
{
	__atomic_store_n(&crew->order, (crew->order & ~3u) + 4, __ATOMIC_RELEASE);
}

static int count(uint64_t kill)
{
	struct lab_pool_stats stats, census;
	uint64_t said_held = 0, said_lent = 0;
	unsigned failed = 0;

	for (unsigned i = 0; i < crew->members; i++) {
		if (!crew_pid[i])
			continue;
		said_held += crew->member[i].held;
		said_lent += crew->member[i].lent;
		failed += crew->member[i].failed;
		if (crew->member[i].failed)
			tap_note("kill %" PRIu64 ": process %u: %s", kill, i, crew->member[i].said);
	}
	lab_pool_stats(pool, &stats);
	lab_pool_census(pool, &census);
	if (lab_pool_validate(pool)) {
		tap_note("kill %" PRIu64 ": %s", kill, lab_error_text());
		return 0;
	}
	if (census.held == said_held && census.lent == said_lent && stats.held == said_held &&
	    stats.lent == said_lent && !failed)
		return 1;
	tap_note("kill %" PRIu64 ": %" PRIu64 " held, %" PRIu64 " lent; counted %" PRIu64
		 " and %" PRIu64 "; by the counters %" PRIu64 " and %" PRIu64,
		 kill, said_held, said_lent, census.held, census.lent, stats.held, stats.lent);
	return 0;
}

/* 1 if a slot is that of a process which lives. */
static int is_ours(const struct lab_process *p)
{
	int ours = (pid_t)p->pid == getpid() || lab_load(&p->state) == LAB_PROCESS_FREE;

	for (unsigned i = 0; i < crew->members && !ours; i++)
		ours = crew_pid[i] && (pid_t)p->pid == crew_pid[i];
	return ours;
}

/* Another keeper may have been quicker, and be at it. */
static int reap_all(void)
{
	for (unsigned tries = 0; tries < 20000; tries++) {
		int all = 1;

		if (lab_pool_reap(pool) < 0)
			return 0;
		for (unsigned i = 0; i < LAB_MAX_PROCESSES && all; i++)
			all = is_ours(&pool->priv->shared->process[i]);
		if (all)
			return 1;
		usleep(100);
	}
	lab_fail(ETIMEDOUT, "a dead process is not reaped after two seconds");
	return 0;
}

/* What the dead leave that is not simple: whether it comes about at all is checked, too. */
static struct {
	uint64_t beside;  /* kills after which survivors worked on until the dead was reaped */
	uint64_t second;  /* processes killed while a slot was being reaped */
	uint64_t bundles; /* in use, at all audits */
	uint64_t broken;  /* of the dead, from which frames had left */
} seen;

static struct lab_process *slot_of(pid_t pid)
{
	for (unsigned i = 0; i < LAB_MAX_PROCESSES; i++) {
		struct lab_process *p = &pool->priv->shared->process[i];

		if (lab_load(&p->state) != LAB_PROCESS_FREE && (pid_t)p->pid == pid)
			return p;
	}
	return NULL;
}

/* Just after its death, unless a keeper has been very quick. */
static void look_at_bundles(const struct lab_process *dead)
{
	for (uint32_t i = 0; dead && i < pool->bundles->magazines; i++) {
		const struct lab_bundle *bundle = lab_bundle_at(pool, i);
		uint8_t state = lab_load(&bundle->state);
		unsigned lcore = state > LAB_MAX_LCORES ? state - LAB_MAX_LCORES : state;

		seen.broken += lab_load(&bundle->where) == LAB_MAGAZINE_LISTED &&
			       lab_load(&bundle->left) < LAB_BLOCK_FRAMES && lcore &&
			       lab_process_has(dead, lcore);
	}
}

static struct lab_process *kill_one(unsigned victim)
{
	struct lab_process *slot = slot_of(crew_pid[victim]);

	crew_kill(victim);
	look_at_bundles(slot);
	return slot;
}

static unsigned another(unsigned than, uint64_t *random)
{
	return (than + 1 + random_below(random, crew->members - 1)) % crew->members;
}

/* 1 if the slot is seen being reaped, before too long. */
static int is_being_reaped(const struct lab_process *slot)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + SPIN_NS;

	while (slot && clock_ns(CLOCK_MONOTONIC) < end) {
		for (unsigned tries = 0; tries < 200; tries++) {
			uint32_t state = lab_load(&slot->state);

			if (state == LAB_PROCESS_LEAVING || state == LAB_PROCESS_FREE)
				return state == LAB_PROCESS_LEAVING;
		}
	}
	return 0;
}

/* The others work on, until those that survive have reaped what has died. This process does not
 * halt them; its own keeper is one of several. */
static int let_them_reap(unsigned victim, struct lab_process *slot, uint64_t *random)
{
	unsigned first = another(victim, random), asked = random_below(random, 8);

	seen.beside++;
	/* One in eight is left to the keepers, whenever they come. */
	for (unsigned i = 0; i < asked && i < 2; i++)
		__atomic_store_n(&crew->member[i ? another(victim, random) : first].reap, 1,
				 __ATOMIC_RELEASE);
	if (asked && random_below(random, 4) && is_being_reaped(slot)) {
		kill_one(random_below(random, 2) ? first : another(victim, random));
		seen.second++;
	} else if (asked && random_below(random, 8) == 0) {
		usleep(random_below(random, 200));
		kill_one(first);
	}
	if (asked > 5)
		lab_pool_reap(pool);
	for (unsigned tries = 0; tries < 40000; tries++) {
		int all = 1;

		for (unsigned i = 0; i < LAB_MAX_PROCESSES && all; i++)
			all = is_ours(&pool->priv->shared->process[i]);
		if (all)
			return 1;
		usleep(50);
	}
	tap_note("the survivors have not reaped the dead after two seconds");
	return 0;
}

/* After a kill: is everything there? */
static int audit(uint64_t kill)
{
	struct lab_depot_stats depot;
	int good = halt(1);

	if (!reap_all())
		tap_note("reap: %s", lab_error_text());
	/* Nobody drives what the dead had registered, and it is no real device. */
	if (lab_device_absolve(pool, "device") < 0)
		tap_note("absolve: %s", lab_error_text());
	good = good && halt(3) && count(kill);
	lab_pool_depot_stats(pool, &depot);
	seen.bundles += depot.bundles_used;
	go_on();
	return good;
}

static void work_a_while(uint64_t *random)
{
	usleep(random_below(random, random_below(random, 4) ? 1500 : 6000));
}

static unsigned waited; /* campaigns in which somebody did */

/* The worst of all survivors. A process that was killed has begun anew. */
struct worst {
	uint64_t calls, clock, cpu, slept;
};

static struct worst worst_of(void)
{
	struct worst worst = {0};

	for (unsigned i = 0; i < crew->members; i++) {
		struct crew_member *m = &crew->member[i];

		worst.calls += m->calls;
		worst.clock = m->worst > worst.clock ? m->worst : worst.clock;
		worst.cpu = m->worst_cpu > worst.cpu ? m->worst_cpu : worst.cpu;
		worst.slept += m->slept;
		m->calls = m->worst = m->worst_cpu = m->slept = 0;
	}
	return worst;
}

static void print_worst(const char *when, const struct worst *worst)
{
	tap_note("  %s: worst of %" PRIu64 " calls %.3f ms of a CPU, %.3f ms unswitched; %" PRIu64
		 " sleeps",
		 when, worst->calls, (double)worst->cpu * 1e-6, (double)worst->clock * 1e-6,
		 worst->slept);
}

/* Return: 1 if no survivor waited. */
static int never_waited(const struct worst *calm, const struct worst *stormy)
{
	uint64_t bound = calm->cpu * WORST_RATIO > WORST_NS ? calm->cpu * WORST_RATIO : WORST_NS;

	print_worst("without kills", calm);
	print_worst("with kills", stormy);
	return stormy->cpu <= bound && stormy->slept <= calm->slept;
}

/* Some kills among `members` processes, and the same time without. Return: how many went well. */
static uint64_t campaign(unsigned members, uint64_t kills, uint64_t first, uint64_t *random)
{
	uint64_t good = 0, bad = 0;
	struct worst calm, stormy;
	double started;

	crew->members = members;
	memset(crew->ring, 0, sizeof(crew->ring));
	memset(crew->member, 0, sizeof(crew->member));
	for (unsigned i = 0; i < members; i++)
		crew_start(i, member, random_next(random) | 1);
	halt(1);
	go_on();
	worst_of();
	for (uint64_t i = 0; i < kills / 2 + 1; i++) {
		work_a_while(random);
		halt(1);
		go_on();
	}
	calm = worst_of();
	started = seconds_now();
	for (uint64_t i = 0; i < kills && bad < MOST_BAD; i++) {
		unsigned victim = random_below(random, members);
		struct lab_process *slot;
		int reaped = 1;

		work_a_while(random);
		slot = kill_one(victim);
		if (random_below(random, 2))
			reaped = let_them_reap(victim, slot, random);
		if (audit(first + i) && reaped)
			good++;
		else
			bad++;
		for (unsigned k = 0; k < members; k++) {
			if (!crew_pid[k])
				crew_start(k, member, random_next(random) | 1);
		}
	}
	stormy = worst_of();
	tap_note("%u processes, %" PRIu64 " kills in %.1f s:", members, kills,
		 seconds_now() - started);
	waited += !never_waited(&calm, &stormy);
	for (unsigned i = 0; i < members; i++)
		crew_kill(i);
	return good;
}

/* The first of the crew makes the pool, and is killed with the others; this process survives. */
static void founder(unsigned me, uint64_t unused)
{
	const struct lab_pool_config config = {.name = NAME,
					       .frames = FRAMES,
					       .page_size = LAB_PAGE_4K,
					       .cache_frames = 64,
					       .max_lcores = 40,
					       .lcores = 1,
					       .flags = LAB_POOL_SHARED | LAB_POOL_FALLBACK};

	(void)unused;
	self = &crew->member[me];
	if (!lab_pool_create(&config))
		complain("create");
	__atomic_store_n(&self->paused, 1, __ATOMIC_RELEASE);
	pause();
}

static int found(void)
{
	const struct lab_attach_config config = {
		.name = NAME, .lcores = 1, .flags = LAB_POOL_FALLBACK};

	crew_start(0, founder, 0);
	for (unsigned i = 0;
	     i < 2000 && !__atomic_load_n(&crew->member[0].paused, __ATOMIC_ACQUIRE); i++)
		usleep(1000);
	pool = lab_pool_attach(&config);
	if (!pool)
		tap_note("%s; %s", lab_error_text(), crew->member[0].said);
	crew_kill(0);
	return pool != NULL;
}

int main(int argc, char **argv)
{
	uint64_t kills = argc > 1 ? strtoull(argv[1], NULL, 0) : 700, good = 0, all = 0;
	uint64_t random = argc > 2 ? strtoull(argv[2], NULL, 0) : random_seed();

	tap_note("seed %" PRIu64, random);
	random |= 1;
	if (!crew_begin() || !tap_ok(found(), "the pool outlives the process that made it")) {
		printf("Bail out! no pool\n");
		return EXIT_FAILURE;
	}
	for (unsigned members = 2; members <= CREW_MAX; members++) {
		uint64_t part = kills / (CREW_MAX - 1);

		good += campaign(members, part, all, &random);
		all += part;
	}
	tap_ok(good == all && all, "killed at random instants, no frame is lost or owned twice");
	tap_note("%" PRIu64 " kills, %" PRIu64 " well survived", all, good);
	tap_ok(waited == 0, "and no survivor ever waited for another");
	tap_ok(seen.beside > all / 4 && seen.second && seen.bundles > all && seen.broken,
	       "survivors work beside reapers, reapers are killed, and bundles are there to break");
	tap_note("%" PRIu64 " reaped beside those who work, %" PRIu64
		 " killed while one was being reaped; %.1f bundles at an audit, %" PRIu64
		 " broken ones of the dead",
		 seen.beside, seen.second, (double)seen.bundles / (double)all, seen.broken);
	lab_pool_reap(pool);
	lab_device_absolve(pool, "device");
	tap_ok(lab_pool_validate(pool) == 0, "in the end the tables are in order");
	tap_ok(lab_pool_destroy(pool) == 0, "the last one leaves, and nothing was held");
	tap_ok(rmdir(crew_dir) == 0, "and nothing is left in the run-time directory");
	return tap_done();
}
