/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Who reaps, and what others do meanwhile (lib/labyrinth/share/process.c, reap.c, transfer.c). A
 * process dies; a giver is just transferring frames to it, and may be killed after any step; two
 * keepers want to reap whoever is dead, and one of them may be killed after any step; a newcomer
 * takes the slot as soon as it is free.
 *
 * Locks are the kernel's: a process that dies has none any more. What the second pass of a reaper
 * does to one frame (through a cache to the depot) is one step here; cache.pml takes it apart.
 * Memory is sequentially consistent: between the store of a byte and the look at the slot, and
 * between the store of the slot and the look at the bytes, the code has a full fence.
 *
 * In the end each frame is in the depot once, or held by a process that lives; nothing waits but
 * who waits for a lock. The giver has no lock and waits for nothing. -DBUG: the giver does not look
 * again after it has stored the byte.
 */
#define FRAMES 2

/* A frame's byte. */
#define DEPOT 0
#define GIVER 1 /* held by the giver, whose slot is 1 */
#define HOME  2 /* at the home of the process in slot 0 */

/* A slot's state. */
#define FREE    0
#define JOINING 1
#define ACTIVE  2
#define LEAVING 3

#define NOBODY 0

byte state[FRAMES] = GIVER;
byte listed[FRAMES]; /* in the depot: to check, no memory of the program's */
byte slot[2] = ACTIVE;
byte id[2] = 1;
byte life[2];  /* who has the slot's lock */
byte table;    /* who has the table's */
bool first_dead, giver_dead, giver_ended, newcomer_ended, newcomer_in;

/* The compare-and-swap, and then to the depot. */
inline to_depot(f, from)
{
	if
	:: state[f] == from -> state[f] = DEPOT; assert(listed[f] == 0); listed[f]++
	:: else
	fi
}

proctype first()
{
	atomic { first_dead = true; life[0] = NOBODY }
}

#define OR_DIE                           \
	if                               \
	:: goto killed                   \
	:: true                          \
	fi

proctype giver()
{
	byte f, to = id[0];
	bool there;

	do
	:: f == FRAMES -> break
	:: f < FRAMES ->
		atomic { there = (slot[0] == ACTIVE && id[0] == to); OR_DIE }
		if
		:: !there -> break
		:: else
		fi;
		atomic { state[f] = HOME; OR_DIE }
#ifndef BUG
		atomic { there = (slot[0] == ACTIVE && id[0] == to); OR_DIE }
		if
		:: !there -> atomic { to_depot(f, HOME); OR_DIE }
		:: else
		fi;
#endif
		f++
	od;
	giver_ended = true;
	goto out;
killed:
	atomic { giver_dead = true; life[1] = NOBODY; giver_ended = true }
out:
	skip
}

#undef OR_DIE
#define OR_DIE                             \
	if                                 \
	:: mortal -> goto killed           \
	:: true                            \
	fi

/* Of a dead process's slot: its frames, and those that name a slot which nobody has. */
inline reap(s)
{
	/* With the slot's lock. */
	atomic { table == NOBODY -> table = me; OR_DIE }
	if
	:: slot[s] != FREE ->
		atomic { slot[s] = LEAVING; OR_DIE }
		atomic {
			whose[GIVER] = (s == 1 || slot[1] == FREE);
			whose[HOME] = (s == 0 || slot[0] == FREE);
			OR_DIE
		}
		f = 0;
		do
		:: f == FRAMES -> break
		:: f < FRAMES ->
			seen = state[f];
			if
			:: seen != DEPOT && whose[seen] -> atomic { to_depot(f, seen); OR_DIE }
			:: else
			fi;
			f++
		od;
		atomic { slot[s] = FREE; OR_DIE }
	:: else
	fi;
	atomic { table = NOBODY; OR_DIE }
	atomic { life[s] = NOBODY; OR_DIE }
}

#define IS_DEAD(s) (slot[s] != FREE && life[s] == NOBODY)
#define SETTLED                                                  \
	(giver_ended && newcomer_ended && first_dead &&          \
	 (slot[0] == FREE || newcomer_in) && (slot[1] == FREE || !giver_dead))

proctype keeper(byte me; bool mortal)
{
	byte f, seen;
	bool whose[3];

	do
	:: atomic { IS_DEAD(0) -> life[0] = me } reap(0)
	:: atomic { IS_DEAD(1) -> life[1] = me } reap(1)
	:: SETTLED -> break
	od;
	goto out;
killed:
	atomic {
		if
		:: table == me -> table = NOBODY
		:: else
		fi;
		if
		:: life[0] == me -> life[0] = NOBODY
		:: life[1] == me -> life[1] = NOBODY
		:: else
		fi
	}
out:
	skip
}

/* lab_process_join() */
proctype newcomer(byte me)
{
	byte f, seen;

	if
	:: slot[0] == FREE
	:: giver_ended -> goto out /* it never comes */
	fi;
	atomic { table == NOBODY -> table = me }
	if
	:: atomic { slot[0] == FREE && life[0] == NOBODY -> life[0] = me } ;
		id[0] = id[0] + 1;
		slot[0] = JOINING;
		/* lab_reap_strays() */
		f = 0;
		do
		:: f == FRAMES -> break
		:: f < FRAMES ->
			seen = state[f];
			if
			:: seen == HOME || (seen == GIVER && slot[1] == FREE) ->
				atomic { to_depot(f, seen) }
			:: else
			fi;
			f++
		od;
		slot[0] = ACTIVE;
		newcomer_in = true
	:: else
	fi;
	table = NOBODY;
out:
	newcomer_ended = true
}

init
{
	byte f;

	atomic {
		life[0] = 1;
		life[1] = 2;
		run first();
		run giver();
		run keeper(3, true);
		run keeper(4, false);
		run newcomer(5)
	}
	SETTLED && table == NOBODY;
	do
	:: f == FRAMES -> break
	:: f < FRAMES ->
		assert((listed[f] == 1 && state[f] == DEPOT) ||
		       (listed[f] == 0 && state[f] == GIVER && !giver_dead) ||
		       (listed[f] == 0 && state[f] == HOME && newcomer_in));
		f++
	od
}
