/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * One frame is transferred to a process that dies (lib/labyrinth/share/transfer.c, home.h), and
 * another has its range of lcores before the giver looks again. The giver may stall, or be killed,
 * between any two steps. Meanwhile the dead is reaped, a newcomer gets the range, and the frame
 * comes back to the same home: a third process gives it to the newcomer, or the newcomer allocates
 * it and keeps it there (a sample).
 *
 * Checked: what was given to the newcomer, or sampled by it, nobody else takes away. In the end the
 * frame is in the depot once, or held by a process that lives and knows of it.
 *
 * The giver takes back by a compare-and-swap of the byte, and there are several ways to see to it that
 * the byte still means this transfer:
 * (nothing)  the giver first says to which lcore it gives, and nobody joins with such an lcore;
 * -DLATE     likewise, but it says so after it has looked whether the new owner is there;
 * -DBUG      the byte alone;
 * -DCHECK    and home[], looked at before, has a value that only this transfer wrote.
 * The newcomer may have an old number of the frame, and accepts it if it is there.
 */
#define DEPOT    0 /* the frame's byte */
#define GIVER    1
#define THIRD    2
#define NEWCOMER 3
#define HOME     4 /* of the range that the dead had, and the newcomer gets */

#define NONE     0 /* home[] */
#define BY_GIVER 1 /* for the first */
#define BY_THIRD 2 /* for the newcomer */
#define SAMPLED  3

#define FREE    0 /* the slot's state */
#define JOINING 1
#define ACTIVE  2
#define LEAVING 3

#if !defined(BUG) && !defined(CHECK)
#define GIVING
#endif

byte state = GIVER, home = NONE, slot = ACTIVE, id = 1;
byte listed; /* in the depot: to check, no memory of the program's */
bool table, first_dead, giver_dead, giver_ended, giver_reaped, third_ended, newcomer_ended;
bool told, giving;

inline to_depot(from)
{
	atomic {
		if
		:: state == from -> state = DEPOT; assert(listed == 0); listed++
		:: else
		fi
	}
}

inline take_lock()
{
	atomic { !table -> table = true }
}

inline drop_lock()
{
	table = false
}

/* All that the range's home has goes to the pool. */
inline sweep()
{
	if
	:: state == HOME -> to_depot(HOME)
	:: else
	fi
}

#define OR_DIE                   \
	if                       \
	:: goto killed           \
	:: true                  \
	fi

proctype first()
{
	first_dead = true
}

proctype giver()
{
	bool there, mine;

#if defined(GIVING) && !defined(LATE)
	atomic { giving = true; OR_DIE }
#endif
	atomic { there = (slot == ACTIVE && id == 1); OR_DIE }
	if
	:: !there -> goto ended
	:: else
	fi;
#if defined(GIVING) && defined(LATE)
	atomic { giving = true; OR_DIE }
#endif
	atomic { home = BY_GIVER; OR_DIE }
	atomic { state = HOME; OR_DIE }
	atomic { there = (slot == ACTIVE && id == 1); OR_DIE }
	if
	:: there -> goto ended
	:: else
	fi;
#if defined(CHECK)
	/* In this order: home[] may be an old one of a frame that is elsewhere. */
	atomic { mine = (state == HOME); OR_DIE }
	atomic { mine = (mine && home == BY_GIVER); OR_DIE }
#else
	mine = true;
#endif
	if
	:: mine ->
		atomic {
			if
			:: state == HOME -> state = GIVER
			:: else
			fi;
			OR_DIE
		}
	:: else
	fi;
ended:
	atomic { giving = false; OR_DIE }
	giver_ended = true;
	goto out;
killed:
	atomic {
		giver_dead = true;
		giver_ended = true
	}
out:
	skip
}

/* Of a survivor. */
proctype keeper()
{
	bool mine;

	do
	:: first_dead && id == 1 && slot != FREE ->
		take_lock();
		slot = LEAVING;
		sweep();
		slot = FREE;
		drop_lock()
	:: giver_dead && !giver_reaped ->
		take_lock();
		to_depot(GIVER);
		if
		:: slot == FREE -> sweep()
		:: else
		fi;
		giving = false;
		giver_reaped = true;
		drop_lock()
	:: giver_ended && third_ended && newcomer_ended &&
	   (!giver_dead || giver_reaped) && (id == 2 || slot == FREE) -> break
	od
}

/* Gets the frame out of the depot, and gives it to the newcomer. */
proctype third()
{
	bool got;

	do
	:: atomic { !got && state == DEPOT && listed == 1 -> listed = 0; state = THIRD }
		got = true
	:: got && slot == ACTIVE && id == 2 ->
		home = BY_THIRD;
		state = HOME;
		told = true;
		break
	:: break
	od;
	third_ended = true
}

proctype newcomer()
{
	bool mine;

	if
	:: slot == FREE
	:: true -> goto out /* it never comes */
	fi;
	take_lock();
	if
	:: giving -> drop_lock(); goto out /* or with other lcores */
	:: else
	fi;
	id = 2;
	slot = JOINING;
	sweep();
	slot = ACTIVE;
	drop_lock();
	do
	:: told ->
		/* lab_accept() */
		assert(state == HOME && home == BY_THIRD);
		atomic { assert(state == HOME); state = NEWCOMER }
		told = false
	/* By an old number. */
	:: state == HOME && home == BY_GIVER ->
		atomic {
			mine = (state == HOME);
			if
			:: mine -> state = NEWCOMER
			:: else
			fi
		}
		to_depot(NEWCOMER)
	:: atomic { state == DEPOT && listed == 1 -> listed = 0; state = NEWCOMER }
		home = SAMPLED;
		state = HOME;
		/* It uses the frame, and frees it. */
		atomic { assert(state == HOME); state = NEWCOMER }
		to_depot(NEWCOMER)
	/* lab_reclaim(), of what somebody gave that has gone. */
	:: giver_reaped && state == HOME && home == BY_GIVER ->
		to_depot(HOME)
	:: giver_ended && third_ended && (!giver_dead || giver_reaped) && !told &&
	   !(giver_reaped && state == HOME) -> break
	od;
out:
	newcomer_ended = true
}

init
{
	atomic {
		run first();
		run giver();
		run keeper();
		run third();
		run newcomer()
	}
	first_dead && giver_ended && third_ended && newcomer_ended && !table &&
		(!giver_dead || giver_reaped) && (id == 2 || slot == FREE);
	assert((listed == 1 && state == DEPOT) ||
	       (listed == 0 && ((state == GIVER && !giver_dead) || state == THIRD || state == NEWCOMER)))
}
