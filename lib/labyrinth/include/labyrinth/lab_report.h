/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Who has how many frames, and since when. Control path: every call here is a pass over the frame
 * table, and may sleep. Works on a pool of one's own, a shared one, and one that is only looked at.
 */
#ifndef LAB_REPORT_H
#define LAB_REPORT_H

#include <stdio.h>

#include "lab_layout.h"
#include "lab_owner.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Most holders that a pool can have: processes, their lcores, and devices. */
#define LAB_HOLDERS_MAX (32 + LAB_MAX_LCORES + LAB_MAX_DEVICES)

/**
 * struct lab_holder - an owner, and what it has.
 * @owner: a process, an lcore or a device.
 * @name: of the process's program, of the lcore, of the device.
 * @process: the id of the process that it belongs to; 0 of an lcore that no process has.
 * @pid: of that process, as it sees itself.
 * @since: it became an owner, in seconds since 1970.
 * @held: frames that it holds; of a process, those of its lcores and those that none of them has
 *	accepted yet.
 * @cached: free frames in its cache or caches.
 * @lent: frames that are lent to it.
 * @receiving, @sending: of these, what a device is to receive into, and what it is to send as of
 *	its driver's last burst. Both 0 where a driver does not say (lab_note_sending()).
 * @active: 1: a process that lives, as far as anybody has noticed; an lcore that a thread has; a
 *	device that a process drives.
 */
struct lab_holder {
	struct lab_owner owner;
	char name[32];
	uint32_t process;
	uint32_t pid;
	uint64_t since;
	uint64_t held;
	uint64_t cached;
	uint64_t lent;
	uint64_t receiving;
	uint64_t sending;
	int active;
};

/**
 * lab_pool_holders() - all owners of a pool.
 * @pool: an exclusive pool.
 * @holders: room for @most, LAB_HOLDERS_MAX is enough. Receives each process, behind it its lcores
 *	(those that a thread has, or that hold or cache something), and at the end the devices.
 *
 * Return: how many; or -EINVAL, -ENOTSUP (an unprotected pool does not know). Thread-safe; exact at
 *a quiet point.
 */
int lab_pool_holders(const struct lab_pool *pool, struct lab_holder *holders, unsigned most);

/**
 * struct lab_site_stats - a place in a program that allocated frames which are still held.
 * @process, @pid: whose program.
 * @address: behind the call, in that process.
 * @module: the file that is mapped there, and @offset the address within it, as addr2line(1) takes
 *	it; empty and 0 if that cannot be told any more.
 * @samples: of the frames that were sampled, how many are held. One in lab_pool_config.sample is.
 * @oldest, @newest: when they were allocated, in seconds since 1970.
 */
struct lab_site_stats {
	uint32_t process;
	uint32_t pid;
	uint64_t address;
	char module[256];
	uint64_t offset;
	uint32_t samples;
	uint64_t oldest;
	uint64_t newest;
};

/**
 * lab_pool_sites() - where the held frames were allocated, of those that were sampled.
 * @sites: room for @most. Receives those with most samples first.
 *
 * Return: how many, 0 in a pool that does not sample; or -EINVAL, -ENOMEM. Thread-safe.
 */
int lab_pool_sites(const struct lab_pool *pool, struct lab_site_stats *sites, unsigned most);

/** enum lab_report_format - how it is written. */
enum lab_report_format {
	LAB_REPORT_TEXT,
	LAB_REPORT_JSON,
};

/**
 * lab_pool_report() - write totals, holders and sites.
 * @pool: an exclusive pool.
 * @out: where to; not closed.
 *
 * If the environment variable LABYRINTH_LEAKS is set, lab_pool_destroy() does it for each pool of
 * which frames are still held: to stderr if that is its value; else appended to the file of that
 * name, as JSON, an object a line, if the name ends in ".json".
 *
 * Return: 0; or -EINVAL, -ENOTSUP as above, -EIO.
 */
int lab_pool_report(const struct lab_pool *pool, FILE *out, enum lab_report_format format);

#ifdef __cplusplus
}
#endif
#endif
