/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Who of a pool's processes is alive: each holds a lock on a byte of the tables' memfd, through an
 * open file description of its own (fcntl(2), "Open file description locks"). The kernel gives it
 * up with the process, however that ends, before anybody can mistake a new process of the same pid
 * for it; and it works between namespaces, where pids differ. A lock is also how one survivor of
 * several becomes the one that reaps, that answers who wants to attach, or that changes the table
 * of processes.
 */
#ifndef LIFE_H
#define LIFE_H

/** The bytes: one for each process, and behind them */
#define LAB_LIFE_TABLE  4096u /* of whoever changes the table of processes, */
#define LAB_LIFE_SERVER 4097u /* and of whoever answers those who attach */

/**
 * lab_life_open() - a description of one's own of the memory behind @fd.
 *
 * Return: a descriptor, closed on exec; or -errno with a sentence.
 */
int lab_life_open(int fd, int read_only);

/** lab_life_take() - take a byte's lock. Return: 1, or 0 if somebody else has it. */
int lab_life_take(int fd, unsigned byte);

/** lab_life_wait() - take it as soon as nobody else has it. Return: 0; or -EBUSY after five
 * seconds, in which nobody gave it up. Sleeps. */
int lab_life_wait(int fd, unsigned byte);

/** lab_life_share() - take it together with others that take it so, or step down to that. Return:
 * 1, or 0 if somebody has it alone. */
int lab_life_share(int fd, unsigned byte);

/** lab_life_drop() - give it up. */
void lab_life_drop(int fd, unsigned byte);

/** lab_life_is_taken() - 1 if somebody else has it: for a process's byte, that it is alive. */
int lab_life_is_taken(int fd, unsigned byte);

#endif
