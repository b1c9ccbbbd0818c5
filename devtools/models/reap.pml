/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Who reaps, and what others do meanwhile (lib/labyrinth/share/process.c, reap.c, transfer.c). A
 * process dies; a giver is just transferring frames to it, and may be killed after any step; two
 * keepers want to reap whoever is dead, and one of them may be killed after any step; a newcomer
 * takes the slot as soon as it is free, is given frames, too, accepts and frees them, and may be
 * killed after any step. Frames that came back are allocated and given again.
 *
 * Locks are the kernel's: a process that dies has none any more. What the second pass of a reaper
 * does to one frame (through a cache to the depot) is one step here; cache.pml takes it apart, as
 * dissolve.pml does with bundles. Whose frame it is that a giver takes back is transfer.pml's.
 * Memory is sequentially consistent: between the store of a byte and the look at the slot, and
 * between the store of the slot and the look at the bytes, the code has a full fence.
 *
 * In the end each frame is in the depot once, or held by a process that lives; nothing waits but
 * who waits for a lock. The giver has no lock and waits for nothing. With -DFOREVER, for cycles
 * without progress: who gives, and who accepts, go on without end, and some call always ends. -DBUG:
 * the giver does not look again after it has stored the byte. -DBUG2: nobody looks for strays.
 */
#define FRAMES 2
#ifndef GIFTS
#define GIFTS 3
#endif

/* A frame's byte. */
#define DEPOT 0
#define GIVER 1 /* held by the giver, whose slot is 1 */
#define HOME  2 /* at the home of the process in slot 0 */
#define NEWER 3 /* held by the newcomer */

/* A slot's state. */
#define FREE    0
#define JOINING 1
#define ACTIVE  2
#define LEAVING 3

#define NOBODY 0

byte state[FRAMES] = GIVER;
byte listed[FRAMES]; /* in the depot: to check, no memory of the program's */
byte slot[2] = ACTIVE;
byte id = 1;   /* of who has, or had, slot 0 */
byte life[2];  /* who has the slot's lock */
byte table;    /* who has the table's */
bool giving;   /* the giver says that it gives to slot 0 */
bool first_dead, giver_dead, giver_ended, newcomer_ended, newcomer_in;

/* The compare-and-swap, and then to the depot. */
inline to_depot(f, from)
{
	if
	:: state[f] == from -> state[f] = DEPOT; assert(listed[f] == 0); listed[f]++
	:: else
	fi
}

#define OR_DIE                             \
	if                                 \
	:: mortal -> goto killed           \
	:: true                            \
	fi

proctype first()
{
	atomic { first_dead = true; life[0] = NOBODY }
}

proctype giver()
{
	byte f, to, gifts;
	bool there, mortal = true;

	do
#ifdef FOREVER
	:: true ->
#else
	:: gifts == GIFTS -> break
	:: gifts < GIFTS -> gifts++;
#endif
		/* What it has, or else gets from the depot. */
		atomic {
			f = 0;
			do
			:: f == FRAMES || state[f] == GIVER -> break
			:: else -> f++
			od;
			if
			:: f == FRAMES ->
				f = 0;
				do
				:: f == FRAMES -> break
				:: f < FRAMES && state[f] == DEPOT ->
					if
					:: listed[f] == 1 ->
						listed[f] = 0;
						state[f] = GIVER
					:: else
					fi;
					break
				:: f < FRAMES && state[f] != DEPOT -> f++
				od
			:: else
			fi;
			to = id;
			OR_DIE
		}
		if
		:: f < FRAMES && state[f] == GIVER ->
			atomic { giving = true; OR_DIE }
			atomic { there = (slot[0] == ACTIVE && id == to); OR_DIE }
			if
			:: there ->
				atomic { state[f] = HOME; OR_DIE }
#ifndef BUG
				atomic { there = (slot[0] == ACTIVE && id == to); OR_DIE }
				if
				:: !there -> atomic { to_depot(f, HOME); OR_DIE }
				:: else
				fi
#endif
			:: else
			fi;
			atomic { giving = false; OR_DIE }
		:: else
		fi;
progress_given:
		skip
	od;
	giver_ended = true;
	goto out;
killed:
	atomic { giver_dead = true; life[1] = NOBODY; giver_ended = true }
out:
	skip
}

/* Of a dead process's slot: its frames, and those that name a slot which nobody has. */
inline reap(s)
{
	/* With the slot's lock. */
	atomic { table == NOBODY -> table = me; OR_DIE }
	if
	:: slot[s] != FREE ->
		atomic { slot[s] = LEAVING; OR_DIE }
		atomic {
#ifdef BUG2
			whose[GIVER] = (s == 1);
			whose[HOME] = (s == 0);
#else
			whose[GIVER] = (s == 1 || slot[1] == FREE);
			whose[HOME] = (s == 0 || slot[0] == FREE);
#endif
			whose[NEWER] = whose[HOME];
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
		if
		:: s == 1 -> atomic { giving = false; OR_DIE }
		:: else
		fi;
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
	bool whose[4];

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

/* lab_process_join(), and what it is given. */
proctype newcomer(byte me)
{
	byte f, seen, calls;
	bool mortal = true;

	if
	:: slot[0] == FREE
	:: giver_ended -> goto out /* it never comes */
	fi;
	atomic { table == NOBODY -> table = me; OR_DIE }
	if
	:: atomic { slot[0] == FREE && life[0] == NOBODY && !giving -> life[0] = me; OR_DIE }
		atomic { id = id + 1; OR_DIE }
		atomic { slot[0] = JOINING; OR_DIE }
#ifndef BUG2
		/* lab_reap_strays() */
		f = 0;
		do
		:: f == FRAMES -> break
		:: f < FRAMES ->
			seen = state[f];
			if
			:: seen == HOME || (seen == GIVER && slot[1] == FREE) ->
				atomic { to_depot(f, seen); OR_DIE }
			:: else
			fi;
			f++
		od;
#endif
		atomic { slot[0] = ACTIVE; newcomer_in = true; OR_DIE }
	:: else
	fi;
	atomic { table = NOBODY; OR_DIE }
	do
	:: newcomer_in ->
		/* lab_accept(), and then lab_free(). */
		atomic {
			state[0] == HOME || state[1] == HOME || giver_ended;
			f = (state[0] == HOME -> 0 : 1);
			if
			:: state[f] == HOME -> state[f] = NEWER
			:: else -> goto out
			fi;
			OR_DIE
		}
		atomic { to_depot(f, NEWER); OR_DIE }
progress_accepted:
		skip
	:: !newcomer_in -> break
	od;
	goto out;
killed:
	atomic {
		newcomer_in = false;
		if
		:: table == me -> table = NOBODY
		:: else
		fi;
		if
		:: life[0] == me -> life[0] = NOBODY
		:: else
		fi
	}
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
