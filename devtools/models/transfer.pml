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
 * What the giver does when the new owner has gone:
 * (nothing)  it takes back by a compare-and-swap of the byte alone;
 * -DCHECK    likewise, if home[] still has the value that only this transfer wrote;
 * -DLOCKED   likewise, with the lock of the table of processes;
 * -DCLAIM    whoever takes a frame from a home, be it giver, owner or reaper, first takes that value
 *            out of home[] by a compare-and-swap;
 * -DTARGET   it only says so. home[] names for whom the frame was; the keeper of whoever has the
 *            range gives to the pool what was another's, and does not accept it.
 * -DBUG, with -DCLAIM: the reaper does not look at home[].
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
#define CLAIMED  4 /* + who */

#define FREE    0 /* the slot's state */
#define JOINING 1
#define ACTIVE  2
#define LEAVING 3

byte state = GIVER, home = NONE, slot = ACTIVE, id = 1;
byte listed; /* in the depot: to check, no memory of the program's */
bool table, first_dead, giver_dead, giver_ended, giver_reaped, third_ended, newcomer_ended;
bool told, strays, astray;

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
	atomic { !table -> table = true; locked = true }
}

inline drop_lock()
{
	atomic { table = false; locked = false }
}

/* Take the value out of home[], if the byte says that the frame is there. */
inline claim(who)
{
	mine = false;
	why = home;
	if
	:: why == BY_GIVER || why == BY_THIRD || why == SAMPLED ->
		atomic {
			mine = (home == why);
			if
			:: mine -> home = CLAIMED + who
			:: else
			fi
		}
	/* Who was to take it is dead. */
	:: why == CLAIMED && giver_dead -> mine = true
	:: else
	fi
}

/* All that the range's home has goes to the pool. */
inline sweep(who)
{
	if
	:: state == HOME ->
#if defined(CLAIM) && !defined(BUG)
		claim(who);
		if
		:: mine -> to_depot(HOME)
		:: else
		fi
#else
		to_depot(HOME)
#endif
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
	bool there, mine, locked;

	atomic { there = (slot == ACTIVE && id == 1); OR_DIE }
	if
	:: !there -> goto ended
	:: else
	fi;
	atomic { home = BY_GIVER; OR_DIE }
	atomic { state = HOME; OR_DIE }
	atomic { there = (slot == ACTIVE && id == 1); OR_DIE }
	if
	:: there -> goto ended
	:: else
	fi;
#ifdef TARGET
	atomic { strays = true; OR_DIE }
#else
#ifdef LOCKED
	take_lock();
#endif
#ifdef CLAIM
	atomic {
		mine = (home == BY_GIVER);
		if
		:: mine -> home = CLAIMED
		:: else
		fi;
		OR_DIE
	}
#else
#if defined(CHECK) || defined(LOCKED)
	/* In this order: home[] may be an old one of a frame that is elsewhere. */
	atomic { mine = (state == HOME); OR_DIE }
	atomic { mine = (mine && home == BY_GIVER); OR_DIE }
#else
	mine = true;
#endif
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
#ifdef LOCKED
	drop_lock()
#endif
#endif
ended:
	giver_ended = true;
	goto out;
killed:
	atomic {
		giver_dead = true;
		giver_ended = true;
		if
		:: locked -> table = false
		:: else
		fi
	}
out:
	skip
}

/* Of a survivor. */
proctype keeper()
{
	bool mine, locked;
	byte why;

	do
	:: first_dead && id == 1 && slot != FREE ->
		take_lock();
		slot = LEAVING;
		sweep(1);
		slot = FREE;
		drop_lock()
	:: giver_dead && !giver_reaped ->
		take_lock();
		to_depot(GIVER);
		if
		:: slot == FREE -> sweep(1)
		:: else
		fi;
#ifdef CLAIM
		/* What the dead had claimed. */
		if
		:: state == HOME && home == CLAIMED -> to_depot(HOME)
		:: else
		fi;
#endif
#ifdef TARGET
		strays = true;
#endif
		giver_reaped = true;
		drop_lock()
#ifdef TARGET
	:: strays ->
		take_lock();
		if
		:: slot == FREE -> sweep(1)
		:: slot != FREE && id == 2 -> astray = true /* for whoever has the range */
		:: else
		fi;
		strays = false;
		drop_lock()
#endif
	:: giver_ended && third_ended && newcomer_ended && !strays && !astray &&
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
	bool mine, locked;
	byte why;

	if
	:: slot == FREE
	:: true -> goto out /* it never comes */
	fi;
	take_lock();
	id = 2;
	slot = JOINING;
	sweep(2);
	slot = ACTIVE;
	drop_lock();
	do
	:: told ->
		/* lab_accept() */
		assert(state == HOME && home == BY_THIRD);
#ifdef CLAIM
		claim(2);
		assert(mine);
#endif
		atomic { assert(state == HOME); state = NEWCOMER }
		told = false
	:: atomic { state == DEPOT && listed == 1 -> listed = 0; state = NEWCOMER }
		home = SAMPLED;
		state = HOME;
		/* It uses the frame, and frees it. */
#ifdef CLAIM
		claim(2);
		assert(mine);
#endif
		atomic { assert(state == HOME); state = NEWCOMER }
		to_depot(NEWCOMER)
#ifdef TARGET
	/* Its keeper. */
	:: astray ->
		astray = false;
		if
		:: state == HOME ->
			why = home;
			if
			:: why == BY_GIVER -> to_depot(HOME)
			:: else
			fi
		:: else
		fi
#else
	/* lab_reclaim(), of what somebody gave that has gone. */
	:: giver_reaped && state == HOME && home == BY_GIVER ->
#ifdef CLAIM
		claim(2);
		assert(mine);
#endif
		to_depot(HOME)
#endif
	:: giver_ended && third_ended && (!giver_dead || giver_reaped) && !told && !strays &&
	   !astray && !(giver_reaped && state == HOME) -> break
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
	first_dead && giver_ended && third_ended && newcomer_ended && !table && !strays && !astray &&
		(!giver_dead || giver_reaped) && (id == 2 || slot == FREE);
	assert((listed == 1 && state == DEPOT) ||
	       (listed == 0 && ((state == GIVER && !giver_dead) || state == THIRD || state == NEWCOMER)))
}
