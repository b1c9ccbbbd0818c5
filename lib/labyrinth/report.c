/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Who has what: counted from the frame table, and named by the slots.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <labyrinth/lab_alloc.h>
#include <labyrinth/lab_report.h>

#include "bundle.h"
#include "cache.h"
#include "error.h"
#include "pool.h"
#include "refusal.h"
#include "share/process.h"
#include "site.h"

/* The list that is being made. */
struct list {
	const struct lab_pool *pool;
	uint64_t by_state[256];
	struct lab_holder *holder;
	unsigned n, most;
};

static struct lab_holder *add(struct list *list, struct lab_owner owner,
			      const struct lab_label *name, uint64_t since)
{
	static struct lab_holder none;
	struct lab_holder *h = list->n < list->most ? &list->holder[list->n++] : &none;

	memset(h, 0, sizeof(*h));
	h->owner = owner;
	lab_label_get(name, h->name);
	h->since = since;
	return h;
}

static void add_lcore(struct list *list, struct lab_holder *process, const struct lab_process *p,
		      unsigned lcore)
{
	const struct lab_slot *slot = &list->pool->priv->shared->slot[lcore];
	const struct lab_cache *c = lab_pool_cache(list->pool, lcore);
	uint64_t held = list->by_state[LAB_STATE_HELD(lcore)];
	uint64_t cached = lab_cache_len(c) + ((uint64_t)lab_load(&c->blocks) << LAB_BLOCK_SHIFT);
	int active = lab_load(&slot->taken) != 0;
	struct lab_holder *h;

	process->held += held;
	process->cached += cached;
	if ((!active && !held && !cached) ||
	    (lcore == p->first && lab_pool_has_homes(list->pool->priv)))
		return;
	h = add(list, lab_owner_lcore(lcore), &slot->name, lab_load(&slot->since));
	h->process = process->owner.id;
	h->pid = process->pid;
	h->held = held;
	h->cached = cached;
	h->active = active;
}

static void add_process(struct list *list, const struct lab_process *p)
{
	struct lab_holder *h = add(list, lab_owner_process(lab_load(&p->id)), &p->name, p->since);

	h->process = h->owner.id;
	h->pid = p->pid;
	h->active = lab_load(&p->state) == LAB_PROCESS_ACTIVE;
	for (unsigned lcore = p->first;
	     lcore < (unsigned)p->first + p->lcores && lcore <= list->pool->priv->max_lcores;
	     lcore++)
		add_lcore(list, h, p, lcore);
}

/* The count is the driver's, the frames are the table's: never more than these. */
static void split_lent(struct lab_holder *h, uint32_t noted)
{
	if (!noted)
		return;
	h->sending = noted - 1 < h->lent ? noted - 1 : h->lent;
	h->receiving = h->lent - h->sending;
}

static void add_device(struct list *list, int device)
{
	const struct lab_shared *shared = list->pool->priv->shared;
	const struct lab_slot *slot = &shared->device[device];
	uint32_t process = lab_load(&slot->taken);
	const struct lab_process *p = &shared->process[process % LAB_MAX_PROCESSES];
	struct lab_holder *h;

	if (!process)
		return;
	h = add(list, lab_owner_device(device), &slot->name, lab_load(&slot->since));
	h->process = process;
	h->lent = list->by_state[LAB_STATE_LENT(device)];
	split_lent(h, lab_load(&slot->sending));
	h->active = lab_load(&p->id) == process && lab_load(&p->state) == LAB_PROCESS_ACTIVE &&
		    !lab_load(&slot->quarantined);
	h->pid = lab_load(&p->id) == process ? p->pid : 0;
}

/* Whether a pool's frames can be counted. */
static int check(const struct lab_pool *pool)
{
	if (!pool)
		return lab_fail(EINVAL, "a report needs a pool; NULL was passed");
	if (pool->priv->inherited)
		return lab_refuse_child(pool);
	if (!pool->state)
		return lab_fail(ENOTSUP,
				"pool '%s' is unprotected and does not know who has its frames",
				pool->priv->name);
	return 0;
}

int lab_pool_holders(const struct lab_pool *pool, struct lab_holder *holders, unsigned most)
{
	struct list list = {.pool = pool, .holder = holders, .most = most};
	int err = check(pool);

	if (err)
		return err;
	for (uint64_t i = 0; i < pool->frames; i++)
		list.by_state[lab_frame_state(pool, i)]++;
	for (unsigned i = 0; i < LAB_MAX_PROCESSES; i++) {
		const struct lab_process *p = &pool->priv->shared->process[i];

		if (lab_load(&p->state) != LAB_PROCESS_FREE && p->first)
			add_process(&list, p);
	}
	for (int i = 0; i < LAB_MAX_DEVICES; i++)
		add_device(&list, i);
	return (int)list.n;
}

/* ---- sites ---- */

/* The file that a process has mapped at an address, and where in it that is. */
static void find_module(struct lab_site_stats *site)
{
	char path[40], line[512], first[256] = "", name[256];
	unsigned long long start, end, base = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%u/maps", site->pid);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%llx-%llx %*s %*s %*s %*s %255s", &start, &end, name) != 3)
			continue;
		if (strcmp(name, first) != 0) {
			memcpy(first, name, sizeof(first));
			base = start;
		}
		if (site->address < start || site->address >= end)
			continue;
		memcpy(site->module, name, sizeof(site->module));
		/* Of the call, not of what comes behind it. */
		site->offset = site->address - base - 1;
		break;
	}
	if (maps)
		fclose(maps);
}

static int by_samples(const void *a, const void *b)
{
	const struct lab_site_stats *one = a, *other = b;

	if (one->samples != other->samples)
		return one->samples < other->samples ? 1 : -1;
	return one->address < other->address ? -1 : one->address > other->address;
}

static void count_site(struct lab_site_stats *sites, unsigned *n, const struct lab_site *from,
		       uint32_t pid)
{
	uint64_t since = lab_load(&from->since), address = lab_load(&from->address);
	struct lab_site_stats *site = NULL;

	for (unsigned i = 0; i < *n && !site; i++) {
		if (sites[i].address == address && sites[i].process == from->process)
			site = &sites[i];
	}
	if (!site) {
		site = &sites[(*n)++];
		*site = (struct lab_site_stats){
			.process = from->process, .pid = pid, .address = address, .oldest = since};
	}
	site->samples++;
	if (since < site->oldest)
		site->oldest = since;
	if (since > site->newest)
		site->newest = since;
}

int lab_pool_sites(const struct lab_pool *pool, struct lab_site_stats *sites, unsigned most)
{
	struct lab_site_stats *all;
	unsigned n = 0;
	int err = check(pool);

	if (err || !pool->priv->plan.sites)
		return err;
	all = malloc(pool->priv->plan.sites * sizeof(*all));
	if (!all)
		return lab_fail(ENOMEM, "no memory to sort the sites of pool '%s'",
				pool->priv->name);
	for (uint32_t i = 0; i < pool->priv->plan.sites; i++) {
		const struct lab_site *site = lab_site_at(pool->priv, i);
		uint32_t id = lab_load(&site->process);
		const struct lab_process *p = &pool->priv->shared->process[id % LAB_MAX_PROCESSES];

		/* Of a process that was reaped, the frames are free. */
		if (lab_load(&site->frame) && lab_load(&p->id) == id &&
		    lab_load(&p->state) != LAB_PROCESS_FREE)
			count_site(all, &n, site, p->pid);
	}
	qsort(all, n, sizeof(*all), by_samples);
	n = n < most ? n : most;
	for (unsigned i = 0; i < n; i++) {
		find_module(&all[i]);
		sites[i] = all[i];
	}
	free(all);
	return (int)n;
}
