/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * labyrinth-perf: runs the chosen cases on the chosen subjects, interleaved round by round, and
 * prints one table. It judges nothing; --targets sets goals beside figures.
 */
#include <labyrinth/labyrinth.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "dpdk.h"
#include "machine.h"
#include "options.h"
#include "results.h"

#define MIB                ((uint64_t)1 << 20)
#define LARGE_FRAMES       262144u
#define LARGE_FRAMES_QUICK 65536u
#define SLOW_ROUNDS        7u
#define SLOW_ROUNDS_QUICK  3u

static volatile sig_atomic_t interrupted;
static bool told[SUBJECTS_MAX];

static void on_signal(int number)
{
	interrupted = 1;
}

static void list(void)
{
	printf("cases:\n");
	for (unsigned i = 0; i < cases_n; i++)
		printf("  %-26s %s\n", cases[i].name, cases[i].summary);
	printf("subjects:\n");
	for (unsigned i = 0; i < subjects_n; i++)
		printf("  %-26s %s\n", subjects[i]->name, subjects[i]->about);
}

static bool is_rte(const struct subject *subject)
{
	return subject->real && subject->ops;
}

/* Hugepages of 2 MiB for a pool: 504 of DPDK's objects fit into one, and it needs some for tables.
 */
static uint64_t pool_hugepages(const struct subject *subject, uint64_t frames)
{
	if (!subject->real)
		return 0;
	return is_rte(subject) ? frames / 500 + 6 : (frames + 511) / 512;
}

/* What the chosen subjects need: all their pools at once, or one large one. */
static uint64_t hugepages_needed(const struct options *options, uint64_t large_frames)
{
	uint64_t all = 0, one = 0, n;

	for (unsigned i = 0; i < options->subjects_n; i++) {
		all += pool_hugepages(options->subjects[i], options->frames);
		n = pool_hugepages(options->subjects[i], large_frames);
		one = n > one ? n : one;
	}
	/* keeper: one beside them */
	all += (options->frames + 511) / 512;
	return (all > one ? all : one) + 8;
}

static bool makes_large_pools(const struct options *options)
{
	for (unsigned i = 0; i < options->cases_n; i++)
		if (options->cases[i]->own_pool)
			return true;
	return false;
}

static void say_ordinary(uint64_t need, uint64_t have)
{
	fprintf(stderr,
		"labyrinth-perf: %llu hugepages of 2 MiB are needed and %llu are free, so all "
		"pools lie on ordinary pages: TLB misses slow all subjects down and no physical "
		"address is known. To have them: sysctl vm.nr_hugepages=%llu, or --reserve.\n",
		(unsigned long long)need, (unsigned long long)have,
		(unsigned long long)(machine_hugepages_total() + need - have));
}

/*
 * Decides what the pools lie on: hugepages if there are enough, also by --reserve; or else ordinary
 * pages, and says what that costs. Returns how many hugepages were reserved, to be given back.
 */
static int64_t choose_pages(const struct options *options, struct bench *bench)
{
	uint64_t need, have = machine_hugepages();
	int64_t reserved = 0;

	bench->frames = options->frames;
	bench->large_frames = options->quick ? LARGE_FRAMES_QUICK : LARGE_FRAMES;
	if (!makes_large_pools(options))
		bench->large_frames = 0;
	need = hugepages_needed(options, bench->large_frames);
	if (have < need && options->reserve) {
		reserved = lab_hugepage_reserve(LAB_PAGE_2M, LAB_NODE_ANY, (uint64_t)(need - have));
		if (reserved < 0) {
			fprintf(stderr, "labyrinth-perf: --reserve: %s\n", lab_error_text());
			reserved = 0;
		}
		have = machine_hugepages();
	}
	bench->hugepages = have >= hugepages_needed(options, 0);
	if (!bench->hugepages) {
		say_ordinary(need, have);
		if (bench->large_frames)
			bench->large_frames = LARGE_FRAMES_QUICK;
	} else if (have < need) {
		bench->large_frames = (have - 14) * 500;
	}
	return reserved;
}

static void print_header(const struct machine *machine, const struct options *options,
			 const struct bench *bench)
{
	printf("%s, %u CPU%s, %s; %s; %s; %s; cache %u frames, pools of %llu; %u round%s\n",
	       machine->cpu_model, machine->cpus_n, machine->cpus_n == 1 ? "" : "s",
	       machine->kernel, machine->date, dpdk_version() ? dpdk_version() : "without DPDK",
	       bench->hugepages ? "2 MiB hugepages" : "ordinary pages", CACHE_FRAMES,
	       (unsigned long long)bench->frames, options->rounds, options->rounds == 1 ? "" : "s");
	printf("Nanoseconds for a frame allocated and freed, where the row says nothing else. In "
	       "parentheses: the ratio to rte-ring,\ntaken round by round; above 1 the subject is "
	       "better. All figures are medians over the rounds.\n\n");
}

/* Now, rather than after a minute of measuring. */
static bool writable(const char *path)
{
	FILE *file = fopen(path, "a");

	if (file)
		fclose(file);
	else
		fprintf(stderr, "labyrinth-perf: cannot write %s: %s\n", path, strerror(errno));
	return file != NULL;
}

static bool applies(const struct bench_case *c, const struct subject *subject)
{
	bool ours = subject->real && !subject->ops;

	return (subject->shared || !c->shared_only) && (subject->real || !c->real_only) &&
	       (subject->processes || !c->processes) && (ours || !c->ours) &&
	       (!subject->processes || !c->private_only) && (subject->breathes || !c->breathes);
}

static void tell(const struct subject *subject, const char *why)
{
	unsigned i = 0;

	while (subjects[i] != subject)
		i++;
	if (!told[i])
		fprintf(stderr, "labyrinth-perf: %s: %s\n", subject->name, why);
	told[i] = true;
}

static void scramble(struct bench *bench, const struct subject *subject)
{
	team_lane(bench->team, 0)->steps = UINT64_MAX;
	team_run(bench->team, 1, subject->loops->take);
	team_run(bench->team, 1, subject->loops->give);
}

/* All rounds of one case: in each, every subject once, beginning with another one each time. */
static void run_case(struct bench *bench, const struct bench_case *c, const struct options *options,
		     struct results *results)
{
	unsigned most = options->quick ? SLOW_ROUNDS_QUICK : SLOW_ROUNDS;
	unsigned rounds = c->slow && options->rounds > most ? most : options->rounds;
	unsigned n = options->subjects_n;
	bool open[SUBJECTS_MAX] = {0};
	void *pool[SUBJECTS_MAX] = {0};
	double out[FIGURES_MAX];
	char why[512];

	for (unsigned i = 0; i < n; i++) {
		const struct subject *subject = options->subjects[i];

		open[i] = applies(c, subject);
		if (!open[i] || c->own_pool)
			continue;
		pool[i] = subject->open(subject, bench->frames, bench->hugepages, why, sizeof(why));
		if (!pool[i]) {
			tell(subject, why);
			open[i] = false;
		}
	}
	for (unsigned round = 0; round < rounds && !interrupted; round++) {
		for (unsigned k = 0; k < n; k++) {
			unsigned i = (k + round) % n;
			const struct subject *subject = options->subjects[i];

			if (!open[i])
				continue;
			team_reset(bench->team, pool[i]);
			if (c->scrambled)
				scramble(bench, subject);
			if (!c->round(bench, c, subject, pool[i], out, why, sizeof(why))) {
				tell(subject, why);
				open[i] = false;
				continue;
			}
			for (unsigned f = 0; f < c->figures_n; f++)
				results_add(results, c, f, subject, round, out[f]);
		}
	}
	for (unsigned i = 0; i < n; i++) {
		if (!pool[i])
			continue;
		if (options->subjects[i]->leave)
			team_each(bench->team, options->subjects[i]->leave, pool[i]);
		options->subjects[i]->close(pool[i]);
	}
}

static void run(struct bench *bench, const struct machine *machine, const struct options *options,
		struct results *results)
{
	const struct subject *to = subject_find("rte-ring");

	results_print_heading(options->subjects, options->subjects_n);
	for (unsigned i = 0; i < options->cases_n && !interrupted; i++) {
		const struct bench_case *c = options->cases[i];

		if (c->two_cpus && machine->cpus_n < 2) {
			printf("%s: skipped, it needs two CPUs and this process may use one\n",
			       c->name);
			continue;
		}
		run_case(bench, c, options, results);
		if (interrupted)
			break;
		results_print_case(results, c, options->subjects, options->subjects_n, to);
	}
	if (bench->large_frames && !interrupted)
		printf("\ncreate, memory, grow, shrink, breath-latency: pools of %llu frames (%llu "
		       "MiB)\n",
		       (unsigned long long)bench->large_frames,
		       (unsigned long long)(bench->large_frames * FRAME_BYTES / MIB));
	if (!dpdk_version())
		printf("\nThis build has no DPDK: the comparison with rte_mempool is missing.\n");
	if (interrupted)
		printf("\nInterrupted: the table ends here.\n");
}

static int measure(const struct options *options, const struct machine *machine,
		   struct bench *bench)
{
	struct results *results = NULL;
	uint64_t megabytes = 64, most;
	char why[512];
	int rc = 1;

	/* on ordinary pages each of DPDK's objects takes two, and tables come on top */
	for (unsigned i = 0; i < options->subjects_n; i++)
		if (is_rte(options->subjects[i]))
			megabytes += 5 * pool_hugepages(options->subjects[i], options->frames);
	megabytes += bench->large_frames / 100;
	if (!dpdk_start(machine->cpus[0], bench->hugepages, megabytes, why, sizeof(why))) {
		fprintf(stderr, "labyrinth-perf: %s\n", why);
		return 1;
	}
	most = bench->frames > bench->large_frames ? bench->frames : bench->large_frames;
	bench->team = team_start(machine->cpus, machine->cpus_n < 2 ? 1 : 2, most + 1024);
	results = results_new(options->rounds);
	if (!bench->team || !results) {
		fprintf(stderr, "labyrinth-perf: no memory or no threads for the measurement.\n");
		goto out;
	}
	print_header(machine, options, bench);
	run(bench, machine, options, results);
	if (options->targets)
		targets_print(results);
	rc = 0;
	if (options->json) {
		int error = results_write_json(results, subject_find("rte-ring"), options->json);

		if (error) {
			fprintf(stderr, "labyrinth-perf: cannot write %s: %s\n", options->json,
				strerror(-error));
			rc = 1;
		}
	}
out:
	results_free(results);
	if (bench->team)
		team_stop(bench->team);
	dpdk_stop();
	return rc;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct options options;
	struct machine machine;
	struct bench bench = {0};
	int64_t reserved;
	int rc;

	options_parse(&options, argc, argv);
	if (options.json && !writable(options.json))
		return 2;
	if (options.list) {
		list();
		return 0;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	machine_look(&machine);
	reserved = choose_pages(&options, &bench);
	bench.quick = options.quick;
	bench.cycles_per_ns = machine.cycles_per_ns;
	bench.cycles_overhead = machine.cycles_overhead;
	rc = measure(&options, &machine, &bench);
	if (reserved > 0)
		lab_hugepage_unreserve(LAB_PAGE_2M, LAB_NODE_ANY, (uint64_t)reserved);
	return interrupted ? 130 : rc;
}
