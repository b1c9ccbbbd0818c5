/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A pool without caches (exact.c, and its part of share/reap.c): frames come out of the set one by one
 * and go back. One process may be killed between any two steps, so may the first one that reaps it;
 * another goes on, and is also given frames, which it frees.
 *
 *   -DBUG    the reaper reads the word before the byte, and stores without comparing
 *   -DFOREVER  calls without end, for the search for cycles in which none ends
 */
#ifndef CALLS
#define CALLS 2
#endif
#define FRAMES 2
#define NOBODY 255

/* Of a frame's byte. */
#define DEPOT    0
#define HELD(p)  (10 + (p))
#define FREED(p) (20 + (p))
/* Of its word: the set, or who took it out, or was about to put it in, last. */
#define SET 0
#define A   1
#define B   2

byte state[FRAMES];
byte where[FRAMES];
byte given = NOBODY;   /* what A has passed to B, and told it of */
bool dead;             /* A */
bool reaped;
bool survivor_ended;
byte owner[FRAMES];    /* who may touch it, to be found wrong */
bool first_reaper_died;

#define OWN(f, p) assert(owner[f] == 0 || owner[f] == p); owner[f] = p

/* Each step of a mortal one may be its last. */
#define DIES if :: dead = true; goto gone :: skip fi

/* One allocation: sets f, or NOBODY. */
inline take(p, f, mortal)
{
	f = NOBODY;
	i = 0;
	do
	:: i < FRAMES && f == NOBODY ->
		atomic { if :: where[i] == SET -> where[i] = p; f = i :: else fi };
		i++;
		if :: mortal -> DIES :: else fi
	:: else -> break
	od;
	if
	:: f != NOBODY ->
		assert(state[f] == DEPOT);
		atomic { state[f] = HELD(p); OWN(f, p) };
		if :: mortal -> DIES :: else fi
	:: else
	fi
}

inline give_back(p, f, mortal)
{
	atomic { assert(state[f] == HELD(p)); state[f] = FREED(p); owner[f] = 0 };
	if :: mortal -> DIES :: else fi;
	where[f] = p;
	if :: mortal -> DIES :: else fi;
	state[f] = DEPOT;
	if :: mortal -> DIES :: else fi;
	where[f] = SET;
	if :: mortal -> DIES :: else fi
}

proctype victim()
{
	byte f, i, n = CALLS;

	do
	:: n > 0 ->
		take(A, f, true);
		if
		:: f != NOBODY -> give_back(A, f, true)
		:: f != NOBODY && given == NOBODY ->
			/* A transfer: the byte first, and then B is told. */
			atomic { state[f] = HELD(B); owner[f] = B };
			DIES;
			given = f
		:: f == NOBODY
		fi;
#ifndef FOREVER
		n--
#endif
progress_a:	skip
	:: n == 0 -> break
	od;
	/* It leaves: it is reaped, too. */
	dead = true;
gone:	skip
}

proctype survivor()
{
	byte f, i, n = CALLS;

	do
	:: n > 0 ->
		if
		:: given != NOBODY -> atomic { f = given; given = NOBODY }
		:: take(B, f, false)
		fi;
		if
		:: f != NOBODY -> give_back(B, f, false)
		:: f != NOBODY /* it keeps it */
		:: f == NOBODY
		fi;
#ifndef FOREVER
		n--
#endif
progress_b:	skip
	:: n == 0 -> break
	od;
	survivor_ended = true;
gone:	skip /* it never is */
}

#define MAY_STOP if :: !second -> first_reaper_died = true; goto stopped :: skip fi

/* Both passes. It may be killed anywhere, once. */
inline reap()
{
	i = 0;
	do
	:: i < FRAMES ->
#ifdef BUG
		if
		:: where[i] == A ->
			if :: state[i] == DEPOT -> where[i] = SET :: else fi
		:: else
		fi;
#else
		if
		:: state[i] == DEPOT ->
			atomic { if :: where[i] == A -> where[i] = SET :: else fi }
		:: else
		fi;
#endif
		i++;
		MAY_STOP
	:: else -> break
	od;
	i = 0;
	do
	:: i < FRAMES ->
		s = state[i];
		MAY_STOP;
		if
		:: s == HELD(A) || s == FREED(A) ->
			atomic { if :: state[i] == s -> state[i] = FREED(A); owner[i] = 0; took = true
				    :: else -> took = false fi };
			MAY_STOP;
			if
			:: took ->
				where[i] = A;
				MAY_STOP;
				state[i] = DEPOT;
				MAY_STOP;
				where[i] = SET;
				MAY_STOP
			:: else
			fi
		:: else
		fi;
		i++
	:: else -> break
	od
}

proctype reaper(bool second)
{
	byte i, s;
	bool took;

end:	(second && first_reaper_died) || (!second && dead);
	reap();
	reaped = true;
stopped: skip
}

init
{
	atomic {
		run victim();
		run survivor();
		run reaper(false);
		run reaper(true)
	};
	/* A quiet point: nobody has another step. */
	(reaped && survivor_ended);
	byte f;
	for (f : 0 .. FRAMES - 1) {
		assert((where[f] == SET && state[f] == DEPOT && owner[f] == 0) ||
		       (state[f] == HELD(B) && owner[f] == B && where[f] != SET))
	}
}
