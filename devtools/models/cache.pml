/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * An lcore's refill, flush, allocation and free (lib/labyrinth/cache.c, lab_alloc.h), and the two
 * passes of lib/labyrinth/share/reap.c over what it leaves when it is killed after any of its steps.
 * Another lcore works beside both. The reaper may be killed as well, after any step, and begin anew.
 *
 * The depot is a word a magazine here: how the maps lead to it is depot.pml's. Loose frames only:
 * blocks take the same way, a word of eight bytes at a time. Memory is sequentially consistent.
 *
 * A flush fills an empty magazine, or, as a drain does, one that is partly filled.
 *
 * In the end: each frame is in one place, listed once, as its byte says; and the counters say how many
 * are in the depot. With -DFOREVER, for cycles without progress: the lcore goes on until it is killed,
 * and some call always ends. -DBUG: a flush marks the frames as the depot's before its
 * magazine lists them. -DBUG2: a reaper believes that an unfinished flush had begun with nothing in its
 * magazine.
 */
#ifdef FOREVER
#define FRAMES 2
#define MAGS   4
#else
#define FRAMES 3
#define MAGS   5
#endif
#define CAP    2 /* of a magazine */
#define ROOM   4 /* of a cache */
#define VICTIM 0
#define OTHER  1
#ifndef CALLS
#define CALLS 3 /* of the victim */
#endif
#ifndef CALLS_OTHER
#define CALLS_OTHER 1
#endif

/* A frame's byte. */
#define DEPOT   0
#define FREED   1 /* + lcore */
#define HELD    3 /* + lcore */

/* A magazine's word. */
#define EMPTY   0
#define FULL    1
#define HAND    2 /* + lcore */
#define PARTIAL 4

#define NOTHING 0 /* moving: a magazine's number + 1, with IN for a refill */
#define IN      16

byte state[FRAMES];
byte where[MAGS], count[MAGS], item[MAGS * CAP];
byte loose[2], foreign[2], objs[2 * ROOM], moving[2];
byte refilled[2], flushed[2], after[2], had[2];
bool dead, ended, reaped;
byte crashes;

#define OBJ(l, i)  objs[(l) * ROOM + (i)]
#define ITEM(m, i) item[(m) * CAP + (i)]
/* Without an end the counters would make endlessly many states. */
#ifdef FOREVER
#define COUNTED(x) 0
#else
#define COUNTED(x) (x)
#endif
#define IN_DEPOT(m) (where[m] == FULL || where[m] == PARTIAL)

/* After any step a mortal process may be gone. The reaper begins anew, once. */
#define OR_DIE                                                   \
	if                                                       \
	:: mortal -> goto killed                                 \
	:: again && crashes == 0 -> crashes = 1; goto killed     \
	:: true                                                  \
	fi

/* Any magazine that is there: the compare-and-swap of its word. */
inline pop(l, set)
{
	atomic {
		m = 0;
		do
		:: m == MAGS -> break
		:: m < MAGS ->
			if
			:: where[m] == set -> break
			:: else -> m++
			fi
		od;
		if
		:: m < MAGS -> where[m] = HAND + l
		:: else
		fi;
		OR_DIE
	}
}

inline refill(l)
{
	pop(l, FULL);
	if
	:: m == MAGS -> pop(l, PARTIAL)
	:: else
	fi;
	if
	:: m < MAGS ->
		atomic { after[l] = COUNTED(refilled[l] + count[m]); OR_DIE }
		atomic { moving[l] = IN + m + 1; OR_DIE }
		i = 0;
		do
		:: i == count[m] -> break
		:: i < count[m] -> OBJ(l, loose[l] + i) = ITEM(m, i); i++
		od;
		atomic { foreign[l] = loose[l] + count[m]; OR_DIE }
		atomic { loose[l] = loose[l] + count[m]; OR_DIE }
		atomic { refilled[l] = COUNTED(after[l]); OR_DIE }
		atomic { count[m] = 0; OR_DIE }
		atomic { moving[l] = NOTHING; OR_DIE }
		atomic { where[m] = EMPTY; OR_DIE }
	:: else
	fi
}

inline mark(l)
{
	i = first;
	do
	:: i == first + n -> break
	:: i < first + n ->
		atomic {
			assert(state[ITEM(m, i)] == FREED + l ||
			       (state[ITEM(m, i)] == DEPOT && i - first < foreign[l]));
			state[ITEM(m, i)] = DEPOT;
			OR_DIE
		}
		i++
	od
}

inline flush(l, partial)
{
	m = MAGS;
	if
	:: partial -> pop(l, PARTIAL)
	:: else
	fi;
	if
	:: m == MAGS -> pop(l, EMPTY)
	:: else
	fi;
	assert(m < MAGS && count[m] < CAP);
	first = count[m];
	atomic { had[l] = first; OR_DIE }
	atomic { after[l] = COUNTED(flushed[l]); OR_DIE }
	atomic { moving[l] = m + 1; OR_DIE }
	n = (loose[l] < CAP - first -> loose[l] : CAP - first);
	i = 0;
	do
	:: i == n -> break
	:: i < n -> ITEM(m, first + i) = OBJ(l, i); i++
	od;
#ifdef BUG
	mark(l);
	atomic { count[m] = first + n; OR_DIE }
#else
	atomic { count[m] = first + n; OR_DIE }
	mark(l);
#endif
	/* close_gap() */
	i = 0;
	do
	:: n + i == loose[l] -> break
	:: n + i < loose[l] -> atomic { OBJ(l, i) = OBJ(l, n + i); OR_DIE } i++
	od;
	atomic { foreign[l] = (foreign[l] > n -> foreign[l] - n : 0); OR_DIE }
	atomic { loose[l] = loose[l] - n; OR_DIE }
	atomic { after[l] = COUNTED(flushed[l] + n); OR_DIE }
	atomic { where[m] = (count[m] == CAP -> FULL : PARTIAL); OR_DIE }
	atomic { flushed[l] = COUNTED(after[l]); OR_DIE }
	atomic { moving[l] = NOTHING; OR_DIE }
}

inline allocate(l)
{
	f = OBJ(l, loose[l] - 1);
	atomic {
		assert(state[f] == FREED + l || (state[f] == DEPOT && loose[l] <= foreign[l]));
		state[f] = HELD + l;
		OR_DIE
	}
	atomic { loose[l] = loose[l] - 1; OR_DIE }
}

inline release(l)
{
	f = 0;
	do
	:: f < FRAMES && state[f] == HELD + l -> break
	:: f < FRAMES && state[f] != HELD + l -> f++
	:: f == FRAMES -> break
	od;
	if
	:: f < FRAMES ->
		atomic { state[f] = FREED + l; OR_DIE }
		if
		:: loose[l] < foreign[l] -> atomic { foreign[l] = loose[l]; OR_DIE }
		:: else
		fi;
		atomic { OBJ(l, loose[l]) = f; OR_DIE }
		atomic { loose[l] = loose[l] + 1; OR_DIE }
	:: else
	fi
}

inline work(l, most)
{
	do
	:: calls == most -> break
	:: calls < most ->
#ifdef FOREVER
		/* The victim goes on without end. */
		calls = (l == VICTIM -> 0 : calls + 1);
#else
		calls++;
#endif
		if
		:: loose[l] <= ROOM - CAP -> refill(l)
		:: loose[l] > 0 -> allocate(l)
		:: loose[l] < ROOM -> release(l)
		:: loose[l] >= CAP -> flush(l, false)
		/* One of a drain's. */
		:: loose[l] > 0 -> flush(l, true)
		fi;
progress:
		skip
	od
}

proctype victim()
{
	byte m, i, n, f, first, calls;
	bool mortal = true, again = false;

	work(VICTIM, CALLS);
killed:
	dead = true
}

proctype other()
{
	byte m, i, n, f, first, calls;
	bool mortal = false, again = false;

	work(OTHER, CALLS_OTHER);
	ended = true;
	if
	:: false -> goto killed
	:: true
	fi;
killed:
	skip
}

/* A frame gets a byte that names the dead. */
inline name(frame)
{
	atomic {
		if
		:: state[frame] == DEPOT -> state[frame] = FREED + VICTIM
		:: else
		fi;
		OR_DIE
	}
}

inline finish_counting()
{
	if
	:: moving[VICTIM] >= IN -> atomic { refilled[VICTIM] = COUNTED(after[VICTIM]); OR_DIE }
	:: moving[VICTIM] > 0 && moving[VICTIM] < IN ->
		m = moving[VICTIM] - 1;
		if
		:: where[m] != HAND + VICTIM ->
			atomic { flushed[VICTIM] = COUNTED(after[VICTIM]); OR_DIE }
			atomic { moving[VICTIM] = NOTHING; OR_DIE }
		:: else ->
#ifdef BUG2
			atomic { after[VICTIM] = COUNTED(refilled[VICTIM]); OR_DIE }
#else
			atomic { after[VICTIM] = COUNTED(refilled[VICTIM] + had[VICTIM]); OR_DIE }
#endif
			atomic { moving[VICTIM] = IN + m + 1; OR_DIE }
			atomic { refilled[VICTIM] = COUNTED(after[VICTIM]); OR_DIE }
		fi
	:: else
	fi
}

inline empty_magazine()
{
	if
	:: count[m] > 0 && moving[VICTIM] != IN + m + 1 ->
		atomic { after[VICTIM] = COUNTED(refilled[VICTIM] + count[m]); OR_DIE }
		atomic { moving[VICTIM] = IN + m + 1; OR_DIE }
	:: else
	fi;
	if
	:: moving[VICTIM] == IN + m + 1 -> atomic { refilled[VICTIM] = COUNTED(after[VICTIM]); OR_DIE }
	:: else
	fi;
	i = 0;
	do
	:: i == count[m] -> break
	:: i < count[m] -> name(ITEM(m, i)); i++
	od;
	atomic { count[m] = 0; OR_DIE }
	if
	:: moving[VICTIM] == IN + m + 1 -> atomic { moving[VICTIM] = NOTHING; OR_DIE }
	:: else
	fi;
	atomic { where[m] = EMPTY; OR_DIE }
}

proctype reaper()
{
	byte m, i, n, f, first, k;
	bool mortal = false, again = true;

	dead;
begin:
	/* The first pass: what only a list says is the dead's. */
	finish_counting();
	k = 0;
	do
	:: k < foreign[VICTIM] && k < loose[VICTIM] -> name(OBJ(VICTIM, k)); k++
	:: else -> break
	od;
	m = 0;
	do
	:: m == MAGS -> break
	:: m < MAGS ->
		if
		:: where[m] == HAND + VICTIM -> empty_magazine()
		:: else
		fi;
		m++
	od;
	atomic { loose[VICTIM] = 0; OR_DIE }
	atomic { foreign[VICTIM] = 0; OR_DIE }
	atomic { moving[VICTIM] = NOTHING; OR_DIE }
	/* The second: what its byte says is the dead's, through its own cache to the depot. */
	k = 0;
	do
	:: k == FRAMES -> break
	:: k < FRAMES ->
		if
		:: state[k] == FREED + VICTIM || state[k] == HELD + VICTIM ->
			atomic { state[k] = FREED + VICTIM; OR_DIE }
			OBJ(VICTIM, loose[VICTIM]) = k;
			atomic { loose[VICTIM] = loose[VICTIM] + 1; OR_DIE }
		:: else
		fi;
		k++
	od;
	do
	:: loose[VICTIM] == 0 -> break
	:: loose[VICTIM] > 0 -> flush(VICTIM, true)
	od;
	reaped = true;
	goto out;
killed:
	goto begin;
out:
	skip
}

inline place(frame)
{
	n = 0;
	m = 0;
	do
	:: m == MAGS -> break
	:: m < MAGS ->
		i = 0;
		do
		:: i == count[m] || !IN_DEPOT(m) -> break
		:: i < count[m] && IN_DEPOT(m) ->
			if
			:: ITEM(m, i) == frame -> assert(state[frame] == DEPOT); n++
			:: else
			fi;
			i++
		od;
		m++
	od;
	i = 0;
	do
	:: i == loose[OTHER] -> break
	:: i < loose[OTHER] ->
		if
		:: OBJ(OTHER, i) == frame ->
			assert(state[frame] == FREED + OTHER ||
			       (state[frame] == DEPOT && i < foreign[OTHER]));
			n++
		:: else
		fi;
		i++
	od;
	if
	:: state[frame] == HELD + OTHER -> n++
	:: else
	fi;
	assert(n == 1)
}

init
{
	byte m, i, n, f;

	atomic {
		/* The last one in a magazine, the others in another. */
		do
		:: f == FRAMES - 1 -> break
		:: f < FRAMES - 1 -> ITEM(0, f) = f; f++
		od;
		count[0] = FRAMES - 1;
		where[0] = (count[0] == CAP -> FULL : PARTIAL);
		ITEM(1, 0) = FRAMES - 1;
		count[1] = 1;
		where[1] = PARTIAL;
		run victim();
		run other();
		run reaper()
	}
	reaped && ended;
	d_step {
		f = 0;
		do
		:: f == FRAMES -> break
		:: f < FRAMES -> place(f); f++
		od;
		n = 0;
		m = 0;
		do
		:: m == MAGS -> break
		:: m < MAGS ->
			if
			:: IN_DEPOT(m) -> n = n + count[m]
			:: else
			fi;
			m++
		od
	}
#ifndef FOREVER
	assert(n + refilled[0] + refilled[1] == FRAMES + flushed[0] + flushed[1])
#endif
}
