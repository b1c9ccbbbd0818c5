/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Points that can be made to fail: when one is to, and how often it did. Knows counters and the
 * environment; knows no pool.
 */
#ifndef FAULT_H
#define FAULT_H

#include <errno.h>

#include <labyrinth/lab_fault.h>

/**
 * struct lab_faults - one pool's points, or those of the process.
 * @armed: a bit for each point that is to fail some time; what a site looks at.
 * @nth, @every: as in struct lab_fault.
 * @calls: since they were set. @injected: how many of all calls failed.
 */
struct lab_faults {
	uint32_t armed;
	struct {
		uint64_t nth;
		uint64_t every;
		uint64_t calls;
		uint64_t injected;
	} point[LAB_FAULT_POINTS];
};

#define LAB_FAULT_BIT(point) (1u << (point))

/** The process's: of creations, and of mappings that are no pool's. */
extern struct lab_faults lab_faults_process;

/** lab_faults_set() - as lab_fault_set(); does not hide caches. */
void lab_faults_set(struct lab_faults *f, enum lab_fault_point point,
		    const struct lab_fault *fault);

/**
 * lab_faults_read() - set what LABYRINTH_FAULT says.
 * @f: a pool's that is being made.
 * @name: that pool's.
 *
 * Return: 0; or -EINVAL, and the sentence names the bad word and the nearest good one.
 */
int lab_faults_read(struct lab_faults *f, const char *name);

/** lab_faults_read_process() - the same for the process's, once for each value of the variable. */
int lab_faults_read_process(void);

/** lab_faults_strike() - an armed point was called: 1 if this call is to fail. */
int lab_faults_strike(struct lab_faults *f, enum lab_fault_point point)
	__attribute__((cold, noinline));

/** lab_faults_armed() - 1 if a point is to fail some time. */
static inline int lab_faults_armed(const struct lab_faults *f, enum lab_fault_point point)
{
	/* Acquire: pairs with the release in lab_faults_set(), for nth and every. */
	return (__atomic_load_n(&f->armed, __ATOMIC_ACQUIRE) & LAB_FAULT_BIT(point)) != 0;
}

/** lab_faults_hit() - at a site: 1 if this call is to fail. While the point is off: a load and a
 * test. */
static inline int lab_faults_hit(struct lab_faults *f, enum lab_fault_point point)
{
	return __builtin_expect(lab_faults_armed(f, point), 0) && lab_faults_strike(f, point);
}

/** lab_fault_create() - before a step of a creation: 1 if it is to fail; errno is ENOMEM then. */
static inline int lab_fault_create(void)
{
	if (!lab_faults_hit(&lab_faults_process, LAB_FAULT_CREATE))
		return 0;
	errno = ENOMEM;
	return 1;
}

#endif
